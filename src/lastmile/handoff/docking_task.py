"""
The docking executive: search for the markers, approach, wait for contact, go back and try again.

One step looks at what is known now (`Scene`) and gives the law to drive by, if the motion that
comes of it is free; everything that is in the way, missing or old makes the robot stand and say
why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lastmile.geometry.se2 import between, wrap_angle
from lastmile.handoff.approach import (
    Law,
    approach_law,
    off_at_contact,
    straight_law,
    turn_law,
)
from lastmile.handoff.config import DockingConfig
from lastmile.handoff.docking_scene import (
    Scene,
    headings_to_look,
    markers_missing,
)
from lastmile.handoff.port_estimate import PortFilter
from lastmile.maps.lockers import STAGING_DISTANCE_M
from lastmile.types import DockGoal, TaskOutcome
from lastmile.vehicle.certificate import BLOCKED_GROUND

FARTHEST_M = 3.5
FREE_S = 2.0
GOT_ON_M = 0.05
GOT_ON_RAD = 0.1

Verdict = tuple[TaskOutcome, str, dict[str, float]]


class Phase(StrEnum):
    """What docking is doing."""

    SEARCH = "search"
    APPROACH = "approach"
    CONTACT = "contact"
    RETREAT = "retreat"
    UNDOCK = "undock"


@dataclass(frozen=True, slots=True)
class Move:
    """How to move now, None for not at all, and why not."""

    law: Law | None = None
    reason: str = ""


WHERE = {
    Phase.SEARCH: "beside the robot",
    Phase.APPROACH: "before the port",
    Phase.CONTACT: "at the port",
    Phase.RETREAT: "behind the robot",
    Phase.UNDOCK: "behind the robot",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait for one thing or another, from when to when at the least, and where."""

    since_s: float
    last_s: float
    pose: np.ndarray

    def over(self, scene: Scene) -> bool:
        """Tell whether the robot got on since; a moment's freedom that moves nothing is none."""
        way = np.abs(between(self.pose, scene.pose_odom_base))
        return bool(
            scene.stamp_s - self.last_s > FREE_S or max(way[:2]) > GOT_ON_M or way[2] > GOT_ON_RAD
        )


