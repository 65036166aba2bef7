"""State estimation, GNSS, scan matching, global start and integrity."""
