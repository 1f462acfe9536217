"""The Earth: planes, cells, ports, zones."""
