"""Gazebo Harmonic as an engine: worlds as SDF, lockstep through world control, sensor messages."""
