"""
Where the locker's port is: from the corners of its markers, averaged in odom.

All markers of one image are fitted together, with the three unknowns of the plane: the markers'
places on the locker and the camera's mount are known, and robot and locker stand on one ground.
That leaves none of the two-fold ambiguity of a single square.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import compose, wrap_angle
from lastmile.maps.site import Locker
from lastmile.types import Marker, MarkerArray

R_PORT_MARKER = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Markers face along the port's x; their x runs along the port's y, their y upwards."""
ITERATIONS = 8
RESIDUAL_MAX = 0.02
"""Root mean square of the fit in units of the focal length; about 18 px with a 70 degree lens."""


@dataclass(frozen=True, slots=True)
class PortSight:
    """What one image says: pose of the port in base, and how far the markers were."""

    stamp_s: float
    pose_base_port: np.ndarray
    distance_m: float
    markers: int


def see_port(image: MarkerArray, T_base_camera: np.ndarray, locker: Locker) -> PortSight | None:
    """
    Fit the port to the markers of one image.

    Returns
    -------
    PortSight or None
        None when no marker of the locker is in the image, or those that are do not fit together.

    """
    seen = [m for m in image.markers if m.id in locker.markers and _is_pose(m.T_camera_marker)]
    if not seen:
        return None
    h = 0.5 * locker.marker_side_m
    square = np.array([[-h, h, 0.0], [h, h, 0.0], [h, -h, 0.0], [-h, -h, 0.0]])
    corners_port = np.concatenate(
        [np.asarray(locker.markers[m.id]) + square @ R_PORT_MARKER.T for m in seen]
    )
    corners_camera = np.concatenate(
        [square @ m.T_camera_marker[:3, :3].T + m.T_camera_marker[:3, 3] for m in seen]
    )
    if corners_camera[:, 2].min() <= 0.05:
        return None
    rays = corners_camera[:, :2] / corners_camera[:, 2:]
    pose, rms = _fit(rays, corners_port, T_base_camera, _first_guess(seen, T_base_camera, locker))
    if not np.isfinite(pose).all() or rms > RESIDUAL_MAX:
        return None
    distance_m = float(np.mean(corners_camera[:, 2]))
    return PortSight(image.stamp_s, pose, distance_m, len(seen))


class PortFilter:
    """
    The port's pose in odom over several images.

    The mean is weighted by distance and leaves out what is far from the median, so that a single
    wrong image does not steer.
    """

    def __init__(self, kept: int, gate_m: float) -> None:
        self._kept = kept
        self._gate_m = gate_m
        self._sights: deque[tuple[np.ndarray, float]] = deque(maxlen=kept)
        self.last_seen_s = -np.inf

    def clear(self) -> None:
        """Begin anew."""
        self._sights.clear()
        self.last_seen_s = -np.inf

    def add(self, sight: PortSight, pose_odom_base: np.ndarray) -> None:
        """Take the sight of an image that was taken at `pose_odom_base`."""
        # A corner's error in px costs range with the distance squared; one marker alone says
        # little about the heading.
        weight = sight.markers**2 / max(sight.distance_m, 0.3) ** 4
        self._sights.append((compose(pose_odom_base, sight.pose_base_port), weight))
        self.last_seen_s = max(self.last_seen_s, sight.stamp_s)

    def estimate(self) -> tuple[np.ndarray | None, int]:
        """Give the pose of the port in odom, None without any, and how many images agree on it."""
        if not self._sights:
            return None, 0
        poses = np.array([pose for pose, _ in self._sights])
        weights = np.array([weight for _, weight in self._sights])
        middle = np.median(poses[:, :2], axis=0)
        agree = np.hypot(*(poses[:, :2] - middle).T) <= self._gate_m
        if not agree.any():
            return None, 0
        poses, weights = poses[agree], weights[agree] / weights[agree].sum()
        heading = poses[np.argmax(weights), 2]
        turned = float(weights @ wrap_angle(poses[:, 2] - heading))
        x, y = weights @ poses[:, :2]
        return np.array([x, y, float(wrap_angle(heading + turned))]), int(agree.sum())


def _is_pose(T: np.ndarray) -> bool:
    return T.shape == (4, 4) and bool(np.isfinite(T).all())


def _first_guess(seen: list[Marker], T_base_camera: np.ndarray, locker: Locker) -> np.ndarray:
    """Port from the markers' centres, and their normals or the line between them for heading."""
    centres = np.array([(T_base_camera @ m.T_camera_marker)[:2, 3] for m in seen])
    if len(seen) > 1:
        along = centres[0] - centres[-1]
        offset_y = locker.markers[seen[0].id][1] - locker.markers[seen[-1].id][1]
        yaw = np.arctan2(along[1], along[0]) - np.copysign(np.pi / 2.0, offset_y)
    else:
        normal = (T_base_camera @ seen[0].T_camera_marker)[:2, 2]
        yaw = np.arctan2(normal[1], normal[0])
    c, s = np.cos(yaw), np.sin(yaw)
    offsets = np.array([locker.markers[m.id][:2] for m in seen]) @ np.array([[c, s], [-s, c]])
    x, y = (centres - offsets).mean(axis=0)
    return np.array([x, y, yaw])


def _fit(
    rays: np.ndarray, corners_port: np.ndarray, T_base_camera: np.ndarray, pose: np.ndarray
) -> tuple[np.ndarray, float]:
    """Gauss-Newton on the corners' directions; gives pose of the port in base and the rms."""
    R_camera_base = T_base_camera[:3, :3].T

    def residual(p: np.ndarray) -> np.ndarray:
        c, s = np.cos(p[2]), np.sin(p[2])
        turned = corners_port @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        in_base = turned + np.array([p[0], p[1], 0.0])
        in_camera = (in_base - T_base_camera[:3, 3]) @ R_camera_base.T
        return (in_camera[:, :2] / np.maximum(in_camera[:, 2:], 0.05) - rays).ravel()

    for _ in range(ITERATIONS):
        r = residual(pose)
        J = np.stack([(residual(pose + step) - r) / 1e-6 for step in 1e-6 * np.eye(3)], axis=1)
        change = np.linalg.lstsq(J, -r, rcond=None)[0]
        pose = pose + np.clip(change, -0.5, 0.5)
        if np.abs(change).max() < 1e-7:
            break
    pose = np.array([pose[0], pose[1], float(wrap_angle(pose[2]))])
    return pose, float(np.sqrt(np.mean(residual(pose) ** 2)))
