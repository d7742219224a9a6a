"""The world outside: what operators count."""
