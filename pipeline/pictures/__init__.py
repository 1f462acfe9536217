"""What is drawn: an encounter on one page, zones, reach; loads matplotlib when asked to."""
