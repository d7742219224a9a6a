"""The services; each is the same inside, and none imports another."""
