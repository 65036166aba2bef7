"""
A small made-up site, for tests and for simulation without an extract of OpenStreetMap.

A two-lane road runs along the x axis. On both of its sides lie a pavement of 2.5 m and a block of
buildings with gaps between them. One signalled and one unsignalled crossing join the pavements; a
footway leads around the northern block. Locker `a` stands in a forecourt of the northern block,
locker `b` in one of the southern block, 97 m away.
"""

from __future__ import annotations

import numpy as np

from lastmile.maps.lockers import standard_locker
from lastmile.maps.occupancy import rasterise
from lastmile.maps.site import Footprint, Locker, Origin, Road, RouteEdge, Site
from lastmile.types import EdgeKind

KERB_Y_M, PAVEMENT_Y_M, FACADE_Y_M, FORECOURT_Y_M = 3.5, 4.75, 6.0, 9.0
SIGNALLED_X_M, UNSIGNALLED_X_M = -20.0, 25.0
WEST_X_M, EAST_X_M, NORTH_Y_M = -62.0, 62.0, 50.0
ROAD_SPEED_MPS = 50.0 / 3.6

_BUILDINGS = (
    # x from, x to, distance of the front from the road's middle, of the back, height
    (-56.0, -52.0, FACADE_Y_M, 46.0, 12.0),
    (-52.0, -43.0, FORECOURT_Y_M, 46.0, 15.0),
    (-43.0, -30.0, FACADE_Y_M, 40.0, 15.0),
    (-26.5, -6.0, 6.4, 44.0, 21.0),
    (-6.0, 7.0, FACADE_Y_M, 38.0, 12.0),
    (11.0, 27.0, 6.8, 46.0, 18.0),
    (27.0, 43.5, FACADE_Y_M, 42.0, 15.0),
    (43.5, 52.5, FORECOURT_Y_M, 42.0, 9.0),
    (52.5, 56.0, FACADE_Y_M, 42.0, 12.0),
)
_POLES_X_M = (-51.0, -33.0, -23.0, -17.0, 3.0, 21.0, 29.0, 40.0)
_TREES_X_M = (-38.0, -12.0, 12.0, 34.0)


def example_site() -> Site:
    """Build the site; every call gives the same one."""
    footprints = (*_buildings(), *_kerbs(), *_street_furniture())
    lockers = _lockers()
    nodes, edges = _network()
    return Site(
        name="example",
        origin=Origin(60.17, 24.94, 3879),
        attribution="Made up; no map data.",
        nodes=nodes,
        edges=edges,
        roads=(
            Road(
                id="road",
                points=np.array([[-100.0, 0.0], [100.0, 0.0]]),
                lanes=2,
                width_m=2.0 * KERB_Y_M,
                speed_mps=ROAD_SPEED_MPS,
                oneway=False,
            ),
        ),
        footprints=footprints,
        lockers=lockers,
        occupancy=rasterise(
            footprints, lockers, np.array([-75.0, -52.0]), np.array([75.0, 56.0]), 0.1
        ),
    )


def _buildings() -> tuple[Footprint, ...]:
    """Northern block as in the table, southern block mirrored at the road."""
    buildings = []
    for side, name in ((1.0, "north"), (-1.0, "south")):
        for i, (west, east, front, back, height) in enumerate(_BUILDINGS):
            y = sorted((side * front, side * back))
            outline = [[west, y[0]], [east, y[0]], [east, y[1]], [west, y[1]]]
            buildings.append(
                Footprint(f"building-{name}-{i}", "building", np.array(outline), height, True)
            )
    return tuple(buildings)


def _kerbs() -> tuple[Footprint, ...]:
    """Line the road with kerbs, lowered over 3 m at each crossing."""
    kerbs = []
    lowered = [(x - 1.5, x + 1.5) for x in (SIGNALLED_X_M, UNSIGNALLED_X_M)]
    cuts = [-100.0, *(x for pair in lowered for x in pair), 100.0]
    for name, y in (("north", KERB_Y_M), ("south", -KERB_Y_M)):
        for i in range(len(cuts) - 1):
            points = np.array([[cuts[i], y], [cuts[i + 1], y]])
            height = 0.12 if i % 2 == 0 else 0.02
            kerbs.append(Footprint(f"kerb-{name}-{i}", "kerb", points, height, False))
    return tuple(kerbs)


def _street_furniture() -> tuple[Footprint, ...]:
    things = []
    for name, side in (("north", 1.0), ("south", -1.0)):
        for kind, xs, height in (("pole", _POLES_X_M, 5.0), ("tree", _TREES_X_M, 6.0)):
            for i, x in enumerate(xs):
                point = np.array([[x, side * (KERB_Y_M + 0.4)]])
                things.append(Footprint(f"{kind}-{name}-{i}", kind, point, height, False))
        bin_point = np.array([[8.0, side * 7.0]])
        things.append(Footprint(f"bin-{name}", "furniture", bin_point, 1.0, False))
    hedge = np.array([[-58.5, 12.0], [-58.5, 36.0]])
    things.append(Footprint("hedge", "barrier", hedge, 1.5, False))
    return tuple(things)


def _lockers() -> tuple[Locker, ...]:
    front_y = FORECOURT_Y_M - 0.85
    return (
        standard_locker("a", "Locker A", np.array([-47.5, front_y, -np.pi / 2]), 0),
        standard_locker("b", "Locker B", np.array([48.0, -front_y, np.pi / 2]), 1),
    )


def _network() -> tuple[np.ndarray, tuple[RouteEdge, ...]]:
    xs = (WEST_X_M, SIGNALLED_X_M, UNSIGNALLED_X_M, EAST_X_M)
    nodes = np.array([[x, side * PAVEMENT_Y_M] for side in (1.0, -1.0) for x in xs])
    edges = [
        _edge(f"{name}-{i}", nodes, first + i, first + i + 1, EdgeKind.SIDEWALK)
        for name, first in (("north", 0), ("south", 4))
        for i in range(3)
    ]
    edges.append(_edge("crossing-signalled", nodes, 1, 5, EdgeKind.CROSSING, signalled=True))
    edges.append(_edge("crossing-unsignalled", nodes, 2, 6, EdgeKind.CROSSING))
    around = np.array([nodes[0], [WEST_X_M, NORTH_Y_M], [EAST_X_M, NORTH_Y_M], nodes[3]])
    edges.append(_edge("around", nodes, 0, 3, EdgeKind.FOOTWAY, points=around))
    return nodes, tuple(edges)


def _edge(
    edge_id: str,
    nodes: np.ndarray,
    source: int,
    target: int,
    kind: EdgeKind,
    points: np.ndarray | None = None,
    signalled: bool = False,
) -> RouteEdge:
    crossing = kind is EdgeKind.CROSSING
    return RouteEdge(
        id=edge_id,
        source=source,
        target=target,
        points=nodes[[source, target]] if points is None else points,
        kind=kind,
        width_m=3.0 if crossing else 2.5,
        surface="asphalt" if crossing else "paving_stones",
        incline=0.0,
        kerb="lowered" if crossing else "none",
        speed_mps=1.4,
        crossing_id=edge_id if crossing else "",
        signalled=signalled,
        lanes=2 if crossing else 0,
        road_speed_mps=ROAD_SPEED_MPS if crossing else 0.0,
        guessed=frozenset(),
    )
