"""Evidence: what a lead rests on, what people decided of it, who was told."""
