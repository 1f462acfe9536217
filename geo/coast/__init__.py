"""Land and water: the coast as polygons, which of them a point is on, how far the shore is."""
