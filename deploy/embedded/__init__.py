"""Zeren on one machine: the servers and the services as child processes."""
