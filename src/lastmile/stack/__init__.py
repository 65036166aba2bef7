"""The wiring of all rooms, run by the nodes and in lockstep."""
