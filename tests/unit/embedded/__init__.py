"""The pure parts of the embedded run."""
