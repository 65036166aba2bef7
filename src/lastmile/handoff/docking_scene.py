"""What docking knows at a moment, and what that says about going on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import between
from lastmile.handoff.config import DockingConfig
from lastmile.types import BayState, LocalCostMap, ObstacleArray

VIEW_HALF_ANGLE = np.radians(18.0)
"""With the port within this of the camera's axis its markers ought to be seen."""
STANDING_MPS = 0.01
STANDING_RADPS = 0.02


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What is known at a moment; None for what is missing or too old.

    `pose_odom_port` is the port as well as it is known, `pose_odom_port_map` that by the map and
    the localization, good to look the right way.
    """

    stamp_s: float
    pose_odom_base: np.ndarray
    twist_base: np.ndarray
    bay: BayState | None
    obstacles: ObstacleArray | None
    cost_map: LocalCostMap | None
    pose_odom_port: np.ndarray | None
    pose_odom_port_map: np.ndarray | None
    held: str
    """Why the base does not move by itself (e-stop, bumper), empty if it does."""

    @property
    def standing(self) -> bool:
        """The robot does not move."""
        v, w = np.abs(self.twist_base)
        return bool(v < STANDING_MPS and w < STANDING_RADPS)


def markers_missing(
    scene: Scene,
    pose_port_base: np.ndarray,
    camera_x_m: float,
    last_seen_s: float,
    config: DockingConfig,
) -> str:
    """Tell that markers ought to be in view and have not been seen, empty for all is well."""
    port_camera = between(pose_port_base, np.zeros(3))[:2] - np.array([camera_x_m, 0.0])
    in_view = abs(np.arctan2(port_camera[1], port_camera[0])) < VIEW_HALF_ANGLE
    age_s = scene.stamp_s - last_seen_s
    if not in_view or age_s <= config.marker_age_max_s:
        return ""
    return f"no marker seen for {age_s:.1f} s"


def headings_to_look(scene: Scene, config: DockingConfig) -> list[float]:
    """List the headings of a search: towards the port by the map, left, right, back."""
    yaw = float(scene.pose_odom_base[2])
    if scene.pose_odom_port_map is not None:
        to_port = scene.pose_odom_port_map[:2] - scene.pose_odom_base[:2]
        yaw = float(np.arctan2(to_port[1], to_port[0]))
    turn = np.radians(config.search_angle_deg)
    return [yaw, yaw + turn, yaw - turn, yaw]
