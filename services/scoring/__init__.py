"""Scoring: what the duties add up to, and where pressure is lost on the way down."""
