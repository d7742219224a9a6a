"""The rules of reminders, in sentences."""
