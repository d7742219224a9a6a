"""Reporting: who owes which report to whom, and what was filed."""
