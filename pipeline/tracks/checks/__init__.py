"""Checks of tracks for positions that may be false: table.py lists them."""
