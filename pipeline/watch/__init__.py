"""The live watch: its loop, and what it says of itself while it runs."""
