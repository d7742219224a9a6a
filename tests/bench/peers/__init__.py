"""Deadline day: one instant, many duties; a floor and the schedulers that others use."""
