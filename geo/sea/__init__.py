"""Ways by sea: how far it is over water between two places, and from ports."""
