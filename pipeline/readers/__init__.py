"""Archive formats, one file each."""
