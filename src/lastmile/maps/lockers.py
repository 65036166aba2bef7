"""The reference parcel locker, and the pose from which a robot docks at it."""

from __future__ import annotations

import numpy as np

from lastmile.maps.site import Compartment, Locker

STAGING_DISTANCE_M = 1.5
"""From the port to `base` of a robot that is about to dock."""

LOCKER_WIDTH_M, LOCKER_DEPTH_M, LOCKER_HEIGHT_M = 2.0, 0.8, 2.1
MARKER_FAMILY, MARKER_SIDE_M = "36h11", 0.16
MARKER_OFFSET_M, MARKER_RISE_M = 0.35, 0.75

COMPARTMENTS = (
    Compartment("1", 0.40, 0.30, 0.45, "ambient"),
    Compartment("2", 0.40, 0.30, 0.45, "ambient"),
    Compartment("3", 0.40, 0.40, 0.45, "ambient"),
    Compartment("4", 0.40, 0.40, 0.45, "ambient"),
    Compartment("5", 0.40, 0.40, 0.45, "chilled"),
    Compartment("6", 0.40, 0.40, 0.45, "frozen"),
)


def standard_locker(locker_id: str, name: str, pose_map_port: np.ndarray, index: int) -> Locker:
    """Make the `index`-th locker of a site, with markers 2 index (left) and 2 index + 1."""
    return Locker(
        id=locker_id,
        name=name,
        pose_map_port=np.asarray(pose_map_port, dtype=float),
        width_m=LOCKER_WIDTH_M,
        depth_m=LOCKER_DEPTH_M,
        height_m=LOCKER_HEIGHT_M,
        marker_family=MARKER_FAMILY,
        marker_side_m=MARKER_SIDE_M,
        markers={
            2 * index: (0.0, MARKER_OFFSET_M, MARKER_RISE_M),
            2 * index + 1: (0.0, -MARKER_OFFSET_M, MARKER_RISE_M),
        },
        compartments=COMPARTMENTS,
    )


def staging_pose(locker: Locker, distance_m: float = STAGING_DISTANCE_M) -> np.ndarray:
    """Pose (3,) of `base` in map, `distance_m` in front of the port and facing it."""
    x, y, yaw = locker.pose_map_port
    facing = np.remainder(yaw + 2.0 * np.pi, 2.0 * np.pi) - np.pi
    return np.array([x + distance_m * np.cos(yaw), y + distance_m * np.sin(yaw), facing])


def locker_outline(locker: Locker) -> np.ndarray:
    """Corners (4, 2) of the locker's box in map, counter-clockwise, front edge first."""
    x, y, yaw = locker.pose_map_port
    outward = np.array([np.cos(yaw), np.sin(yaw)])
    left = np.array([-outward[1], outward[0]])
    half = 0.5 * locker.width_m * left
    front, back = np.array([x, y]), np.array([x, y]) - locker.depth_m * outward
    return np.array([front - half, front + half, back + half, back - half])
