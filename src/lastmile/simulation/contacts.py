"""What the robot touches and how near everything is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.geometry import se2
from lastmile.simulation import meshes
from lastmile.simulation.people import RADIUS_M, nearest_on_outline
from lastmile.simulation.surroundings import Thing

NEAR_M = 5.0
TOUCH_M = 0.005
ROLL_MOST, PITCH_MOST = (float(np.sin(np.radians(angle))) for angle in (10.0, 12.5))
"""
Ramps tilt the base by 5 degrees; more means a wheel is off a kerb or up on something.

Firm braking on a ramp presses the front caster to its stop, which pitches the base 6 degrees more.
"""

Touch = tuple[str, np.ndarray]
"""The name of what is touched, and where."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """Distances from the footprint, what is touched, and how to get off solid things."""

    people_m: float
    anything_m: float
    contact: str
    """Names of all that is touched, with commas between."""
    solid_direction: np.ndarray | None
    """(2,) away from a standing thing that the footprint overlaps."""
    solid_depth_m: float
    pressed_ahead: bool
    """Something presses the front half; a locker's face does not, bay and face are made to meet."""
    pressed_behind: bool


class ContactWatch:
    """Measure distances between the robot's footprint and everything else."""

    def __init__(self, footprint: np.ndarray, things: list[Thing]) -> None:
        """Index all standing things."""
        self._footprint = np.asarray(footprint, dtype=float)
        self._things = things
        self.tree = shapely.STRtree([thing.outline for thing in things])
        self._near: np.ndarray = np.zeros(0, dtype=int)
        self._near_at = np.full(2, np.inf)

    def outline(self, pose_map_base: np.ndarray) -> np.ndarray:
        """Footprint (K, 2) in map."""
        return se2.transform(pose_map_base, self._footprint)

    def measure(
        self,
        pose_map_base: np.ndarray,
        T_map_base: np.ndarray,
        people: np.ndarray,
        people_ids: np.ndarray,
        vehicles: np.ndarray,
    ) -> Clearance:
        """Look all around; `people` is (P, 2), `vehicles` (V, 6) as in GroundTruth."""
        outline = self.outline(pose_map_base)
        polygon = shapely.polygons(outline)
        person, touched_people = self._people(outline, people, people_ids)
        solid, touched_things, direction, depth = self._solid(pose_map_base, polygon)
        vehicle, touched_vehicles = self._vehicles(pose_map_base, polygon, vehicles)
        touched = [*touched_people, *touched_vehicles, *touched_things]
        forward = np.array([np.cos(pose_map_base[2]), np.sin(pose_map_base[2])])
        pressed = [
            float((place - pose_map_base[:2]) @ forward) > 0.0
            for name, place in touched
            if not name.startswith("locker")
        ]
        names = [name for name, _ in touched]
        if abs(T_map_base[2, 0]) > PITCH_MOST or abs(T_map_base[2, 1]) > ROLL_MOST:
            names.append("kerb")
        anything = min(person, solid, vehicle)
        return Clearance(
            people_m=person,
            anything_m=anything if anything <= NEAR_M else float("inf"),
            contact=", ".join(names),
            solid_direction=direction,
            solid_depth_m=depth,
            pressed_ahead=any(pressed),
            pressed_behind=not all(pressed),
        )

    def _people(self, outline, people, ids) -> tuple[float, list[Touch]]:
        if len(people) == 0:
            return float("inf"), []
        nearest, distance, inside = nearest_on_outline(outline, people)
        gap = np.where(inside, 0.0, np.maximum(0.0, distance - RADIUS_M))
        least = float(gap.min())
        if least > TOUCH_M:
            return least, []
        touches = gap <= TOUCH_M
        names = [f"person {i}" for i in ids[touches]]
        return least, list(zip(names, nearest[touches], strict=True))

    def _solid(self, pose, polygon):
        if np.abs(pose[:2] - self._near_at).max() > 1.0:
            around = shapely.Point(pose[:2]).buffer(NEAR_M + 2.0)
            self._near = np.sort(self.tree.query(around, predicate="intersects"))
            self._near_at = pose[:2].copy()
        if len(self._near) == 0:
            return float("inf"), [], None, 0.0
        geometries = self.tree.geometries[self._near]
        distance = shapely.distance(polygon, geometries)
        i = int(np.argmin(distance))
        touched = [
            (self._things[self._near[k]].name, _meeting_point(polygon, geometries[k]))
            for k in np.flatnonzero(distance <= TOUCH_M)
        ]
        if distance[i] > 0.0:
            return float(distance[i]), touched, None, 0.0
        overlap = shapely.intersection(polygon, geometries[i])
        away = pose[:2] - np.array(overlap.centroid.coords[0])
        direction = away / max(1e-6, float(np.hypot(*away)))
        return 0.0, touched, direction, float(np.sqrt(overlap.area))

    def _vehicles(self, pose, polygon, vehicles) -> tuple[float, list[Touch]]:
        nearest, touched = float("inf"), []
        near = (np.abs(vehicles[:, 1:3] - pose[:2]) <= 12.0).all(axis=1)
        for number, x, y, yaw, _, length in vehicles[near].tolist():
            cyclist = length < 2.5
            box = meshes.rectangle(np.array([x, y]), yaw, length, 0.6 if cyclist else 1.8)
            gap = float(shapely.distance(polygon, box))
            nearest = min(nearest, gap)
            if gap <= TOUCH_M:
                name = f"{'cyclist' if cyclist else 'car'} {int(number)}"
                touched.append((name, _meeting_point(polygon, box)))
        return nearest, touched


def _meeting_point(polygon, geometry) -> np.ndarray:
    """Where a thing touches the footprint, or the middle of what it overlaps."""
    overlap = shapely.intersection(polygon, geometry)
    if overlap.is_empty:
        return np.array(shapely.shortest_line(polygon, geometry).coords[0])
    return np.array(overlap.centroid.coords[0])
