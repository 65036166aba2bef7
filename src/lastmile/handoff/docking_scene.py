"""What docking knows at a moment, and what that says about going on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.geometry.se2 import between, transform
from lastmile.handoff import clearance
from lastmile.handoff.config import DockingConfig
from lastmile.types import BayState, LocalCostMap, ObstacleArray

VIEW_HALF_ANGLE = np.radians(18.0)
"""With the port within this of the camera's axis its markers ought to be seen."""
STANDING_MPS = 0.01
STANDING_RADPS = 0.02
NEAR_M = 0.9
LOOK_BACK_M = 0.8
LEAST_BACK_M = 0.2


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What is known at a moment; None for what is missing or too old.

    `pose_odom_port_map` is the port by the map and the localization, good to look the right way.
    """

    stamp_s: float
    pose_odom_base: np.ndarray
    twist_base: np.ndarray
    bay: BayState | None
    obstacles: ObstacleArray | None
    cost_map: LocalCostMap | None
    pose_odom_port_map: np.ndarray | None
    held: str
    """Why the base does not move by itself (e-stop, bumper), empty if it does."""

    @property
    def standing(self) -> bool:
        """The robot does not move."""
        v, w = np.abs(self.twist_base)
        return bool(v < STANDING_MPS and w < STANDING_RADPS)


def way_blocked(
    scene: Scene, pose_odom_port: np.ndarray, footprint: np.ndarray, config: DockingConfig
) -> str:
    """Tell what stands between robot and port, empty for nothing."""
    if scene.obstacles is None:
        return "obstacles are silent"
    way = clearance.corridor(
        scene.pose_odom_base,
        pose_odom_port,
        footprint,
        config.corridor_margin_m,
        config.front_ignore_m,
    )
    obstacle = clearance.blocking_obstacle(scene.obstacles, way)
    if obstacle is None:
        return ""
    return f"waiting for {obstacle.kind.value} {obstacle.id} before the port"


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


def somebody_near(scene: Scene) -> str:
    """Tell who moves beside a robot that is about to turn on the spot, empty for nobody."""
    if scene.obstacles is None:
        return "obstacles are silent"
    obstacle = clearance.near_obstacle(scene.obstacles, scene.pose_odom_base, NEAR_M)
    if obstacle is None:
        return ""
    return f"waiting for {obstacle.kind.value} {obstacle.id} beside the robot"


def headings_to_look(scene: Scene, config: DockingConfig) -> list[float]:
    """List the headings of a search: towards the port by the map, left, right, back."""
    yaw = float(scene.pose_odom_base[2])
    if scene.pose_odom_port_map is not None:
        to_port = scene.pose_odom_port_map[:2] - scene.pose_odom_base[:2]
        yaw = float(np.arctan2(to_port[1], to_port[0]))
    turn = np.radians(config.search_angle_deg)
    return [yaw, yaw + turn, yaw - turn, yaw]


def way_back(
    scene: Scene, footprint: np.ndarray, left_m: float, config: DockingConfig
) -> tuple[float, str]:
    """Give how far to reverse now, or why not at all."""
    if scene.obstacles is None or scene.cost_map is None:
        return 0.0, "obstacles or cost_map are silent"
    wanted_m = min(left_m, LOOK_BACK_M)
    free_m = clearance.free_behind_m(
        scene.cost_map, scene.pose_odom_base, footprint, wanted_m, config.unknown_share_max
    )
    if free_m < min(wanted_m, LEAST_BACK_M):
        return 0.0, f"the ground behind is free for {free_m:.2f} m only"
    rear, half = float(footprint[:, 0].min()), float(footprint[:, 1].max()) + 0.15
    end = rear - wanted_m - 0.3
    behind = np.array([[end, -half], [rear, -half], [rear, half], [end, half]])
    way = shapely.Polygon(transform(scene.pose_odom_base, behind))
    obstacle = clearance.blocking_obstacle(scene.obstacles, way)
    if obstacle is not None:
        return 0.0, f"waiting for {obstacle.kind.value} {obstacle.id} behind"
    return min(left_m, free_m), ""
