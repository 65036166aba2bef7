"""
A site from an extract of OpenStreetMap.

The stages, in order: read the file; choose the ways that the robot may use; lay ways across
squares; cut ways into segments and make out crossings; keep them off buildings and walls; join them
to edges; keep one connected network; write down what stands; place lockers; draw the grid.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from lastmile.geometry.wgs84 import MapProjection, utm_epsg
from lastmile.maps.foot_lines import Segment, make_segments
from lastmile.maps.foot_rules import BLOCKING_BARRIERS, is_for_feet, reason_to_leave_out
from lastmile.maps.ground import Ground
from lastmile.maps.keep_off import Obstruction, Resolved, keep_off_barriers, keep_off_buildings
from lastmile.maps.locker_placement import PlacementGround, place_automatically, place_near
from lastmile.maps.network import Network, components, contract, edge_length, keep
from lastmile.maps.occupancy import rasterise
from lastmile.maps.osm_extract import Box, Extract, OsmWay, read_extract
from lastmile.maps.roads import is_road, make_road
from lastmile.maps.site import Locker, Origin, Road, Site, SiteError
from lastmile.maps.squares import lay_ways_across_squares
from lastmile.maps.standing import make_footprints, read_barriers, read_buildings
from lastmile.types import EdgeKind

ATTRIBUTION = "Map data (c) OpenStreetMap contributors, Open Database License (ODbL) 1.0"
RESOLUTION_M = 0.2
_MARGIN_M = 20.0
"""Buildings and grid reach this far beyond the network."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the extract, in metres and counts."""

    seconds: float
    nodes: int
    edges: int
    network_m: float
    usable_m: float
    """Length of all usable foot ways within the box, after buildings were resolved."""
    connected_share: float
    components: int
    largest_dropped_m: tuple[float, ...]
    ways_left_out: dict[str, int]
    edge_m_by_kind: dict[str, float]
    guessed_share: dict[str, float]
    """Share of the network's length where width, surface and incline are a default; for kerb, of
    the crossings."""
    crossings: int
    signalled_crossings: int
    buildings: dict[str, float]
    """Metres of foot way in conflict with buildings and walls, by how they were resolved."""
    unexplained_through_buildings: int
    footprints: dict[str, int]
    lockers: int
    map_scale: float
    map_convergence_deg: float

    def to_mapping(self) -> dict[str, Any]:
        """Give the report as plain values, for JSON."""
        return asdict(self)


