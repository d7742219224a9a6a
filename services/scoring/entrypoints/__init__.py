"""How facts, time and people come in."""
