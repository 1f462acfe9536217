"""The vessel, coverage and reception steps."""
