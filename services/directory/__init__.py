"""The directory: units, posts and tenures."""