def build_site(
    osm: Path | str,
    box: Box | None,
    name: str,
    *,
    lockers: dict[str, tuple[float, float]] | int = 0,
    epsg: int | None = None,
    resolution_m: float = RESOLUTION_M,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Site, ImportReport]:
    """
    Import a site.

    Parameters
    ----------
    osm : Path or str
        Extract: .osm, .osm.gz, .osm.bz2 or .osm.pbf.
    box : Box or None
        What to take of it; None for all.
    lockers : dict or int
        Latitude and longitude [deg] by id, or how many to place along facades.
    epsg : int, optional
        Projected system of the map, by default the UTM zone of the box's middle.
    resolution_m : float
        Cell side of the occupancy map.

    Raises
    ------
    SiteError
        If the file is not readable, the box lies off the extract, no network is found, or a locker
        cannot be placed or reached.

    """
    started = clock()
    extract = read_extract(osm)
    box = _checked_box(box, extract, osm)
    latitude = round(0.5 * (box.south + box.north), 6)
    longitude = round(0.5 * (box.west + box.east), 6)
    origin = Origin(latitude, longitude, epsg or utm_epsg(latitude, longitude))
    projection = MapProjection(latitude, longitude, origin.epsg)
    ground = Ground(extract, projection)
    inside = _box_in_map(box, projection)

    road_ways = [(w, make_road(w, ground.line(w.refs))) for w in extract.ways if is_road(w.tags)]
    ways, left_out = _choose_ways(extract, inside, ground)
    buildings = read_buildings(extract, ground)
    barriers = read_barriers(extract, ground)
    obstruction = Obstruction([b.outline for b in buildings])
    ways.extend(lay_ways_across_squares(extract, ways, ground, obstruction))
    resolved = Resolved()
    segments = make_segments(ways, road_ways, extract.node_tags, ground)
    segments = _within(segments, inside, ground)
    segments = _cut_at_blocks(segments, extract.node_tags, ground)
    segments = keep_off_buildings(segments, obstruction, ground, resolved)
    segments = keep_off_barriers(
        segments, [(b.vertices, b.line) for b in barriers], ground, resolved
    )
    whole = contract(segments, ground)
    if not whole.edges:
        raise SiteError(f"{osm}: no way that a sidewalk robot may use lies within the box")
    wanted = _wanted_points(lockers, projection)
    network, dropped_m, parts = _choose_component(whole, wanted)

    area = shapely.intersection(
        shapely.box(*_bounds(network)).buffer(_MARGIN_M, join_style="mitre"),
        inside.buffer(_MARGIN_M, join_style="mitre"),
    )
    footprints = make_footprints(extract, ground, buildings, barriers, network.edges, area)
    roads = _roads_within(road_ways, area)
    placed = _place(lockers, wanted, footprints, roads, network)
    low, high = np.array(area.bounds[:2]), np.array(area.bounds[2:])
    site = Site(
        name=name,
        origin=origin,
        attribution=ATTRIBUTION,
        nodes=network.nodes,
        edges=network.edges,
        roads=roads,
        footprints=footprints,
        lockers=placed,
        occupancy=rasterise(footprints, placed, np.floor(low), np.ceil(high), resolution_m),
    )
    network_m, usable_m = _total(network), _total(whole)
    report = ImportReport(
        seconds=0.0,
        nodes=len(network.nodes),
        edges=len(network.edges),
        network_m=network_m,
        usable_m=usable_m,
        connected_share=network_m / usable_m,
        components=parts,
        largest_dropped_m=dropped_m,
        ways_left_out=dict(left_out),
        edge_m_by_kind=_metres_by_kind(network),
        guessed_share=_guessed_shares(network),
        crossings=len({e.crossing_id for e in network.edges if e.crossing_id}),
        signalled_crossings=len({e.crossing_id for e in network.edges if e.signalled}),
        buildings={k: round(v, 1) for k, v in sorted(resolved.metres.items())},
        unexplained_through_buildings=_unexplained(network, obstruction),
        footprints=dict(Counter(f.kind for f in footprints)),
        lockers=len(placed),
        map_scale=projection.scale,
        map_convergence_deg=math.degrees(projection.convergence_rad),
    )
    return site, replace(report, seconds=clock() - started)


def box_around(latitude_deg: float, longitude_deg: float, radius_m: float) -> Box:
    """
    Give the box that reaches `radius_m` from a place in each direction.

    Raises
    ------
    ValueError
        If the place is not on the globe between 85 degrees south and north, or the radius is not
        positive.

    """
    if not (abs(latitude_deg) <= 85.0 and abs(longitude_deg) <= 180.0 and radius_m > 0.0):
        raise ValueError(
            f"around {latitude_deg!r}, {longitude_deg!r}, {radius_m!r}: latitude in [-85, 85], "
            "longitude in [-180, 180] and a positive radius are wanted"
        )
    dy = math.degrees(radius_m / 6_371_000.0)
    dx = dy / math.cos(math.radians(latitude_deg))
    return Box(longitude_deg - dx, latitude_deg - dy, longitude_deg + dx, latitude_deg + dy)


def _checked_box(box: Box | None, extract: Extract, osm: Path | str) -> Box:
    there = extract.bounds
    if box is None:
        return there
    if not (box.west < box.east and box.south < box.north):
        raise SiteError(f"box {_written(box)}: west must be less than east, south than north")
    if not box.overlaps(there):
        raise SiteError(
            f"box {_written(box)} lies off the extract {osm}, which covers {_written(there)} "
            "(west, south, east, north in degrees)"
        )
    return Box(
        max(box.west, there.west),
        max(box.south, there.south),
        min(box.east, there.east),
        min(box.north, there.north),
    )


def _written(box: Box) -> str:
    return f"{box.west:.5f},{box.south:.5f},{box.east:.5f},{box.north:.5f}"


def _box_in_map(box: Box, projection: MapProjection) -> shapely.Polygon:
    corners = projection.to_map(
        np.array([box.south, box.south, box.north, box.north]),
        np.array([box.west, box.east, box.east, box.west]),
    )
    return shapely.Polygon(corners)


def _choose_ways(
    extract: Extract, inside: shapely.Polygon, ground: Ground
) -> tuple[list[OsmWay], Counter]:
    chosen, left_out = [], Counter()
    for way in extract.ways:
        if not is_for_feet(way.tags):
            continue
        if not shapely.LineString(ground.line(way.refs)).intersects(inside):
            continue
        reason = reason_to_leave_out(way.tags)
        if not reason and way.tags.get("area") == "yes":
            reason = "outline of a square (ways are laid across it)"
        if reason:
            left_out[reason] += 1
        else:
            chosen.append(way)
    return chosen, left_out


