"""The rules of scoring; pure."""
