"""
People on the sidewalks, by social forces.

Each walks along a way of the network at a lateral offset of their own. They keep apart by the
circular form of Helbing and Molnar (1995), "Social force model for pedestrian dynamics", and turn
aside before they meet, as by Zanlungo, Ikeda and Kanda (2011), "Social force model with explicit
collision prediction"; else they would stop nose to nose. 70 % treat the robot as they treat others,
30 % take no notice of it until they touch it, except that nobody runs into it from behind. Who
waits at a signal steps aside for it. Nobody appears inside of anything, nor within 5 m of the
robot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.simulation import _crowd
from lastmile.simulation.meetings import RADIUS_M, Meetings, offset_points
from lastmile.simulation.network import Network, Walk
from lastmile.simulation.scenario import PeopleScenario
from lastmile.simulation.signals import Signals

NEAR_M, FAR_M, GONE_M = 25.0, 65.0, 80.0
RELAXATION_S = 0.5
FORCE_MPS2, FORCE_RANGE_M = 2.5, 0.35
FOLLOWER_RATIO, NUDGE_RATIO = 0.4, 0.35
FORESIGHT_MPS2, FORESIGHT_S, FORESIGHT_M = 2.5, 3.0, 0.8
ROBOT_FORCE_MPS2, ROBOT_RANGE_M = 3.0, 0.8
WALL_FORCE_MPS2, WALL_RANGE_M = 3.0, 0.25
LEAST_SPAWN_M = 5.0
ASIDE_M = 3.0
"""Points of a way that are passed at less than this are done with."""
PASSING_M = 1.0
"""From the robot's middle, as people who see it like to pass."""


@dataclass(slots=True)
class Course:
    """A person's way: points with the offset applied, crossing of each, place on it."""

    points: list[list[float]]
    crossing: tuple[str, ...]
    index: int
    stand_off: int
    """Points before a red crossing at which the person waits, out of others' way."""


