"""
What really stands around: the site's footprints, moved, changed and added to by seed.

The world is not the map. Each building stands 0.2 to 1 m off its footprint, some facades carry an
unmapped bay, some mapped poles are gone, and bins, bicycles, boxes and parked vehicles stand where
no map has them. The robot's own network is kept passable over its width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.geometry import polyline
from lastmile.maps.site import Footprint, Locker, Site
from lastmile.simulation import meshes
from lastmile.simulation.scenario import SurroundingsScenario
from lastmile.simulation.traffic import PARKING_ONEWAY_WIDTH_M, PARKING_WIDTH_M
from lastmile.types import EdgeKind

RADIUS_M = {"tree": 0.18, "pole": 0.09, "furniture": 0.3}
BUILDING_FREE_M, FURNITURE_FREE_M, CLUTTER_FREE_M = 0.9, 0.55, 0.65
"""Free to each side of the network's lines of buildings, of mapped furniture, of clutter."""
BARRIER_HALF_WIDTH_M = 0.06
LOCKER_BAY_M = (5.0, 4.0)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that stands still: name, outline on the ground, height [m]."""

    name: str
    outline: shapely.Polygon
    height_m: float


def build_surroundings(
    site: Site,
    carriageway: shapely.Geometry,
    kept_free: list[np.ndarray],
    scenario: SurroundingsScenario,
    rng: np.random.Generator,
) -> list[Thing]:
    """
    Put up everything that stands still.

    Parameters
    ----------
    site : Site
        What the map says.
    carriageway : shapely geometry
        Where cars drive; parked vehicles stand at its edge.
    kept_free : list of ndarray, shape (2,)
        Places that nothing unmapped comes nearer to than 3 m: the start of the robot.
    scenario : SurroundingsScenario
        How far the world is from the map.
    rng : Generator
        Chance.

    """
    network = _network_corridor(site, BUILDING_FREE_M)
    bays = shapely.union_all([_locker_bay(locker) for locker in site.lockers])
    free = shapely.union_all([network, bays, *(shapely.Point(p).buffer(0.8) for p in kept_free)])
    shapely.prepare(free)
    things = _buildings(site, free, scenario, rng)
    free = shapely.union_all([_network_corridor(site, FURNITURE_FREE_M), bays])
    shapely.prepare(free)
    things += _mapped_furniture(site, free, scenario, rng)
    things += [locker_thing(locker) for locker in site.lockers]
    walls = shapely.STRtree([thing.outline for thing in things])
    starts = [shapely.Point(p).buffer(3.0) for p in kept_free]
    keep_out = shapely.union_all([_network_corridor(site, CLUTTER_FREE_M), bays, *starts])
    shapely.prepare(keep_out)
    for _ in range(scenario.day):
        rng = rng.spawn(1)[0]
    things += _clutter(site, walls, keep_out, carriageway, scenario, rng)
    things += _parked(site, network, carriageway, scenario, rng)
    return things


def triangles_of(things: list[Thing]) -> np.ndarray:
    """Mesh of all things: walls, and lids on what is lower than 3 m."""
    pieces = [meshes.NO_TRIANGLES]
    for thing in things:
        bottom = -0.15
        if thing.height_m < 3.0:
            pieces.append(meshes.prism(thing.outline, bottom, thing.height_m))
        else:
            pieces.append(meshes.walls(thing.outline, bottom, thing.height_m))
    return np.concatenate(pieces)


def locker_thing(locker: Locker) -> Thing:
    """Make the box of a locker; its front lies on the port."""
    outward = np.array([np.cos(locker.pose_map_port[2]), np.sin(locker.pose_map_port[2])])
    centre = locker.pose_map_port[:2] - 0.5 * locker.depth_m * outward
    outline = meshes.rectangle(centre, locker.pose_map_port[2], locker.depth_m, locker.width_m)
    return Thing(f"locker {locker.id}", outline, locker.height_m)


def _locker_bay(locker: Locker) -> shapely.Polygon:
    """Locker and the place before it where the robot docks."""
    yaw = locker.pose_map_port[2]
    outward = np.array([np.cos(yaw), np.sin(yaw)])
    length, width = LOCKER_BAY_M
    centre = locker.pose_map_port[:2] + (0.5 * length - locker.depth_m - 0.05) * outward
    return meshes.rectangle(centre, yaw, length, width)


def _network_corridor(site: Site, half_width: float) -> shapely.Geometry:
    return shapely.union_all(
        [shapely.LineString(edge.points).buffer(half_width, 4) for edge in site.edges]
    )


def _buildings(site, free, scenario, rng) -> list[Thing]:
    things = []
    for footprint in site.footprints:
        if footprint.kind != "building" or len(footprint.points) < 3:
            continue
        distance = rng.uniform(scenario.facade_shift_min_m, scenario.facade_shift_max_m)
        angle = rng.uniform(-np.pi, np.pi)
        shift = distance * np.array([np.cos(angle), np.sin(angle)])
        outline = shapely.make_valid(shapely.Polygon(footprint.points + shift))
        outline = shapely.union_all([outline, *_bays(footprint.points + shift, scenario, rng)])
        if shapely.intersects(outline, free):
            outline = outline.difference(free)
        things += [
            Thing(f"building {footprint.id}", part, max(3.0, footprint.height_m))
            for part in shapely.get_parts(outline)
            if part.geom_type == "Polygon" and part.area > 0.5
        ]
    return things


def _bays(points: np.ndarray, scenario, rng) -> list[shapely.Polygon]:
    """Unmapped bays, porches and scaffolds on some facades longer than 5 m."""
    bays = []
    following = np.roll(points, -1, axis=0)
    lengths = np.hypot(*(following - points).T)
    for a, b, length in zip(points, following, lengths, strict=True):
        changed = rng.random() < scenario.facade_changed_ratio
        part, place, depth = rng.uniform([0.2, 0.2, 0.8], [0.5, 0.8, 2.4])
        if not changed or length < 5.0:
            continue
        yaw = np.arctan2(*(b - a)[::-1])
        bays.append(meshes.rectangle(a + place * (b - a), yaw, part * length, depth))
    return bays


def _mapped_furniture(site, free, scenario, rng) -> list[Thing]:
    things = []
    for footprint in site.footprints:
        if footprint.kind in ("building", "kerb"):
            continue
        gone = rng.random() < scenario.missing_ratio
        outline = _furniture_outline(footprint)
        if gone or outline is None:
            continue
        if shapely.intersects(outline, free):
            outline = outline.difference(free)
        height = max(0.5, footprint.height_m)
        things += [
            Thing(f"{footprint.kind} {footprint.id}", part, height)
            for part in shapely.get_parts(outline)
            if part.geom_type == "Polygon" and part.area > 0.005
        ]
    return things


def _furniture_outline(footprint: Footprint) -> shapely.Geometry | None:
    if len(footprint.points) == 1:
        return shapely.Point(footprint.points[0]).buffer(RADIUS_M.get(footprint.kind, 0.2), 2)
    if footprint.closed and len(footprint.points) >= 3:
        return shapely.make_valid(shapely.Polygon(footprint.points))
    return shapely.LineString(footprint.points).buffer(BARRIER_HALF_WIDTH_M, 1, cap_style="flat")


def _clutter(site, walls, keep_out, carriageway, scenario, rng) -> list[Thing]:
    """Scatter unmapped bins, bicycles and boxes on the outer parts of sidewalks."""
    things = []
    kinds = (
        ("bin", 0.5, 0.5, 1.1),
        ("bicycle", 1.7, 0.5, 1.05),
        ("box", 0.8, 0.6, 0.9),
        ("moped", 1.8, 0.7, 1.2),
    )
    for edge in site.edges:
        if edge.kind == EdgeKind.CROSSING:
            continue
        length = polyline.arc_lengths(edge.points)[-1]
        for _ in range(rng.poisson(scenario.clutter_per_100m * length / 100.0)):
            kind, long, wide, height = kinds[rng.integers(len(kinds))]
            arc, side, jitter = rng.uniform(0, length), rng.choice([-1.0, 1.0]), rng.normal(0, 0.2)
            place = polyline.sample(edge.points, np.array([arc, min(arc + 0.5, length)]))
            along = np.arctan2(*(place[1] - place[0])[::-1]) if length - arc > 0.5 else 0.0
            # At least 0.7 m to the side of the network's line stays passable.
            offset = max(0.5 * edge.width_m, 0.7 + 0.5 * wide)
            normal = side * np.array([-np.sin(along), np.cos(along)])
            outline = meshes.rectangle(place[0] + offset * normal, along + jitter, long, wide)
            blocked = len(walls.query(outline, predicate="intersects")) > 0
            unfit = outline.intersects(keep_out) or outline.intersects(carriageway)
            if blocked or unfit:
                continue
            things.append(Thing(f"{kind} {edge.id}", outline, height))
    return things


def _parked(site, network, carriageway, scenario, rng) -> list[Thing]:
    """Park vehicles at the kerbs of roads that have the room, off all crossings."""
    crossings = [e for e in site.edges if e.kind == EdgeKind.CROSSING]
    near = shapely.union_all(
        [shapely.LineString(e.points).buffer(7.0, 2) for e in crossings] + [network.buffer(0.3, 2)]
    )
    shapely.prepare(near)
    things = []
    for road in site.roads:
        length = polyline.arc_lengths(road.points)[-1]
        least = PARKING_ONEWAY_WIDTH_M if road.oneway else PARKING_WIDTH_M
        if road.width_m < least or length < 12.0:
            continue
        arcs = np.arange(6.0, length - 6.0, 6.0)
        places = polyline.sample(road.points, arcs)
        ahead = polyline.sample(road.points, arcs + 0.5)
        for place, following in zip(places, ahead, strict=True):
            for side in (-1.0, 1.0):
                chosen = rng.random() < scenario.parked_ratio
                long, wide, height = rng.uniform([3.9, 1.7, 1.4], [4.9, 1.9, 2.0])
                yaw = np.arctan2(*(following - place)[::-1])
                normal = side * np.array([-np.sin(yaw), np.cos(yaw)])
                centre = place + (0.5 * road.width_m - 0.5 * wide - 0.1) * normal
                outline = meshes.rectangle(centre, yaw, long, wide)
                if chosen and carriageway.contains(outline) and not near.intersects(outline):
                    things.append(Thing(f"parked car {road.id}", outline, height))
    return things
