"""What was received, on disk as it came and when it came, before anything looks at it."""
