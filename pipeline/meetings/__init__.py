"""The proximity, dark and encounter steps."""
