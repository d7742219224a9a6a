"""How wishes and time come in."""
