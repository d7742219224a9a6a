"""How wishes come in."""
