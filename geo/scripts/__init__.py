"""Scripts that make the files of geo/data."""
