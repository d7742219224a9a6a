"""The rules of the directory."""
