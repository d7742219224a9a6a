"""Tests against servers over the wire."""
