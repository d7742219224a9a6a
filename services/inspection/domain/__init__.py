"""The rules of inspection: pure functions of state, command and moment."""