def _within(segments: list[Segment], inside: shapely.Polygon, ground: Ground) -> list[Segment]:
    reach = inside.buffer(0.1)
    shapely.prepare(reach)
    vertices = sorted({v for s in segments for v in (s.start, s.end)})
    points = ground.line(vertices)
    held = dict(zip(vertices, shapely.contains_xy(reach, points[:, 0], points[:, 1]), strict=True))
    return [s for s in segments if held[s.start] and held[s.end]]


def _cut_at_blocks(
    segments: list[Segment], node_tags: dict[int, dict[str, str]], ground: Ground
) -> list[Segment]:
    """Part the ways at stiles, locked gates and the like: each gets an end of its own there."""

    def end(vertex: int) -> int:
        tags = node_tags.get(vertex, {})
        kind = tags.get("barrier")
        locked = kind is not None and tags.get("foot", tags.get("access")) in ("no", "private")
        if kind in BLOCKING_BARRIERS or locked or tags.get("wheelchair") == "no":
            return ground.add(ground.point(vertex))
        return vertex

    return [replace(s, start=end(s.start), end=end(s.end)) for s in segments]


def _wanted_points(
    lockers: dict[str, tuple[float, float]] | int, projection: MapProjection
) -> dict[str, np.ndarray]:
    if isinstance(lockers, int):
        return {}
    return {name: projection.to_map(*position) for name, position in lockers.items()}


def _choose_component(
    whole: Network, wanted: dict[str, np.ndarray]
) -> tuple[Network, tuple[float, ...], int]:
    """Keep the part that comes near the most wanted lockers, of these the longest."""
    parts = components(whole)
    near = [0] * len(parts)
    for i, part in enumerate(parts if wanted else []):
        lines = shapely.union_all([shapely.LineString(whole.edges[k].points) for k in part])
        near[i] = sum(lines.distance(shapely.Point(p)) < 30.0 for p in wanted.values())
    best = max(range(len(parts)), key=lambda i: (near[i], -i))
    lengths = [sum(edge_length(whole.edges[k]) for k in part) for part in parts]
    dropped = tuple(round(length, 1) for i, length in enumerate(lengths) if i != best)
    return keep(whole, parts[best]), dropped[:10], len(parts)


def _bounds(network: Network) -> tuple[float, float, float, float]:
    points = np.vstack([e.points for e in network.edges])
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _roads_within(road_ways: list[tuple[OsmWay, Road]], area: shapely.Polygon) -> tuple[Road, ...]:
    roads = []
    for _, road in road_ways:
        shape = shapely.LineString(road.points).intersection(area)
        parts = [p for p in getattr(shape, "geoms", [shape]) if p.geom_type == "LineString"]
        parts = [p for p in parts if p.length > 0.5]
        for i, part in enumerate(parts):
            name = road.id if len(parts) == 1 else f"{road.id}-{i}"
            points = np.array(part.simplify(0.1).coords)
            roads.append(replace(road, id=name, points=points))
    return tuple(roads)


def _place(lockers, wanted, footprints, roads, network) -> tuple[Locker, ...]:
    if not lockers:
        return ()
    ground = PlacementGround(footprints, roads, network)
    if isinstance(lockers, int):
        return place_automatically(lockers, footprints, ground)
    return place_near(wanted, footprints, ground)


def _total(network: Network) -> float:
    return sum(edge_length(e) for e in network.edges)


def _metres_by_kind(network: Network) -> dict[str, float]:
    metres: dict[str, float] = defaultdict(float)
    for edge in network.edges:
        metres[edge.kind.value] += edge_length(edge)
    return {kind: round(length, 1) for kind, length in sorted(metres.items())}


def _guessed_shares(network: Network) -> dict[str, float]:
    crossings = [e for e in network.edges if e.kind is EdgeKind.CROSSING]
    shares = {}
    for attribute in ("width", "surface", "incline", "kerb"):
        edges = crossings if attribute == "kerb" else network.edges
        total = sum(edge_length(e) for e in edges)
        guessed = sum(edge_length(e) for e in edges if attribute in e.guessed)
        shares[attribute] = round(guessed / total, 4) if total else 0.0
    return shares


def _unexplained(network: Network, obstruction: Obstruction) -> int:
    return sum(not e.covered and obstruction.overlap_m(e.points) > 0.05 for e in network.edges)
