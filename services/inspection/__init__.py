"""Inspection: what was found, put right, answered for."""
