"""
The site bundle: everything the robot knows beforehand about one place.

All coordinates are metres in `map`: local east-north-up about the site's origin (REP-103).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.errors import UserError
from lastmile.types import EdgeKind

FOOTPRINT_KINDS = ("building", "barrier", "kerb", "tree", "pole", "furniture")

POINT_RADIUS_M = {"tree": 0.20, "pole": 0.10, "furniture": 0.30, "barrier": 0.15, "building": 0.3}
"""Radius at which a footprint of one vertex is taken, by its kind."""


MAP_SOURCES = ("footprints", "lidar")


class SiteError(UserError):
    """A site, or a file of its bundle, that breaks a stated rule; the message names both."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where `map` lies: WGS84 of its (0, 0) and the projected system that it is a shift of."""

    latitude_deg: float
    longitude_deg: float
    epsg: int


@dataclass(frozen=True, slots=True)
class RouteEdge:
    """
    One stretch of the robot's network, usable in both directions.

    `points` (K, 2) runs from node `source` to node `target`. `guessed` names the attributes that
    OpenStreetMap does not state and a default filled.
    """

    id: str
    source: int
    target: int
    points: np.ndarray
    kind: EdgeKind
    width_m: float
    surface: str
    incline: float
    """Rise over run along `points`."""
    kerb: str
    """raised, lowered, flush, or none."""
    speed_mps: float
    crossing_id: str
    signalled: bool
    lanes: int
    road_speed_mps: float
    guessed: frozenset[str]
    covered: bool = False
    """Under a building or a roof: a passage, where satellites are hidden."""


@dataclass(frozen=True, slots=True)
class Road:
    """A carriageway: centre line (K, 2), cars keep right; for the simulator and the planner."""

    id: str
    points: np.ndarray
    lanes: int
    width_m: float
    speed_mps: float
    oneway: bool


@dataclass(frozen=True, slots=True)
class Footprint:
    """
    Something that stands on the ground.

    `kind` is one of `FOOTPRINT_KINDS`. A closed outline repeats no vertex; barriers and kerbs are
    open lines (`closed` False) unless they close; points have one vertex and the radius of
    `POINT_RADIUS_M`. A kerb's height is its step: 0.12 m where raised, at most 0.03 m where
    lowered, as it is at crossings.
    """

    id: str
    kind: str
    points: np.ndarray
    height_m: float
    closed: bool


@dataclass(frozen=True, slots=True)
class Compartment:
    """A box of a locker: inner size and temperature zone (ambient, chilled or frozen)."""

    id: str
    width_m: float
    height_m: float
    depth_m: float
    zone: str


@dataclass(frozen=True, slots=True)
class Locker:
    """
    A parcel locker that robots dock at.

    `pose_map_port` (3,) is the middle of its robot door on the locker's front, projected to the
    ground, with yaw along the outward normal. A docked robot faces it: the robot's port lies on
    the locker's port and its yaw is the port's plus pi. `markers` maps the fiducial id to its
    centre [m] in the port frame (x outward, y left, z up from the ground), all facing outward.
    """

    id: str
    name: str
    pose_map_port: np.ndarray
    width_m: float
    depth_m: float
    height_m: float
    marker_family: str
    marker_side_m: float
    markers: dict[int, tuple[float, float, float]]
    compartments: tuple[Compartment, ...]


@dataclass(frozen=True, slots=True)
class OccupancyMap:
    """
    Static map on a grid, in the sense of Nav2's map_server.

    `cells` is int8 (rows, columns): 0 free, 100 occupied, -1 unknown; row 0 is the smallest y.
    `origin` (2,) is the outer corner of cell (0, 0) in map. `source` is one of `MAP_SOURCES`: what
    the map was drawn from, which tells how exact it is.
    """

    origin: np.ndarray
    resolution_m: float
    cells: np.ndarray
    source: str = "footprints"


@dataclass(frozen=True, slots=True)
class Site:
    """One site, as `maps/<name>/` stores it; `read_site` in `bundle.py` loads it."""

    name: str
    origin: Origin
    attribution: str
    nodes: np.ndarray
    """(N, 2) of the route graph; an edge's `source` and `target` index it."""
    edges: tuple[RouteEdge, ...]
    roads: tuple[Road, ...]
    footprints: tuple[Footprint, ...]
    lockers: tuple[Locker, ...]
    occupancy: OccupancyMap
