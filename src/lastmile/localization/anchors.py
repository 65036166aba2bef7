"""Poses in map from the markers of a locker, whose place the site states."""

from __future__ import annotations

import numpy as np

from lastmile.geometry.se2 import rotate, transform, wrap_angle
from lastmile.maps.site import Locker
from lastmile.types import Marker

RANGE_M = 3.0
"""Markers farther than this from the camera give no anchor."""
SPREAD_TOLERANCE_M = 0.03
"""Two markers whose measured distance is off by more than this are not believed."""


def pose_from_markers(
    markers: tuple[Marker, ...], T_base_camera: np.ndarray, lockers: tuple[Locker, ...]
) -> np.ndarray | None:
    """
    Pose (3,) of base in map from two markers of one locker, None where there are not two.

    The heading comes from the line between the markers, which is seen much better than the
    orientation of either.
    """
    seen = {
        marker.id: (T_base_camera @ marker.T_camera_marker)[:2, 3]
        for marker in markers
        if np.isfinite(marker.T_camera_marker).all()
        and np.linalg.norm(marker.T_camera_marker[:3, 3]) < RANGE_M
    }
    for locker in lockers:
        ids = sorted(set(seen) & set(locker.markers))
        if len(ids) < 2:
            continue
        at_base = np.array([seen[ids[0]], seen[ids[-1]]])
        in_port = np.array([locker.markers[ids[0]][:2], locker.markers[ids[-1]][:2]])
        at_map = transform(locker.pose_map_port, in_port)
        line_base, line_map = at_base[1] - at_base[0], at_map[1] - at_map[0]
        if abs(np.hypot(*line_base) - np.hypot(*line_map)) > SPREAD_TOLERANCE_M:
            continue
        yaw = float(
            wrap_angle(
                np.arctan2(line_map[1], line_map[0]) - np.arctan2(line_base[1], line_base[0])
            )
        )
        return np.array([*(at_map.mean(axis=0) - rotate(yaw, at_base.mean(axis=0))), yaw])
    return None
