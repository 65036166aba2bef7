"""
Grounds to measure an engine on: level, sloping, with a kerb, with walls and people that stand.

Nobody moves there and nothing is by chance but the sensors' noise, so that two engines can be held
against each other and against closed forms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import StrEnum

import numpy as np
import shapely

from lastmile.maps.example import example_site
from lastmile.maps.site import Site
from lastmile.simulation import meshes
from lastmile.simulation.ground import KERB_M, Ground
from lastmile.simulation.scenario import PeopleScenario, Scenario, TrafficScenario
from lastmile.simulation.surroundings import Thing
from lastmile.simulation.town import Chance, Town, lay_streets
from lastmile.vehicle.description import RobotDescription

HALF_M = 150.0
SLOPE_DEG = 5.0
SLOPE_FROM_M, KERB_AT_M = 2.0, 4.0
WALLS_M = (3.0, 8.0, 20.0)
"""Distances of walls: to the left, ahead, to the right of the start."""
PERSON_RADIUS_M, PERSON_HEIGHT_M = 0.22, 1.7
PEOPLE_M = ((2.0, 1.0), (4.0, -1.5), (6.0, 0.5), (-3.0, 0.0))
NOWHERE = shapely.Polygon()


class Terrain(StrEnum):
    """Kinds of ground."""

    LEVEL = "level"
    SLOPE = "slope"
    KERB = "kerb"
    HALL = "hall"


def make_town(terrain: Terrain, robot: RobotDescription, chance: Chance) -> Town:
    """Lay a proving ground; the robot starts at the origin and looks along x."""
    things = _hall() if terrain is Terrain.HALL else []
    streets = lay_streets(Ground(_GROUNDS[terrain](), NOWHERE, NOWHERE), things)
    scenario = Scenario(
        start_pose=(0.0, 0.0, 0.0),
        people=PeopleScenario(),
        traffic=TrafficScenario(),
        parcels=(),
    )
    return Town(empty_site(), robot, scenario, chance, streets)


def empty_site() -> Site:
    """Give a site with nothing in it, where the example's is."""
    return dataclasses.replace(
        example_site(),
        name="proving ground",
        nodes=np.zeros((0, 2)),
        edges=(),
        roads=(),
        footprints=(),
        lockers=(),
    )


def _level() -> np.ndarray:
    return meshes.flat(shapely.box(-HALF_M, -HALF_M, HALF_M, HALF_M), 0.0)


def _slope() -> np.ndarray:
    """Level ground that rises from SLOPE_FROM_M on."""
    rise = np.tan(np.radians(SLOPE_DEG))
    low = meshes.flat(shapely.box(-HALF_M, -HALF_M, SLOPE_FROM_M, HALF_M), 0.0)
    high = meshes.surface(
        shapely.box(SLOPE_FROM_M, -HALF_M, HALF_M, HALF_M),
        lambda points: rise * (points[:, 0] - SLOPE_FROM_M),
    )
    return np.concatenate([low, high])


def _kerb() -> np.ndarray:
    """Level ground that drops by a kerb at KERB_AT_M."""
    high = meshes.flat(shapely.box(-HALF_M, -HALF_M, KERB_AT_M, HALF_M), 0.0)
    low = meshes.flat(shapely.box(KERB_AT_M, -HALF_M, HALF_M, HALF_M), -KERB_M)
    a, b = np.array([[KERB_AT_M, -HALF_M]]), np.array([[KERB_AT_M, HALF_M]])
    step = meshes.strips(a, b, np.array([-KERB_M]), np.zeros(1), np.zeros(1))
    return np.concatenate([high, low, step])


_GROUNDS: dict[Terrain, Callable[[], np.ndarray]] = {
    Terrain.LEVEL: _level,
    Terrain.SLOPE: _slope,
    Terrain.KERB: _kerb,
    Terrain.HALL: _level,
}


def _hall() -> list[Thing]:
    """Walls at three distances and people who stand."""
    left, ahead, right = WALLS_M
    walls = [
        Thing("wall left", shapely.box(-30.0, left, 30.0, left + 0.5), 6.0),
        Thing("wall ahead", shapely.box(ahead, -30.0, ahead + 0.5, left), 6.0),
        Thing("wall right", shapely.box(-30.0, -right - 0.5, ahead, -right), 6.0),
    ]
    people = [
        # A prism of 64 sides is a cylinder to 0.3 mm.
        Thing(f"person {number}", shapely.Point(place).buffer(PERSON_RADIUS_M, 16), PERSON_HEIGHT_M)
        for number, place in enumerate(PEOPLE_M)
    ]
    return [*walls, *people]
