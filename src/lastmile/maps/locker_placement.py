"""Where parcel lockers stand: at given places, or found along facades beside the network."""

from __future__ import annotations

import string
from itertools import pairwise

import numpy as np
import shapely

from lastmile.geometry.polyline import resample
from lastmile.maps.lockers import (
    LOCKER_DEPTH_M,
    LOCKER_WIDTH_M,
    STAGING_DISTANCE_M,
    standard_locker,
)
from lastmile.maps.network import Network
from lastmile.maps.site import POINT_RADIUS_M, Footprint, Locker, Road, SiteError
from lastmile.types import EdgeKind

APRON_WIDTH_M, APRON_DEPTH_M = 2.5, 3.0
"""Ground before the port that must be free of everything that stands."""

FARTHEST_EDGE_M = 4.5
"""From the staging pose to the network, straight ahead of the port."""

_GAP_TO_FACADE_M = 0.1
_SPACING_ALONG_FACADE_M = 4.0
_CLEAR_OF_ROAD_M = 0.5


class PlacementGround:
    """What a locker must keep off, and the network it must stand beside."""

    def __init__(
        self, footprints: tuple[Footprint, ...], roads: tuple[Road, ...], network: Network
    ) -> None:
        self._standing = shapely.STRtree([_shape(f) for f in footprints if f.kind != "kerb"])
        self._roads = shapely.STRtree([shapely.LineString(r.points) for r in roads])
        self._half_widths = np.array([0.5 * r.width_m for r in roads])
        edges = [e for e in network.edges if e.kind is not EdgeKind.CROSSING and not e.covered]
        self._edges = shapely.STRtree([shapely.LineString(e.points) for e in edges])

    def objection(self, pose_map_port: np.ndarray) -> str:
        """Tell why a locker cannot stand here, empty where it can."""
        x, y, yaw = pose_map_port
        outward = np.array([np.cos(yaw), np.sin(yaw)])
        port = np.array([x, y])
        body = _rectangle(port - LOCKER_DEPTH_M * outward, outward, LOCKER_DEPTH_M, LOCKER_WIDTH_M)
        apron = _rectangle(port, outward, APRON_DEPTH_M, APRON_WIDTH_M)
        if self._standing.query(body, predicate="intersects").size:
            return "something stands in its place"
        if self._standing.query(apron, predicate="intersects").size:
            return f"its apron of {APRON_WIDTH_M} m x {APRON_DEPTH_M} m is not free"
        whole = shapely.union(body, apron)
        near = self._roads.query(whole, predicate="dwithin", distance=15.0)
        for i in near:
            if whole.distance(self._roads.geometries[i]) < self._half_widths[i] + _CLEAR_OF_ROAD_M:
                return "it would reach into a road"
        if self._edges.query(body.buffer(0.8), predicate="intersects").size:
            return "it would stand in the way of the network"
        staging = port + STAGING_DISTANCE_M * outward
        ahead = shapely.LineString([port + 0.8 * outward, staging + FARTHEST_EDGE_M * outward])
        reached = self._edges.query(ahead, predicate="intersects")
        if not reached.size:
            return f"no open edge of the network within {FARTHEST_EDGE_M} m straight before it"
        met = shapely.union_all(self._edges.geometries[reached]).intersection(ahead)
        meeting = shapely.shortest_line(shapely.Point(port), met)
        lane = meeting.buffer(0.4, cap_style="flat")
        if self._standing.query(lane, predicate="intersects").size:
            return "the straight way from the network to its port is obstructed"
        for i in near:
            if meeting.crosses(self._roads.geometries[i]):
                return "a road lies between it and the network"
        return ""

    def facade_poses(self, footprints: tuple[Footprint, ...]) -> list[np.ndarray]:
        """Poses of ports along the facades that look towards an edge nearby."""
        poses = []
        for footprint in footprints:
            if footprint.kind != "building" or len(footprint.points) < 3:
                continue
            ring = np.vstack([footprint.points, footprint.points[:1]])
            for a, b in pairwise(ring):
                poses.extend(_poses_on_wall(a, b))
        return [p for p in poses if self._near_network(p)]

    def _near_network(self, pose_map_port: np.ndarray) -> bool:
        point = shapely.Point(pose_map_port[:2])
        reach = STAGING_DISTANCE_M + FARTHEST_EDGE_M
        return bool(self._edges.query(point, predicate="dwithin", distance=reach).size)


