"""Tests of who may know whom."""
