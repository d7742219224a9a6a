"""The kit: one shell for every service; no business word in it but the calendar's."""