def place_automatically(
    count: int, footprints: tuple[Footprint, ...], ground: PlacementGround
) -> tuple[Locker, ...]:
    """
    Spread lockers along facades: each new one as far from the others as can be.

    Raises
    ------
    SiteError
        If fewer than `count` places are found.

    """
    poses = [p for p in ground.facade_poses(footprints) if not ground.objection(p)]
    if len(poses) < count:
        raise SiteError(f"{count} lockers asked for, {len(poses)} places found along facades")
    places = np.array(poses)
    middle = places[:, :2].mean(axis=0)
    chosen = [int(np.argmax(np.hypot(*(places[:, :2] - middle).T)))]
    while len(chosen) < count:
        apart = np.hypot(*(places[:, None, :2] - places[None, chosen, :2]).transpose(2, 0, 1))
        chosen.append(int(np.argmax(apart.min(axis=1))))
    names = _names()
    return tuple(
        standard_locker(name, f"Locker {name.upper()}", places[i], index)
        for index, (i, name) in enumerate(zip(chosen, names, strict=False))
    )


def place_near(
    wanted: dict[str, np.ndarray], footprints: tuple[Footprint, ...], ground: PlacementGround
) -> tuple[Locker, ...]:
    """
    Put each locker at the free place along a facade nearest to where it is wanted, within 30 m.

    Raises
    ------
    SiteError
        If there is none; the message names the locker and what is wrong with the nearest place.

    """
    poses = ground.facade_poses(footprints)
    lockers = []
    for index, (name, point) in enumerate(wanted.items()):
        near = sorted((float(np.hypot(*(p[:2] - point))), i) for i, p in enumerate(poses))
        near = [(d, i) for d, i in near if d <= 30.0]
        objections = ((ground.objection(poses[i]), i) for _, i in near)
        free = next((i for objection, i in objections if not objection), None)
        if free is None:
            why = ground.objection(poses[near[0][1]]) if near else (
                "no facade beside the kept network is nearer than 30 m"
            )  # fmt: skip
            raise SiteError(f"locker {name!r} is not reachable where it is wanted: {why}")
        lockers.append(standard_locker(name, f"Locker {name.upper()}", poses[free], index))
    return tuple(lockers)


def _poses_on_wall(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    length = float(np.hypot(*(b - a)))
    if length < LOCKER_WIDTH_M + 1.0:
        return []
    along = (b - a) / length
    outward = np.array([along[1], -along[0]])  # Outlines run counter-clockwise.
    margin = 0.5 * LOCKER_WIDTH_M + 0.3
    spots = resample(np.array([a + margin * along, b - margin * along]), _SPACING_ALONG_FACADE_M)
    yaw = float(np.arctan2(outward[1], outward[0]))
    ports = spots + (_GAP_TO_FACADE_M + LOCKER_DEPTH_M) * outward
    return [np.array([x, y, yaw]) for x, y in ports]


def _rectangle(
    start: np.ndarray, ahead: np.ndarray, depth_m: float, width_m: float
) -> shapely.Polygon:
    left = 0.5 * width_m * np.array([-ahead[1], ahead[0]])
    far = start + depth_m * ahead
    return shapely.Polygon([start - left, far - left, far + left, start + left])


def _shape(footprint: Footprint) -> shapely.Geometry:
    if footprint.closed:
        return shapely.Polygon(footprint.points)
    if len(footprint.points) == 1:
        return shapely.Point(footprint.points[0]).buffer(POINT_RADIUS_M[footprint.kind])
    return shapely.LineString(footprint.points)


def _names() -> list[str]:
    letters = string.ascii_lowercase
    return [*letters, *(a + b for a in letters for b in letters)]
