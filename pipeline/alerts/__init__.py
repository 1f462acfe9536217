"""Tells others what became of a lead: once put on disk, it is delivered until it has arrived."""
