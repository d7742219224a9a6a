"""The kit and one service at a time, all in memory."""
