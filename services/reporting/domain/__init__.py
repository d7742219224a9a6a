"""The rules of reporting; pure."""
