"""The rules of scoring."""
