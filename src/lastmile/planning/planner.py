"""
The local planner: one plan per step, always ending in a stop.

Route -> guide through the free cells -> speeds -> controller -> certificate. Whatever cannot be
certified is replaced by braking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lastmile.geometry import polyline
from lastmile.geometry.predicted_discs import Disc, predict_discs
from lastmile.geometry.se2 import advance, compose, invert, transform, wrap_angle
from lastmile.planning import speed as speeds
from lastmile.planning.arrival import GOAL_NEAR_M, Arrival
from lastmile.planning.candidates import Candidates
from lastmile.planning.config import PlannerConfig
from lastmile.planning.crossing import CrossingGuard
from lastmile.planning.guide import Guide, find_guide
from lastmile.planning.local_map import LocalMap, LocalMapper
from lastmile.planning.maneuver import Maneuvering
from lastmile.planning.mpc import Mpc, MpcProblem
from lastmile.planning.people import NEAR_M, PeopleSpeeds
from lastmile.planning.reference import Latch, RouteReference
from lastmile.planning.stopping import STANDING_MPS, Plan, Start, Stopping
from lastmile.planning.turning import Turning
from lastmile.types import (
    LocalCostMap,
    LocalizationState,
    ObstacleArray,
    ObstacleKind,
    OdometryEstimate,
    PoseEstimate,
    Route,
    SignalStates,
)
from lastmile.vehicle.bystanders import Bystanders, who_is_lost
from lastmile.vehicle.certificate import Certifier, Surroundings, cover_by_discs
from lastmile.vehicle.description import RobotDescription
from lastmile.vehicle.motion_plan import drive_then_brake, stand

PREDICTION_S = 6.0
"""Moving obstacles that do not come nearer are of no concern."""
CREEPING_MPS = 0.3
"""A robot so slow comes to stand when somebody walks up to it; else it may only turn its side."""
HELD_MPS = 0.2
HURRY_MPS = 0.2
"""Who is so much faster than people allow brakes firmly: somebody turned or stopped before it."""
DANCE_S = 1.0
"""Who comes to stand this soon for people stops straight."""
PROGRESS_M = 0.2


@dataclass(frozen=True, slots=True)
class Scene:
    """All inputs of one step, fresh and checked; `signals` may be None."""

    stamp_s: float
    odometry: OdometryEstimate
    localization: PoseEstimate
    obstacles: ObstacleArray
    cost_map: LocalCostMap
    signals: SignalStates | None


class LocalPlanner:
    """Follows one route; `plan` is called at every step."""

    def __init__(self, config: PlannerConfig, robot: RobotDescription, route: Route):
        self.reference = RouteReference(route)
        self.guide: Guide | None = None
        self.choice = ""
        self.barred = False
        """The robot waits at a crossing that it will never be able to look over."""
        self._config = config
        self._robot = robot
        self._limits = robot.limits
        low, high = robot.footprint.min(axis=0), robot.footprint.max(axis=0)
        self._half_width_m = 0.5 * float(high[1] - low[1])
        self._robot_discs_m, self._robot_radius_m = cover_by_discs(robot.footprint)
        people = config.people
        self._mapper = LocalMapper(config.local_map, robot.footprint)
        self._certifier = Certifier(
            robot.footprint,
            config.certificate.margin_m,
            people.least_m,
            self._robot_discs_m,
            self._robot_radius_m,
        )
        self._candidates = Candidates(Mpc(config.mpc, people.discs, self._robot_discs_m))
        self._people = PeopleSpeeds(
            config,
            np.array(self._robot_discs_m),
            self._robot_radius_m,
            self._half_width_m,
            robot.limits.braking_mps2,
        )
        self._latch = Latch()
        self._guard = CrossingGuard(config.crossing)
        self._last: Plan | None = None
        self._last_stamp_s = -np.inf
        step_s = config.mpc.step_s
        self._stopping = Stopping(robot.limits, step_s, self._certifier)
        self._turning = Turning(step_s, self._certifier)
        self._maneuvering = Maneuvering(step_s, self._certifier)
        self._arrival = Arrival(config.arrival, config.mpc.field_distance_m)
        self._bystanders = Bystanders(self._certifier)
        self._best_m = -np.inf
        self._progress_s = np.nan
        self._times_s = np.arange(0.0, PREDICTION_S + 1e-9, config.mpc.step_s)

    def anew(self) -> LocalPlanner:
        """Give a planner that is as far along the same route and remembers nothing in odom."""
        planner = LocalPlanner(self._config, self._robot, self.reference.route)
        planner.reference = self.reference
        return planner

    # ------------------------------------------------------------------ the stages of a step

    def plan(self, scene: Scene) -> Plan:
        """Plan from a scene."""
        start = self._start(scene)
        around = self._surroundings(scene, start)
        unfit = (LocalizationState.LOST, LocalizationState.INITIALIZING)
        if scene.localization.state in unfit:
            reason = f"localization is {scene.localization.state.value}"
            return self._keep(self._stopping.plan(start, around, reason), start.stamp_s)
        self._latch.update(scene.localization.pose_map_odom, start.pose[:2], start.stamp_s)
        pose_map_odom = self._latch.pose_map_odom
        distance_m = self.reference.locate(compose(pose_map_odom, start.pose)[:2])
        limit_m = self._config.arrival.route_distance_max_m
        if distance_m > limit_m:
            failure = f"robot is {distance_m:.1f} m from its route, limit {limit_m:.1f} m"
            stop = self._stopping.plan(start, around, failure)
            return self._keep(replace(stop, failure=failure), start.stamp_s)
        plan = self._plan_motion(scene, start, around)
        self._note_progress(plan, start.stamp_s)
        return self._keep(plan, start.stamp_s)

    def brake(self, odometry: OdometryEstimate | None, stamp_s: float, reason: str) -> Plan:
        """
        Brake along the last plan because inputs are missing.

        That is as certified as the last plan was, for each of them ends in such a braking.
        """
        self._candidates.forget()
        if self._last is None:
            pose = np.zeros(3) if odometry is None else odometry.pose_odom_base
            return self._keep(Plan(stand(pose, self._config.mpc.step_s), True, reason), stamp_s)
        rest = self._last.motion.after(stamp_s - self._last_stamp_s)
        states = np.concatenate([rest.poses, rest.twists], axis=1)
        braking = self._limits.braking_mps2
        motion = drive_then_brake(states, 0, rest.step_s, braking, self._limits)
        return self._keep(Plan(motion, self._last.certified, reason), stamp_s)

    def goal_odom(self) -> np.ndarray:
        """Pose of the goal in odom; heading NaN where any will do."""
        goal = self.reference.goal_map()
        pose_odom_map = invert(self._latch.pose_map_odom)
        xy = transform(pose_odom_map, goal[:2])
        return np.array([*xy, goal[2] + pose_odom_map[2]])

    def _start(self, scene: Scene) -> Start:
        """
        Carry the odometry on to the stamp of the step.

        Speeds are those of the last plan as long as the robot follows it: planning from measured
        speeds would feed the lag and noise of the wheels back into the plan.
        """
        odometry = scene.odometry
        ahead_s = float(np.clip(scene.stamp_s - odometry.stamp_s, 0.0, 0.3))
        pose = advance(odometry.pose_odom_base, odometry.twist_base, ahead_s)
        twist = np.array(odometry.twist_base, float)
        if self._last is not None:
            planned = self._last.motion.after(scene.stamp_s - self._last_stamp_s).twists[0]
            if abs(planned[0] - twist[0]) < 0.3 and abs(planned[1] - twist[1]) < 0.4:
                twist = planned.copy()
        return Start(scene.stamp_s, pose, twist)

    def _surroundings(self, scene: Scene, start: Start) -> Surroundings:
        obstacles = scene.obstacles.obstacles
        local_map = self._mapper.update(scene.cost_map, obstacles, start.pose)
        discs = predict_discs(
            obstacles,
            scene.stamp_s - scene.obstacles.stamp_s,
            self._times_s,
            self._config.people.sigma_max_m,
            self._config.local_map.moving_mps,
            start.pose[:2],
            NEAR_M,
        )
        near = [d for d in discs if np.hypot(*(d.centres - start.pose[:2]).T).min() < NEAR_M]
        return Surroundings(local_map, near, self._times_s)

    def _plan_motion(self, scene: Scene, start: Start, around: Surroundings) -> Plan:
        self._bystanders.note(scene.obstacles, start.pose, start.twist)
        if abs(start.twist[0]) < CREEPING_MPS or who_is_lost(scene.obstacles, start.pose):
            comes = self._bystanders.who(start.stamp_s, start.pose, scene.obstacles, around)
            if comes:
                self._candidates.forget()
                return self._stopping.plan(start, around, comes)
        arrival = self._arrive(start, around)
        if arrival is not None:
            return arrival
        if self._maneuvering.going:
            return self._maneuver(start, around)
        self.guide = self._find_guide(start, around.local_map)
        if self.guide is None or not self.guide.moves_nearer:
            return self._stuck(self._stopping.plan(start, around, "no way ahead"), start, around)
        limit, top_mps, reason = self._speed_limits(scene, start, around)
        if start.twist[0] > top_mps + HURRY_MPS:
            self._candidates.forget()
            return self._stopping.plan(start, around, reason or "people near", firmly=True)
        error = self._heading_error(start)
        if self._turning.wanted(error) and limit[0] > 0.0:
            if abs(start.twist[0]) < STANDING_MPS:
                return self._turn(start, around, error, "turning to the route")
            limit = np.zeros_like(limit)
        if limit[0] < HELD_MPS and abs(start.twist[0]) < 2.0 * STANDING_MPS:
            # Told to stand here, the robot does not dance out of the way of those who pass.
            self._candidates.forget()
            plan = self._stopping.plan(start, around, reason or "no way seen free")
        else:
            plan = self._drive(start, around, limit, top_mps, reason)
        if plan.motion.moves or reason.startswith("crossing"):
            return plan
        return self._stuck(plan, start, around, held=limit[0] < HELD_MPS)

    # ------------------------------------------------------------------------- guide and speed

    def _find_guide(self, start: Start, local_map: LocalMap) -> Guide | None:
        length_m = self._config.guide.length_m
        stretch = self.reference.stretch(invert(self._latch.pose_map_odom), 1.0, length_m)
        goal = self.goal_odom()[:2] if self.reference.remaining_m < length_m else None
        halves = self.reference.half_widths(stretch.arcs_m)
        return find_guide(
            self._config.guide, local_map, stretch, halves, start.pose, goal, self.guide
        )

    def _heading_error(self, start: Start) -> float:
        """Turn from the robot's heading to that of the guide a little ahead."""
        ahead = polyline.sample(self.guide.points, np.array([0.1, 0.7]))
        d = ahead[1] - ahead[0]
        if np.hypot(*d) < 0.05:
            return 0.0
        return float(wrap_angle(np.arctan2(d[1], d[0]) - start.pose[2]))

    def _speed_limits(self, scene: Scene, start: Start, around: Surroundings):
        """Speed limit at each point of the guide, on any way, and the reason where it is a stop."""
        guide, config, limits = self.guide, self._config.speed, self._limits
        limit = self.reference.speed_limits(
            guide.route_arcs_m, limits.speed_mps, self._config.crossing.drive_mps
        )
        limit = np.minimum(limit, speeds.limit_by_bends(config, guide, limits.yaw_rate_max))
        room = speeds.limit_by_room(config, guide, around.local_map, self._half_width_m)
        limit = np.minimum(limit, room)
        people = self._people.limit(
            guide, start.pose, around.discs, scene.obstacles.obstacles, around.times_s
        )
        limit = np.minimum(limit, people.along)
        reason = "people near" if people.near else ""
        if scene.localization.state is LocalizationState.DEGRADED:
            limit, reason = np.minimum(limit, config.degraded_mps), "localization is degraded"
        if self._latch.settling(start.stamp_s):
            limit, reason = np.minimum(limit, config.correction_mps), "pose in the map jumped"
        end_m, braking = float(guide.arcs_m[-1]), config.braking_mps2
        if self.reference.remaining_m < self._config.guide.length_m:
            braking = config.arrival_braking_mps2
        limit = speeds.slow_for_stop(limit, guide.arcs_m, end_m, braking)
        free_m = speeds.known_free_m(guide, around.local_map, self._half_width_m)
        if free_m < end_m - 1e-6:
            stop_m = free_m - self._robot_radius_m - self._robot_discs_m[-1]
            limit = speeds.slow_for_stop(limit, guide.arcs_m, stop_m, config.braking_mps2)
        limit, reason = self._stop_at_crossing(scene, start, limit, reason)
        return limit, people.top_mps, reason

    def _stop_at_crossing(self, scene: Scene, start: Start, limit: np.ndarray, reason: str):
        span = self.reference.crossing_ahead(8.0)
        self.barred = False
        if span is None:
            return limit, reason
        pose_odom_map = invert(self._latch.pose_map_odom)
        ends = polyline.sample(self.reference.points_map, np.array([span.start_m, span.end_m]))
        verdict = self._guard.decide(
            span,
            transform(pose_odom_map, ends),
            self.reference.progress_m,
            float(start.twist[0]),
            scene.signals,
            scene.obstacles.obstacles,
            scene.stamp_s - scene.obstacles.stamp_s,
            start.stamp_s,
        )
        self.barred = verdict.barred
        if verdict.go:
            return limit, reason
        beyond = self.guide.route_arcs_m >= self._guard.stop_m(span)
        first = np.flatnonzero(beyond)
        if len(first):
            stop_m = float(self.guide.arcs_m[first[0]])
            braking = self._config.speed.braking_mps2
            limit = speeds.slow_for_stop(limit, self.guide.arcs_m, stop_m, braking)
            reason = verdict.reason
        return limit, reason

    # ---------------------------------------------------------------------------- the motions

    def _drive(
        self,
        start: Start,
        around: Surroundings,
        limit: np.ndarray,
        top_mps: float,
        reason: str,
    ) -> Plan:
        """Follow the guide at its speeds; `top_mps` holds for getting out of the way too."""
        config = self._config.mpc
        profile = speeds.sweep_limits(
            limit,
            self.guide.arcs_m,
            float(start.twist[0]),
            0.9 * self._limits.acceleration_mps2,
            self._config.speed.braking_mps2,
        )
        reference = speeds.time_reference(
            self.guide, profile, float(start.pose[2]), config.stages, config.step_s
        )
        discs = self._controller_discs(reference, around.discs)
        limits = self._limits
        yaw_rate_max = self._yaw_rate_limit(start, around)
        problem = MpcProblem(
            state=np.concatenate([start.pose, start.twist]),
            reference=reference,
            discs=discs,
            field=around.local_map.clearance,
            low=np.array(
                [
                    -limits.braking_mps2,
                    -0.9 * limits.yaw_acceleration_max,
                    min(0.0, float(start.twist[0]) + 0.02),
                    -yaw_rate_max,
                ]
            ),
            high=np.array(
                [
                    limits.acceleration_mps2,
                    0.9 * limits.yaw_acceleration_max,
                    min(limits.speed_max_mps, max(top_mps, float(start.twist[0]) + 0.02)),
                    yaw_rate_max,
                ]
            ),
        )
        contested = bool((discs[..., 3] > 0.0).any())
        choice = self._candidates.choose(problem, contested, start.stamp_s)
        if choice is None:
            self._candidates.forget()
            return self._stopping.plan(start, around, "controller found no plan")
        self.choice = choice.label
        ahead = choice.solution.states[1 : 1 + round(DANCE_S / config.step_s)]
        if contested and ahead[:, 3].min() < STANDING_MPS:
            # Who stops for people does not turn away from them, nor dance to and fro before them.
            return self._stopping.plan(start, around, reason or "people in the way")
        return self._certify(start, around, choice.solution.states, reason)

    def _yaw_rate_limit(self, start: Start, around: Surroundings) -> float:
        """Turn more slowly near people: a fast turn takes them by surprise and blurs the scan."""
        config, most = self._config.people, 0.9 * self._limits.yaw_rate_max
        for disc in around.discs:
            gap_m = float(np.hypot(*(disc.centres[0] - start.pose[:2]))) - disc.radius_m
            if disc.kind is ObstacleKind.PERSON and gap_m < config.near_m:
                return min(config.yaw_rate_near, most)
        return most

    def _certify(self, start: Start, around: Surroundings, states: np.ndarray, reason: str) -> Plan:
        """Take the longest drive whose braking tail is free."""
        step_s, braking = self._config.mpc.step_s, self._limits.braking_mps2
        found = ""
        for stages in self._config.certificate.drive_stages:
            motion = drive_then_brake(states, stages, step_s, braking, self._limits)
            problem = self._certifier.check(motion, around)
            if not problem:
                if not motion.moves:
                    motion = stand(start.pose, step_s)
                return Plan(motion, True, reason or found)
            found = found or problem
        return self._stopping.plan(start, around, found)

    def _turn(self, start: Start, around: Surroundings, angle: float, reason: str) -> Plan:
        self._candidates.forget()
        motion, bars = self._turning.find(start, around, angle)
        if motion is not None:
            return Plan(motion, True, reason)
        plan = self._stopping.plan(start, around, f"no room to turn: {bars}")
        return self._stuck(plan, start, around)

    def _stuck(self, plan: Plan, start: Start, around: Surroundings, held: bool = True) -> Plan:
        """
        Nothing goes ahead: after a while try to maneuver.

        Where speed limits hold the robot for people it waits for them.
        """
        people = any(word in plan.reason for word in (ObstacleKind.PERSON.value, "people"))
        if people and held:
            return plan
        if self._maneuvering.begin(self.stuck_s(start.stamp_s), start, self.guide):
            return self._maneuver(start, around)
        return plan

    def _maneuver(self, start: Start, around: Surroundings) -> Plan:
        self._candidates.forget()
        motion = self._maneuvering.find(start, around)
        if motion is None:
            return self._stopping.plan(start, around, "no room to maneuver")
        return Plan(motion, True, "maneuvering")

    def _arrive(self, start: Start, around: Surroundings) -> Plan | None:
        """At the goal: stop, turn as wanted, and be done."""
        goal = self.goal_odom()
        there = self._arrival.update(
            start.pose[:2],
            goal[:2],
            self.reference.remaining_m,
            self.stuck_s(start.stamp_s),
            around.local_map,
        )
        if not there:
            return None
        d = goal[:2] - start.pose[:2]
        arrival = self._config.arrival
        ahead_m = float(d @ [np.cos(start.pose[2]), np.sin(start.pose[2])])
        if abs(start.twist[0]) > STANDING_MPS:
            # Roll out onto the goal rather than stop at the rim of the tolerance.
            return self._stopping.roll_out(start, around, ahead_m, "stopping at the goal")
        error = float(wrap_angle(goal[2] - start.pose[2])) if np.isfinite(goal[2]) else 0.0
        if abs(error) > np.radians(arrival.heading_deg):
            return self._turn(start, around, error, "turning to the goal's heading")
        if np.abs(start.twist).max() > STANDING_MPS:
            return self._stopping.plan(start, around, "stopping at the goal")
        reason, distance_m = "arrived", float(np.hypot(*d))
        if distance_m > GOAL_NEAR_M:
            reason = f"arrived {distance_m:.2f} m from the goal: the rest is blocked"
        return Plan(stand(start.pose, self._config.mpc.step_s), True, reason, arrived=True)

    # ------------------------------------------------------------------------------ bookkeeping

    @property
    def uncertified(self) -> int:
        """Steps at which not even braking was free."""
        return self._stopping.uncertified

    def stuck_s(self, stamp_s: float) -> float:
        """Time for which nothing went ahead, waits at crossings apart."""
        return stamp_s - self._progress_s if np.isfinite(self._progress_s) else 0.0

    def _note_progress(self, plan: Plan, stamp_s: float) -> None:
        ahead = self.reference.progress_m > self._best_m + PROGRESS_M
        waiting = plan.reason.startswith("crossing") or self._arrival.reached
        if ahead or waiting or not np.isfinite(self._progress_s):
            self._progress_s = stamp_s
            self._best_m = max(self._best_m, self.reference.progress_m)

    def crossing_waited_s(self, stamp_s: float) -> float:
        """Time for which the robot has waited at a kerb."""
        waited = self._guard.waited_s(stamp_s)
        return waited if np.isfinite(waited) else 0.0

    def _keep(self, plan: Plan, stamp_s: float) -> Plan:
        self._last, self._last_stamp_s = plan, stamp_s
        return plan

    def _controller_discs(self, reference: np.ndarray, discs: list[Disc]) -> np.ndarray:
        """Pick the discs that matter and give them their comfortable distances."""
        people = self._config.people
        n, count = len(reference), people.discs
        out = np.zeros((n, count, 4))
        out[..., :2] = 1e3
        ranked = []
        for disc in discs:
            gap = np.hypot(*(disc.centres[:n] - reference[:, :2]).T) - disc.radius_m
            ranked.append((float(gap.min()), disc))
        ranked.sort(key=lambda pair: pair[0])
        for i, (gap_m, disc) in enumerate(ranked[:count]):
            if gap_m > 3.0:
                break
            person = disc.kind is ObstacleKind.PERSON
            wanted = people.comfort_m if person else people.other_m
            out[:, i, :2] = disc.centres[:n]
            out[:, i, 2] = disc.radius_m + self._robot_radius_m + wanted + disc.sigma_m[:n]
            out[:, i, 3] = people.weight
        return out
