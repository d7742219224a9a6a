"""The whole stack as processes."""
