"""Reference data: ports, zones, flags of MMSI."""
