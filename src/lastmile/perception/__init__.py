"""Ground, curbs, clusters, tracked obstacles, predictions and fiducials."""
