"""The rules of reminders: pure functions of state, command and moment."""
