"""Simulated ships: what they are, how they move and lie, the waters they go to."""
