"""Evidence: whether what is stored follows from what was received, what people decided of it, who was told."""
