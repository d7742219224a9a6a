"""The world outside: sums over the stored rows, and the proof that they are right."""
