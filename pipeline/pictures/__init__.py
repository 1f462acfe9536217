"""What is handed over, one file per format."""
