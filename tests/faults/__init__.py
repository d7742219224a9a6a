"""The stack as processes that are killed and stopped while the story runs; afterwards a judge looks."""
