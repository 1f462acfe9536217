"""Evidence: whether what is stored follows from what was received, and what people decided about it."""
