"""Whether the robot is at its goal: near enough, or as near as what stands there lets it."""

from __future__ import annotations

import numpy as np

from lastmile.planning.config import ArrivalConfig
from lastmile.planning.local_map import LocalMap

GOAL_NEAR_M = 0.25
GOAL_BLOCKED_M = 0.8
GOAL_BLOCKED_S = 2.0
"""
Who has stood so long counts as arrived this near to the goal, and from the greater distance when
something stands on the goal. Nobody waits among people for a few centimetres.
"""


class Arrival:
    """Keeps that the goal was reached, so that turning there does not undo it."""

    def __init__(self, config: ArrivalConfig, field_distance_m: float):
        self.reached = False
        self._config = config
        self._field_distance_m = field_distance_m
        self._held_m = 0.0

    def update(
        self,
        position: np.ndarray,
        goal: np.ndarray,
        remaining_m: float,
        stuck_s: float,
        local_map: LocalMap,
    ) -> bool:
        """
        Tell whether the robot is at the goal.

        `position` and `goal` are (2,) in odom, `remaining_m` the way that is left of the route.
        """
        distance_m = float(np.hypot(*(goal - position)))
        near = remaining_m < 1.0 and distance_m < self._config.distance_m
        if not near and distance_m < GOAL_BLOCKED_M and stuck_s > GOAL_BLOCKED_S:
            clearance_m = float(local_map.clearance.sample(goal, 0.0))
            near = distance_m < GOAL_NEAR_M or clearance_m < self._field_distance_m
        if not (near or (self.reached and distance_m < self._held_m + 0.1)):
            self.reached = False
            return False
        if not self.reached:
            self._held_m = max(distance_m, self._config.distance_m)
        self.reached = True
        return True
