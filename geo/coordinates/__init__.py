"""Places on the ellipsoid: great circles, planes, cells, the grid of rounded positions, the sun."""
