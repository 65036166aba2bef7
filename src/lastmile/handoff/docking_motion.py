"""
The motion of docking: laws rolled out to a stop, and published only with the stop certificate.

The rules are the planner's: outline against blocked and unseen ground, people and all that moves by
their predictions. Standing things belong to the cost map, in their true shape; the convex outline
of a track that joins the locker and a bin beside it would cover the free ground between.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from lastmile.geometry.predicted_discs import predict_discs
from lastmile.geometry.se2 import invert, transform
from lastmile.handoff.approach import Law, brake, roll_out
from lastmile.handoff.config import DockingConfig
from lastmile.handoff.docking_ground import GroundWatch
from lastmile.handoff.docking_scene import Scene
from lastmile.maps.site import Locker
from lastmile.types import Obstacle, ObstacleArray, Trajectory
from lastmile.vehicle.bystanders import Bystanders
from lastmile.vehicle.certificate import Certifier, Surroundings, cover_by_discs
from lastmile.vehicle.description import RobotDescription
from lastmile.vehicle.motion_plan import Motion

TWIST_APART = np.array([0.1, 0.3])
"""How far the planned twist may be from the measured one and still be planned on from."""
TIMES_S = np.arange(0.0, 6.05, 0.1)
NEAR_M = 4.0
SIGMA_MAX_M = 0.3
MOVING_MPS = 0.05
"""The tracker gives no speed to what stands; what has one is not in the cost map."""
LEAST_MOTION = 1e-3


class DockingMotion:
    """Makes trajectories from laws; each goes on from the twist that the last one has now."""

    def __init__(self, config: DockingConfig, robot: RobotDescription) -> None:
        self._config = config
        self._braking_mps2 = robot.limits.braking_mps2
        footprint = np.asarray(robot.footprint, dtype=float)
        discs_m, radius_m = cover_by_discs(footprint)
        self._certifier = Certifier(
            footprint, config.margin_m, config.people_m, discs_m, radius_m, LEAST_MOTION
        )
        self.ground = GroundWatch(config, footprint)
        self._bystanders = Bystanders(self._certifier)
        self.plan: Trajectory | None = None

    def forget(self) -> None:
        """Begin anew from the measured twist."""
        self.plan = None

    def try_law(self, scene: Scene, locker: Locker, law: Law) -> str:
        """
        Take a law for the plan if the motion is free, or tell what it would meet.

        A robot as slow as one that docks stops for whoever walks up to it, and goes on standing.
        """
        plan = roll_out(
            scene.stamp_s, scene.pose_odom_base, self.twist(scene), law, self._config.approach
        )
        problem = _missing(scene)
        if not problem:
            obstacles = _without_locker(scene, locker, self._config.front_ignore_m)
            around = self._surroundings(scene, obstacles)
            problem = self._who_comes(scene, obstacles, around) or self._check(plan, around)
        if not problem:
            self.plan = dataclasses.replace(plan, certified=True)
        return problem

    def stop(self, scene: Scene, locker: Locker, reason: str) -> Trajectory:
        """Brake as gently as is free, else as hard as the robot does in service."""
        config = self._config.approach
        for braking_mps2 in (config.acceleration_mps2, self._braking_mps2):
            plan = brake(
                scene.stamp_s, scene.pose_odom_base, self.twist(scene), braking_mps2, config, reason
            )
            free = self._may_brake(scene, locker, plan)
            self.plan = dataclasses.replace(plan, certified=free)
            if free:
                break
        return self.plan

    def twist(self, scene: Scene) -> np.ndarray:
        """Twist to plan on from: that of the last plan, as long as the robot follows it."""
        if self.plan is None:
            return scene.twist_base
        times = self.plan.stamp_s + self.plan.dt_s * np.arange(len(self.plan.twists))
        planned = np.array([np.interp(scene.stamp_s, times, w) for w in self.plan.twists.T])
        planned[np.abs(planned) <= LEAST_MOTION] = 0.0
        return np.clip(planned, scene.twist_base - TWIST_APART, scene.twist_base + TWIST_APART)

    def _may_brake(self, scene: Scene, locker: Locker, plan: Trajectory) -> bool:
        """Tell whether a trajectory that brakes is free; one that stands is."""
        if np.abs(plan.twists).max() <= LEAST_MOTION:
            return True
        if _missing(scene):
            return False
        obstacles = _without_locker(scene, locker, self._config.front_ignore_m)
        return not self._check(plan, self._surroundings(scene, obstacles), stops=True)

    def _check(self, plan: Trajectory, around: Surroundings, stops: bool = False) -> str:
        return self._certifier.check(Motion(plan.dt_s, plan.poses, plan.twists), around, stops)

    def _who_comes(
        self, scene: Scene, obstacles: tuple[Obstacle, ...], around: Surroundings
    ) -> str:
        others = ObstacleArray(scene.obstacles.stamp_s, obstacles)
        self._bystanders.note(others, scene.pose_odom_base, scene.twist_base)
        return self._bystanders.who(scene.stamp_s, scene.pose_odom_base, others, around)

    def _surroundings(self, scene: Scene, obstacles: tuple[Obstacle, ...]) -> Surroundings:
        position = scene.pose_odom_base[:2]
        discs = predict_discs(
            obstacles,
            scene.stamp_s - scene.obstacles.stamp_s,
            TIMES_S,
            SIGMA_MAX_M,
            MOVING_MPS,
            position,
            NEAR_M,
        )
        ground = self.ground.around(position, scene.pose_odom_port)
        return Surroundings(ground, discs, TIMES_S)


def _missing(scene: Scene) -> str:
    """Say which input there is none of, empty when there are all."""
    if scene.obstacles is None:
        return "obstacles are silent"
    return "cost_map is silent" if scene.cost_map is None else ""


def _without_locker(scene: Scene, locker: Locker, front_m: float) -> tuple[Obstacle, ...]:
    """Obstacles but for those that lie in the locker: parts of it, whatever they are taken for."""
    obstacles = scene.obstacles.obstacles
    if scene.pose_odom_port is None:
        return obstacles
    pose_port_odom = invert(scene.pose_odom_port)
    low = np.array([-locker.depth_m, -0.5 * locker.width_m]) - front_m
    high = np.array([0.0, 0.5 * locker.width_m]) + front_m

    def inside(obstacle: Obstacle) -> bool:
        points = transform(pose_port_odom, obstacle.footprint.reshape(-1, 2))
        return bool(((points > low) & (points < high)).all())

    # Most stand elsewhere: their outlines need no look.
    positions = np.array([obstacle.position for obstacle in obstacles]).reshape(-1, 2)
    at_port = transform(pose_port_odom, positions)
    there = ((at_port > low) & (at_port < high)).all(axis=1)
    return tuple(o for o, near in zip(obstacles, there, strict=True) if not (near and inside(o)))
