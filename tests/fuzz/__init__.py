"""Garbage at every door: over HTTP, on every topic, in every imported file."""
