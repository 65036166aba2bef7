"""Plane and space transforms, polylines, footprints and WGS84."""