class DockingTask:
    """One goal, from its beginning to its verdict."""

    def __init__(
        self,
        goal: DockGoal,
        stamp_s: float,
        config: DockingConfig,
        docked_x_m: float,
        camera_x_m: float,
        port: PortFilter,
        try_law: Callable[[Scene, Law], str],
    ) -> None:
        self.goal = goal
        self.phase = Phase.UNDOCK if goal.undock else Phase.SEARCH
        self.text = ""
        self.canceled = False
        self.travelled_m = 0.0
        self._config = config
        self._docked_x_m = docked_x_m
        self._camera_x_m = camera_x_m
        self._port = port
        self._try_law = try_law
        self._attempt = 1
        self._begun_s = stamp_s
        self._phase_s = stamp_s
        self._waiting: Wait | None = None
        self._headings: list[float] | None = None
        self._origin: np.ndarray | None = None
        self._creep_m = 0.0
        self._undock_m = config.undock_distance_m
        self._last_pose: np.ndarray | None = None
        self._counts_on = False
        self._steps: dict[Phase, Callable[[Scene], Move | Verdict]] = {
            Phase.SEARCH: self._search,
            Phase.APPROACH: self._approach,
            Phase.CONTACT: self._contact,
            Phase.RETREAT: self._retreat,
            Phase.UNDOCK: self._undock,
        }

    @property
    def leaves(self) -> bool:
        """The robot goes away from the locker, backwards."""
        return self.phase in (Phase.RETREAT, Phase.UNDOCK)

    def begin_anew(self, stamp_s: float) -> None:
        """
        Go on after a break of odometry, with nothing remembered in odom.

        A way to the port is searched again; of a way back, what is left counts on from here.
        """
        if self.phase is Phase.UNDOCK:
            if self._origin is not None:
                self._undock_m += float(between(self._origin, self._last_pose)[0])
                self._counts_on = True
        else:
            self.phase, self._phase_s = Phase.SEARCH, stamp_s
        self._headings = self._origin = self._last_pose = self._waiting = None

    def follow_clock(self, by_s: float) -> None:
        """Count the time of the task on by a clock that was set by so much."""
        self._begun_s += by_s

    def step(self, scene: Scene) -> Move | Verdict:
        """Say how to move, or how the task ended."""
        if self._counts_on:
            self._origin, self._counts_on = scene.pose_odom_base, False
        if self._last_pose is not None:
            self.travelled_m += float(np.hypot(*(scene.pose_odom_base - self._last_pose)[:2]))
        self._last_pose = scene.pose_odom_base
        if self.canceled:
            if scene.standing:
                return TaskOutcome.CANCELED, f"stopped while in {self.phase}", {}
            return Move(reason="canceled")
        if scene.held:
            return self._wait(scene, scene.held)
        answer = self._steps[self.phase](scene)
        if isinstance(answer, Move) and answer.law is not None:
            problem = self._try_law(scene, answer.law)
            if problem:
                answer = self._barred(scene, problem)
        if isinstance(answer, Move):
            self.text = answer.reason
        return answer

    def _barred(self, scene: Scene, problem: str) -> Move | Verdict:
        """Wait until the way is free, or go back where the locker itself is in the way."""
        no_room = problem == BLOCKED_GROUND or self._is_near(scene)
        if self.phase is Phase.SEARCH and no_room:
            why = f"no marker of {self.goal.locker_id} in sight and no room to turn"
            return self._begin_retreat(scene, why)
        if self.phase is Phase.CONTACT:
            # A creep that was not driven has not failed to close the contact.
            self._phase_s = scene.stamp_s
        return self._wait(scene, f"{problem} {WHERE[self.phase]}")

    # ------------------------------------------------------------------------------------ phases

    def _search(self, scene: Scene) -> Move | Verdict:
        """Stand until enough images agree; without a marker look around."""
        if scene.bay is not None and scene.bay.docked:
            return self._docked_already(scene)
        pose_odom_port, agreeing = self._port.estimate()
        fresh = scene.stamp_s - self._port.last_seen_s < self._config.marker_age_max_s
        if pose_odom_port is not None and fresh and agreeing >= self._config.images_min:
            return self._begin_approach(scene, pose_odom_port)
        if scene.stamp_s - self._phase_s < self._config.search_wait_s or fresh:
            return Move()
        if self._headings is None:
            self._headings = headings_to_look(scene, self._config)
        if not self._headings:
            # The map may be off by the metre that parts a port in view from one too near.
            return self._begin_retreat(scene, f"no marker of {self.goal.locker_id} in sight")
        left = abs(float(wrap_angle(self._headings[0] - scene.pose_odom_base[2])))
        if left < 0.02 and scene.standing:
            self._headings.pop(0)
            self._phase_s = scene.stamp_s
            return Move()
        return Move(
            turn_law(self._headings[0], self._config.search_yaw_rate, self._config.approach)
        )

    def _approach(self, scene: Scene) -> Move | Verdict:
        """Drive to the port; near contact judge the alignment once, and go back if it is bad."""
        config = self._config
        pose_odom_port, _ = self._port.estimate()
        offset = between(pose_odom_port, scene.pose_odom_base)
        left_m = float(offset[0]) - self._docked_x_m
        if left_m >= config.blind_distance_m:
            missing = markers_missing(
                scene, offset, self._camera_x_m, self._port.last_seen_s, config
            )
            if missing:
                return self._wait(scene, missing)
        if left_m < config.align_distance_m:
            off = self._off_axis(scene, pose_odom_port)
            if off:
                return self._begin_retreat(scene, off)
        if left_m <= 0.004 and scene.standing:
            self._enter(Phase.CONTACT, scene)
            self._creep_m = 0.0
            return Move()
        return Move(approach_law(pose_odom_port, self._docked_x_m, config.approach))

    def _contact(self, scene: Scene) -> Move | Verdict:
        """Wait for the dock contact, creeping on a little, then give up this attempt."""
        config = self._config
        if scene.bay is None:
            return self._wait(scene, "bay/state is silent")
        if scene.bay.docked:
            if not scene.standing:
                return Move()
            return TaskOutcome.SUCCEEDED, f"docked at {self.goal.locker_id}", self._figures(scene)
        if scene.stamp_s - self._phase_s < config.contact_wait_s:
            if self._origin is None:
                return Move()
            return Move(straight_law(self._origin, 0.004, 0.02, config.approach))
        if self._creep_m + 0.004 > config.press_m:
            return self._begin_retreat(scene, "no dock contact at the port")
        self._creep_m += 0.004
        self._origin = scene.pose_odom_base
        self._phase_s = scene.stamp_s
        return Move(straight_law(self._origin, 0.004, 0.02, config.approach))

    def _retreat(self, scene: Scene) -> Move | Verdict:
        """Back to the staging distance, or a little where no marker tells of it; search again."""
        if self._origin is None:
            self._origin = scene.pose_odom_base
        left_m = self._left_to_retreat(scene)
        if left_m <= 0.02:
            if scene.standing:
                self._enter(Phase.SEARCH, scene)
                self._headings = None
                self._port.clear()
            return Move()
        return self._reverse(scene, left_m)

    def _undock(self, scene: Scene) -> Move | Verdict:
        """Leave the locker backwards, once its door is closed and the gap is clear."""
        bay = scene.bay
        if bay is None:
            return self._wait(scene, "bay/state is silent")
        if bay.docked and not (bay.door_closed is True and bay.gap_clear):
            return self._wait(scene, "the locker's door is open or something is in the gap")
        left_m = self._left_to_undock(scene)
        if left_m <= 0.02:
            if not scene.standing:
                return Move()
            text = f"left {self.goal.locker_id}"
            return TaskOutcome.SUCCEEDED, text, {"travelled_m": self.travelled_m}
        return self._reverse(scene, left_m)

    # ------------------------------------------------------------------------------- transitions

    def _enter(self, phase: Phase, scene: Scene) -> None:
        self.phase, self._phase_s = phase, scene.stamp_s
        self._origin = None
        self._waiting = None

    def _begin_approach(self, scene: Scene, pose_odom_port: np.ndarray) -> Move | Verdict:
        offset = between(pose_odom_port, scene.pose_odom_base)
        distance_m = float(np.hypot(*offset[:2]))
        if distance_m > FARTHEST_M:
            text = f"{distance_m:.1f} m from the port, docking begins within {FARTHEST_M} m"
            return TaskOutcome.FAILED, text, {"retry": 0.0}
        near = float(offset[0]) < self._docked_x_m + 0.5
        off = self._off_axis(scene, pose_odom_port) if near else ""
        if off:
            return self._begin_retreat(scene, f"too near the port to steer onto its axis: {off}")
        self._enter(Phase.APPROACH, scene)
        return Move()

    def _begin_retreat(self, scene: Scene, why: str) -> Move | Verdict:
        self._attempt += 1
        if self._attempt > self._config.attempts:
            text = f"{self._config.attempts} attempts failed, the last: {why}"
            return TaskOutcome.FAILED, text, {"retry": 1.0}
        self._enter(Phase.RETREAT, scene)
        return Move()

    def _docked_already(self, scene: Scene) -> Move | Verdict:
        """Take the dock contact for an answer only at the right locker."""
        if scene.pose_odom_port_map is not None:
            offset = between(scene.pose_odom_port_map, scene.pose_odom_base)
            if np.hypot(*offset[:2]) > 2.0:
                text = f"docked elsewhere, {np.hypot(*offset[:2]):.1f} m from {self.goal.locker_id}"
                return TaskOutcome.FAILED, text, {"retry": 0.0}
        if not scene.standing:
            return Move()
        text = f"docked at {self.goal.locker_id} already"
        return TaskOutcome.SUCCEEDED, text, {"attempts": 0.0}

    def _is_near(self, scene: Scene) -> bool:
        """Tell whether by the map the robot is nearer to the port than where docking begins."""
        if scene.pose_odom_port_map is None:
            return False
        ahead_m = float(between(scene.pose_odom_port_map, scene.pose_odom_base)[0])
        return ahead_m < STAGING_DISTANCE_M - 0.3

    def _off_axis(self, scene: Scene, pose_odom_port: np.ndarray) -> str:
        """Tell that the approach would end off the port's axis, empty where it would not."""
        config = self._config
        lateral_m, heading = off_at_contact(
            scene.pose_odom_base,
            scene.twist_base,
            pose_odom_port,
            self._docked_x_m,
            config.approach,
        )
        good = abs(lateral_m) <= config.align_lateral_m and abs(heading) <= np.radians(
            config.align_heading_deg
        )
        if good:
            return ""
        return f"{abs(lateral_m):.3f} m and {np.degrees(heading):.1f} degrees off the axis"

    def _wait(self, scene: Scene, reason: str) -> Move | Verdict:
        """Stand, and give up when it takes too long without getting on."""
        self.text = reason
        waiting, pose = self._waiting, scene.pose_odom_base
        if waiting is None or waiting.over(scene):
            waiting = Wait(scene.stamp_s, scene.stamp_s, pose)
        self._waiting = replace(waiting, last_s=scene.stamp_s)
        timeout_s = self._config.wait_timeout_s
        if scene.stamp_s - waiting.since_s > timeout_s and scene.standing:
            return TaskOutcome.FAILED, f"waited {timeout_s:g} s: {reason}", {"retry": 1.0}
        return Move(reason=reason)

    def _left_to_retreat(self, scene: Scene) -> float:
        pose_odom_port, _ = self._port.estimate()
        if pose_odom_port is not None:
            return STAGING_DISTANCE_M - float(between(pose_odom_port, scene.pose_odom_base)[0])
        gone_m = -float(between(self._origin, scene.pose_odom_base)[0])
        return self._config.search_back_m - gone_m

    def _left_to_undock(self, scene: Scene) -> float:
        """Distance still to reverse; by the map where the way began is not known."""
        if self._origin is None:
            self._origin = scene.pose_odom_base
            if not scene.bay.docked and scene.pose_odom_port_map is not None:
                gone_m = float(between(scene.pose_odom_port_map, scene.pose_odom_base)[0])
                self._undock_m = min(
                    self._undock_m, max(0.0, self._undock_m + self._docked_x_m - gone_m)
                )
            elif not scene.bay.docked:
                self._undock_m = 0.0
        return self._undock_m + float(between(self._origin, scene.pose_odom_base)[0])

    def _reverse(self, scene: Scene, left_m: float) -> Move | Verdict:
        """Go straight back."""
        config = self._config.approach
        return Move(straight_law(scene.pose_odom_base, -left_m, config.reverse_speed_mps, config))

    def _figures(self, scene: Scene) -> dict[str, float]:
        pose_odom_port, images = self._port.estimate()
        offset = between(pose_odom_port, scene.pose_odom_base)
        return {
            "along_error_m": float(offset[0]) - self._docked_x_m,
            "lateral_error_m": float(offset[1]),
            "heading_error_rad": float(wrap_angle(offset[2] - np.pi)),
            "images": float(images),
            "attempts": float(self._attempt),
            "duration_s": scene.stamp_s - self._begun_s,
            "travelled_m": self.travelled_m,
        }
