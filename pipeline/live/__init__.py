"""The live watch: its loop, provisional and final events, and what it says of itself while it runs."""
