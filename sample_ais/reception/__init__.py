"""What is sent, what is heard of it, and as which sentences it comes."""
