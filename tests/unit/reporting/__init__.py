"""The rules of reporting."""
