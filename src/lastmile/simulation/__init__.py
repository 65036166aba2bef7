"""Embedded world, sensors, people, lockers and faults."""
