"""The published language: schemas, examples, topics, and what was released."""