class People:
    """All people near the robot; `step` moves them."""

    def __init__(
        self,
        network: Network,
        solid: shapely.STRtree,
        signals: Signals,
        scenario: PeopleScenario,
        route: Walk | None,
        rng: np.random.Generator,
    ) -> None:
        """Nobody yet; `fill` at the first step puts them onto the sidewalks."""
        self.scenario = scenario
        self._network = network
        self._solid = solid
        self._signals = signals
        self._rng = rng
        self._next_id = 1
        self._courses: list[Course] = []
        self.ids = np.zeros(0, dtype=int)
        self.positions = np.zeros((0, 2))
        self.velocities = np.zeros((0, 2))
        self._speeds = np.zeros(0)
        self.ignoring = np.zeros(0, dtype=bool)
        self._waiting = np.zeros(0, dtype=bool)
        self._blind = np.zeros(0, dtype=bool)
        self._meetings = None
        if route is not None and scenario.encounters:
            self._meetings = Meetings(route, scenario.encounters, solid, rng)
        self._tick = 0

    def step(
        self, stamp_s: float, dt_s: float, pose_map_base: np.ndarray, footprint_map: np.ndarray
    ) -> None:
        """Move everybody by `dt_s`; `footprint_map` (K, 2) is the robot's outline."""
        robot = pose_map_base[:2]
        if self._tick % 10 == 0:
            self._leave(robot)
            self._fill(robot)
        self._meet(robot)
        self._tick += 1
        if len(self.ids) == 0:
            return
        self._blind = self._who_is_blind(pose_map_base)
        heading = self._around(robot, self._headings(stamp_s))
        force = (heading * self._speeds[:, None] - self.velocities) / RELAXATION_S
        force += self._from_each_other() + self._from_robot(footprint_map)
        walls = self._near_walls()
        force += self._from_walls(*walls)
        self.velocities = self.velocities + dt_s * force
        speed = np.hypot(*self.velocities.T)
        most = 1.3 * self._speeds
        self.velocities *= np.minimum(1.0, most / np.maximum(speed, 1e-9))[:, None]
        self._stop_at_walls(dt_s, *walls)
        self.positions = self.positions + dt_s * self.velocities
        self._stop_at_robot(footprint_map)

    # ------------------------------------------------------------------- who is there

    def add(self, points: np.ndarray, crossing: tuple[str, ...], speed: float) -> bool:
        """Put a person at the start of a way; False where there is no room."""
        start = points[0]
        if len(self._solid.query(shapely.Point(start).buffer(RADIUS_M + 0.1), "intersects")):
            return False
        if len(self.ids) and np.hypot(*(self.positions - start).T).min() < 2.5 * RADIUS_M:
            return False
        ahead = points[min(1, len(points) - 1)] - start
        velocity = speed * ahead / max(1e-6, np.hypot(*ahead))
        ignoring = self._rng.random() < self.scenario.ignoring_ratio
        self.ids = np.append(self.ids, self._next_id)
        self._next_id += 1
        self.positions = np.vstack([self.positions, start])
        self.velocities = np.vstack([self.velocities, velocity])
        self._speeds = np.append(self._speeds, speed)
        self.ignoring = np.append(self.ignoring, ignoring)
        self._waiting = np.append(self._waiting, False)
        stand_off = int(self._rng.integers(2, 4))
        course = Course(points.tolist(), crossing, min(1, len(points) - 1), stand_off)
        self._courses.append(course)
        return True

    def _leave(self, robot: np.ndarray) -> None:
        """Let go of people who are far off or at the end of their way out of sight."""
        if len(self.ids) == 0:
            return
        distance = np.hypot(*(self.positions - robot).T)
        ended = np.array([c.index >= len(c.points) - 1 for c in self._courses])
        stay = (distance < GONE_M) & ~(ended & (distance > 12.0))
        for i in np.flatnonzero(ended & stay):
            # In sight of the robot nobody vanishes, nor turns back on the spot: they walk on.
            self._courses[i] = self._onward(self._courses[i])
        if stay.all():
            return
        self._courses = [c for c, keep in zip(self._courses, stay, strict=True) if keep]
        for name in ("ids", "positions", "velocities", "_speeds", "ignoring", "_waiting"):
            setattr(self, name, getattr(self, name)[stay])

    def _fill(self, robot: np.ndarray) -> None:
        missing = self.scenario.count - len(self.ids)
        if missing <= 0:
            return
        least = LEAST_SPAWN_M if self._tick == 0 else NEAR_M
        places = self._network.edges_within(robot, least, FAR_M)
        for _ in range(min(missing, self.scenario.count if self._tick == 0 else 3)):
            if len(places) == 0:
                return
            index, x, y = places[self._rng.integers(len(places))]
            forward = bool(self._rng.random() < 0.5)
            walk, start = self._wander(int(index), forward, np.array([x, y]))
            if walk.crossing[start] or start >= len(walk.points) - 2:
                continue
            points = offset_points(walk, self._rng)[start:]
            if np.hypot(*(points[0] - robot)) > least:
                self.add(points, walk.crossing[start:], self._draw_speed())

    def _onward(self, course: Course) -> Course:
        """Go on from the end of a way, in the sense in which it came there."""
        before, end = np.array(course.points[-2:])
        edge, _ = self._network.nearest(end)
        ahead = self._network.direction(edge, end) @ (end - before) >= 0.0
        walk, start = self._wander(edge, bool(ahead), end)
        points = offset_points(walk, self._rng)[start:].tolist()
        return Course(points, walk.crossing[start:], min(1, len(points) - 1), course.stand_off)

    def _wander(self, edge: int, forward: bool, place: np.ndarray) -> tuple[Walk, int]:
        """Draw a way along an edge and on, and find its point nearest to a place."""
        walk = self._network.wander(edge, forward, 150.0, self._rng)
        return walk, int(np.argmin(np.hypot(*(walk.points - place).T)))

    def _draw_speed(self) -> float:
        drawn = self._rng.normal(self.scenario.speed_mps, self.scenario.speed_sigma_mps)
        return float(np.clip(drawn, 0.5, 2.2))

    def _meet(self, robot: np.ndarray) -> None:
        """Send somebody to meet the robot when it is time."""
        if self._meetings is None or not self._meetings.due(robot):
            return
        walk = self._meetings.invite()
        sent = False
        if walk is not None and np.hypot(*(walk.points[0] - robot)) > LEAST_SPAWN_M:
            speed = max(walk.least_speed_mps, self._draw_speed())
            sent = self.add(walk.points, walk.crossing, speed)
        self._meetings.note(sent)

    # ---------------------------------------------------------------------- forces

    def _headings(self, stamp_s: float) -> np.ndarray:
        """Give unit vectors along each way; zero for those who wait."""
        targets, waiting = [], []
        for (x, y), course in zip(self.positions.tolist(), self._courses, strict=True):
            last = len(course.points) - 1
            free = self._may_enter(course, stamp_s)
            while course.index < last and free:
                if not _passed(x, y, *course.points[course.index : course.index + 2]):
                    break
                course.index += 1
                free = self._may_enter(course, stamp_s)
            # Aiming past the next point rounds the corners of the way, as people do.
            targets.append(course.points[min(course.index + free, last)])
            waiting.append(not free or course.index >= last)
        targets, self._waiting = np.array(targets), np.array(waiting)
        away = targets - self.positions
        distance = np.hypot(*away.T)
        unit = away / np.maximum(distance, 1e-6)[:, None]
        slow = np.where(self._waiting, np.clip(distance - 0.3, 0.0, 1.0), 1.0)
        return unit * slow[:, None]

    def _who_is_blind(self, pose_map_base: np.ndarray) -> np.ndarray:
        """Tell who takes no notice of the robot now."""
        ahead = (self.positions - pose_map_base[:2]) @ [
            np.cos(pose_map_base[2]),
            np.sin(pose_map_base[2]),
        ]
        return self.ignoring & ~self._waiting & (ahead > -0.3)

    def _around(self, robot: np.ndarray, heading: np.ndarray) -> np.ndarray:
        """Turn the heading of who sees the robot in the way, to pass it at PASSING_M."""
        away = robot - self.positions
        ahead = (away * heading).sum(axis=1)
        left = heading[:, 0] * away[:, 1] - heading[:, 1] * away[:, 0]
        concerned = (ahead > -0.2) & (ahead < 5.0) & (np.abs(left) < PASSING_M)
        concerned &= ~self._blind & ~self._waiting
        # Straight ahead counts as left: people pass on the right.
        side = np.where(left > -0.2, -1.0, 1.0)
        turn = side * np.arctan2(PASSING_M - np.abs(left), np.maximum(ahead - 0.5, 0.15))
        turn = np.where(concerned, turn, 0.0)
        c, s = np.cos(turn), np.sin(turn)
        x, y = heading.T
        return np.column_stack([c * x - s * y, s * x + c * y])

    def _may_enter(self, course: Course, stamp_s: float) -> bool:
        """Tell whether the step onto the next point may be taken: not onto a red crossing."""
        here = course.crossing[course.index]
        for crossing in course.crossing[course.index + 1 : course.index + 1 + course.stand_off]:
            if crossing and crossing != here and not self._signals.may_walk(crossing, stamp_s):
                return False
        return True

    def _from_each_other(self) -> np.ndarray:
        # Who comes from ahead counts more than who follows, and a nudge to the right parts those
        # who meet head on.
        force = np.empty_like(self.positions)
        _crowd.part(
            self.positions,
            self.velocities,
            FORCE_MPS2,
            FORCE_RANGE_M,
            2.0 * RADIUS_M,
            FOLLOWER_RATIO,
            NUDGE_RATIO,
            force,
        )
        _crowd.foresee(
            self.positions, self.velocities, FORESIGHT_MPS2, FORESIGHT_S, FORESIGHT_M, force
        )
        return force

    def _from_robot(self, footprint_map: np.ndarray) -> np.ndarray:
        nearest, distance, _ = nearest_on_outline(footprint_map, self.positions)
        away = self.positions - nearest
        unit = away / np.maximum(distance, 1e-6)[:, None]
        strength = ROBOT_FORCE_MPS2 * np.exp((RADIUS_M + 0.3 - distance) / ROBOT_RANGE_M)
        strength = np.where(self._blind | (distance > 6.0), 0.0, np.minimum(strength, 6.0))
        right = np.column_stack([unit[:, 1], -unit[:, 0]])
        ahead = (unit * self.velocities).sum(axis=1) < 0.0
        return strength[:, None] * (unit - 0.6 * ahead[:, None] * right)

    def _near_walls(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give who is near a thing that stands (K,), the way off it (K, 2), the distance (K,)."""
        points = shapely.points(self.positions)
        person, thing = self._solid.query(points, predicate="dwithin", distance=0.9)
        lines = shapely.shortest_line(self._solid.geometries[thing], points[person])
        ends = shapely.get_coordinates(lines).reshape(-1, 2, 2)
        away = ends[:, 1] - ends[:, 0]
        distance = np.hypot(*away.T)
        return person, away / np.maximum(distance, 1e-6)[:, None], distance

    def _from_walls(
        self, person: np.ndarray, unit: np.ndarray, distance: np.ndarray
    ) -> np.ndarray:
        force = np.zeros_like(self.positions)
        strength = WALL_FORCE_MPS2 * np.exp((RADIUS_M - distance) / WALL_RANGE_M)
        # Slide along: a way that leads straight at a thing would end there.
        velocity = self.velocities[person]
        side = np.column_stack([-unit[:, 1], unit[:, 0]])
        sense = np.where((velocity * side).sum(axis=1) >= 0.0, 1.0, -1.0)
        np.add.at(force, person, strength[:, None] * (unit + 0.4 * sense[:, None] * side))
        return force

    def _stop_at_walls(
        self, dt_s: float, person: np.ndarray, unit: np.ndarray, distance: np.ndarray
    ) -> None:
        """Let nobody walk nearer to what stands than a body is wide."""
        inward = -(self.velocities[person] * unit).sum(axis=1)
        room = np.maximum(distance - RADIUS_M, 0.0) / dt_s
        for k in np.flatnonzero(inward > room).tolist():
            i = person[k]
            excess = -float(self.velocities[i] @ unit[k]) - room[k]
            if excess > 0.0:
                self.velocities[i] += excess * unit[k]

    def _stop_at_robot(self, footprint_map: np.ndarray) -> None:
        """Keep bodies out of the robot: they stop at touch, notice it, and slide along it."""
        nearest, distance, inside = nearest_on_outline(footprint_map, self.positions)
        touching = inside | (distance < RADIUS_M)
        if not touching.any():
            return
        away = self.positions - nearest
        away[inside] *= -1.0
        self.ignoring = self.ignoring & ~touching
        unit = away / np.maximum(np.hypot(*away.T), 1e-6)[:, None]
        for i in np.flatnonzero(touching):
            self.positions[i] = nearest[i] + RADIUS_M * unit[i]
            inward = min(0.0, float(self.velocities[i] @ unit[i]))
            self.velocities[i] -= inward * unit[i]


def _passed(x: float, y: float, here: list[float], after: list[float]) -> bool:
    """Tell whether a point of a way is reached, or was passed aside: nobody goes back for it."""
    to_x, to_y = here[0] - x, here[1] - y
    square = to_x * to_x + to_y * to_y
    behind = to_x * (after[0] - here[0]) + to_y * (after[1] - here[1]) < 0.0
    return square <= 1.2 or (behind and square < ASIDE_M * ASIDE_M)


def nearest_on_outline(
    outline: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Find the nearest points on a convex counter-clockwise outline.

    Returns the nearest boundary points (N, 2), the distances to them (N,), and which of the points
    lie inside.
    """
    points = np.ascontiguousarray(points, dtype=float)
    feet, distances = np.empty_like(points), np.empty(len(points))
    inside = np.empty(len(points), dtype=bool)
    outline = np.ascontiguousarray(outline, dtype=float)
    _crowd.nearest(outline, points, feet, distances, inside.view(np.uint8))
    return feet, distances, inside
