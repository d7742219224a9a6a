"""How facts and people come in."""
