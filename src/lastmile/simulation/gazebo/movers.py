"""
What moves besides the robot, as models that are told where to be: people, vehicles, doors, parcels.

Gazebo has a pool of models for each shape of `bodies.py`; each turn the town's bodies take them in
order, the nearest to the robot first where the pool is short, and the others wait far below ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.maps.site import Locker
from lastmile.simulation.bodies import CAR, CYCLIST, LEG, TRUNK, Bodies
from lastmile.simulation.camera import DOOR_SIZE_M
from lastmile.simulation.scenario import Scenario
from lastmile.simulation.town import Town

AWAY = (0.0, 0.0, -500.0, 0.0)
"""Where models wait that nobody needs now: x, y, z, yaw."""
SHAPE_NAMES = {LEG: "leg", TRUNK: "person", CYCLIST: "cyclist", CAR: "car"}
STILL = 1e-4
"""A model whose place changes by less (metres, radians) is not told."""
BAY_IN_LOCKER_M, BAY_IN_ROBOT_M, BAY_HEIGHT_M = 0.4, 0.25, 0.55
"""Where a parcel rests, behind the locker's and the robot's port."""

Place = tuple[float, float, float, float]
"""x, y, z [m] and yaw [rad] in map."""


@dataclass(frozen=True, slots=True)
class Pools:
    """How many models there are of each shape."""

    people: int
    cyclists: int
    cars: int

    @classmethod
    def of(cls, scenario: Scenario) -> Pools:
        """Hold everybody whom a scenario can bring at once."""
        people, traffic = scenario.people, scenario.traffic
        return cls(people.count + people.encounters, traffic.cyclists, traffic.cars)

    def names(self) -> dict[int, list[str]]:
        """Names of the models by shape."""
        counts = {LEG: 2 * self.people, TRUNK: self.people}
        counts |= {CYCLIST: self.cyclists, CAR: self.cars}
        return {
            shape: [f"{SHAPE_NAMES[shape]}_{number}" for number in range(count)]
            for shape, count in counts.items()
        }


class Movers:
    """Where each moving model belongs; `changes` gives those that have moved."""

    def __init__(self, town: Town) -> None:
        """Know the models; none has been told its place."""
        self._town = town
        self._names = Pools.of(town.scenario).names()
        self._told: dict[str, Place] = {}

    def places(self, pose_map_base: np.ndarray, shift_s: float = 0.0) -> dict[str, Place]:
        """Give the place of every model `shift_s` from now; the robot is at (3,)."""
        bodies = self._town.bodies(shift_s)
        places = place_bodies_on_models(bodies, self._names, pose_map_base[:2])
        for locker in self._town.site.lockers:
            door = self._town.transfer.bodies[locker.id].door
            places[door_name(locker.id)] = door_place(locker, door)
        return places | self._parcels(pose_map_base)

    def changes(self, pose_map_base: np.ndarray, shift_s: float = 0.0) -> dict[str, Place]:
        """Give the places of those that have moved since they were last told."""
        changed = {
            name: place
            for name, place in self.places(pose_map_base, shift_s).items()
            if name not in self._told
            or max(abs(a - b) for a, b in zip(place, self._told[name], strict=True)) > STILL
        }
        self._told |= changed
        return changed

    def _parcels(self, pose_map_base: np.ndarray) -> dict[str, Place]:
        transfer, places = self._town.transfer, {}
        for parcel, where in transfer.places().items():
            moving = transfer.moving
            if moving is not None and moving.parcel == parcel:
                port = transfer.bodies[moving.locker_id].locker.pose_map_port
                reach = BAY_IN_ROBOT_M + BAY_IN_LOCKER_M
                places[parcel_name(parcel)] = _before(port, moving.share * reach - BAY_IN_LOCKER_M)
            elif where == "robot":
                port = transfer.port(pose_map_base)
                places[parcel_name(parcel)] = _before(port, -BAY_IN_ROBOT_M)
            elif where in transfer.bodies:
                port = transfer.bodies[where].locker.pose_map_port
                places[parcel_name(parcel)] = _before(port, -BAY_IN_LOCKER_M)
            else:
                x, y, _ = transfer.port(pose_map_base)
                places[parcel_name(parcel)] = (float(x), float(y), 0.1, 0.0)
        return places


def place_bodies_on_models(
    bodies: Bodies, names: dict[int, list[str]], robot: np.ndarray
) -> dict[str, Place]:
    """Give each body a model of its shape; `robot` (2,) is where the nearest are wanted."""
    places = {}
    for shape, models in names.items():
        chosen = np.flatnonzero(bodies.shape == shape)
        if len(chosen) > len(models):
            distance = np.hypot(*(bodies.positions[chosen] - robot).T)
            chosen = np.sort(chosen[np.argsort(distance, kind="stable")[: len(models)]])
        for number, model in enumerate(models):
            if number < len(chosen):
                x, y = bodies.positions[chosen[number]].tolist()
                places[model] = (x, y, 0.0, float(bodies.yaws[chosen[number]]))
            else:
                places[model] = AWAY
    return places


def model_name(kind: str, name: str) -> str:
    """Give the model of a locker, a door or a parcel; Gazebo allows letters, digits, _ and -."""
    return f"{kind}_" + "".join(c if c.isalnum() or c in "_-" else "_" for c in name)


def door_name(locker_id: str) -> str:
    """Give the model of a locker's door."""
    return model_name("door", locker_id)


def parcel_name(parcel_id: str) -> str:
    """Give the model of a parcel."""
    return model_name("parcel", parcel_id)


def door_place(locker: Locker, opened: float) -> Place:
    """Place a door, which slides up, `opened` from 0 to 1; the model's origin is its port."""
    x, y, yaw = (float(v) for v in locker.pose_map_port)
    return x, y, opened * DOOR_SIZE_M[1], yaw


def _before(port: np.ndarray, distance: float) -> Place:
    """Give the place so far before a port (3,), at the height of the conveyors."""
    x, y, yaw = (float(v) for v in port)
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    return x + distance * c, y + distance * s, BAY_HEIGHT_M, yaw
