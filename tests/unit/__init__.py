"""Rules, clocks and calendars, by themselves."""
