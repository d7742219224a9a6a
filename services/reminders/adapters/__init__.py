"""The world outside: the list in which notices land."""
