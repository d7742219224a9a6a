"""Faults planted on purpose; a test that none of them can fail is a comment."""
