"""Import of OpenStreetMap, route graph, occupancy maps, lockers and site bundles."""
