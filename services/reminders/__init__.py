"""Reminders: time. Remind before due, say missed, climb, tell people."""
