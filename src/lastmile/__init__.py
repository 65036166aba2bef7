"""Software stack of a sidewalk delivery robot."""

__version__ = "0.1.0"
