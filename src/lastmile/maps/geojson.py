"""
Route graph, footprints and roads as GeoJSON in metres of `map`.

GeoJSON proper wants WGS84; Nav2's route server wants the frame of the map, and so do we. Each file
says so in its member `coordinates_in`.

Nav2's route server drives straight from node to node and along the direction of an edge. So a bend
of one of our edges is a node of its own (metadata `bend`), and each straight part between two
nodes is written twice, there and back. `metadata.edge` names the edge that a part belongs to,
`part` counts along it, and part 0 carries the edge's attributes; the way back carries `reverse`
and is not read again. Numbers that Nav2's edge scorers read as float are written with a decimal
point. Node and part ids are all different.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Annotated, Any

import msgspec
import numpy as np

from lastmile.maps.site import FOOTPRINT_KINDS, Footprint, Road, RouteEdge, SiteError
from lastmile.types import EdgeKind

_COORDINATES_IN = "metres in the frame map (east, north of the origin in site.yaml)"
_DECIMALS = 2

_Positive = Annotated[float, msgspec.Meta(gt=0.0)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Position = tuple[float, float]


class _Point(msgspec.Struct, tag_field="type", tag="Point"):
    coordinates: _Position


class _LineString(msgspec.Struct, tag_field="type", tag="LineString"):
    coordinates: Annotated[list[_Position], msgspec.Meta(min_length=2)]


class _Polygon(msgspec.Struct, tag_field="type", tag="Polygon"):
    coordinates: Annotated[
        list[Annotated[list[_Position], msgspec.Meta(min_length=4)]],
        msgspec.Meta(min_length=1, max_length=1),
    ]


class _EdgeAttributes(msgspec.Struct, forbid_unknown_fields=True):
    kind: EdgeKind
    width_m: _Positive
    surface: str
    incline: float
    kerb: str
    speed_mps: _Positive
    crossing_id: str
    signalled: bool
    lanes: _Count
    road_speed_mps: _NotNegative
    guessed: list[str]
    covered: bool = False


class _RouteMetadata(msgspec.Struct):
    bend: bool = False
    edge: str = ""
    part: _Count = 0
    reverse: bool = False
    attributes: _EdgeAttributes | None = None


class _RouteProperties(msgspec.Struct):
    id: _Count
    startid: _Count | None = None
    endid: _Count | None = None
    metadata: _RouteMetadata = msgspec.field(default_factory=_RouteMetadata)


class _RouteFeature(msgspec.Struct):
    geometry: _Point | _LineString
    properties: _RouteProperties


class _FootprintProperties(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    kind: str
    height_m: _NotNegative


class _FootprintFeature(msgspec.Struct):
    geometry: _Point | _LineString | _Polygon
    properties: _FootprintProperties


class _RoadProperties(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    lanes: Annotated[int, msgspec.Meta(ge=1)]
    width_m: _Positive
    speed_mps: _Positive
    oneway: bool


class _RoadFeature(msgspec.Struct):
    geometry: _LineString
    properties: _RoadProperties


class _Routes(msgspec.Struct):
    features: list[_RouteFeature]


class _Footprints(msgspec.Struct):
    features: list[_FootprintFeature]


class _Roads(msgspec.Struct):
    features: list[_RoadFeature]


def encode_routes(nodes: np.ndarray, edges: tuple[RouteEdge, ...]) -> str:
    """Write the route graph as Nav2's route server loads it."""
    positions = [*nodes]
    chains = []
    for edge in edges:
        bends = range(len(positions), len(positions) + len(edge.points) - 2)
        positions.extend(edge.points[1:-1])
        chains.append([edge.source, *bends, edge.target])
    features = [_node_feature(i, p, i >= len(nodes)) for i, p in enumerate(positions)]
    next_id = len(positions)
    for edge, chain in zip(edges, chains, strict=True):
        for part, (start, end) in enumerate(pairwise(chain)):
            line = np.array([positions[start], positions[end]])
            metadata: dict[str, Any] = {"class": edge.kind.value, "edge": edge.id, "part": part}
            if part == 0:
                metadata["attributes"] = _attributes(edge)
            features.append(_part_feature(next_id, start, end, metadata, line))
            back = {"class": edge.kind.value, "edge": edge.id, "reverse": True}
            features.append(_part_feature(next_id + 1, end, start, back, line[::-1]))
            next_id += 2
    return _collection(features)


def decode_routes(data: bytes) -> tuple[np.ndarray, tuple[RouteEdge, ...]]:
    """Read nodes (N, 2) and edges back; raises SiteError naming feature and rule."""
    features = _decode(_Routes, data).features
    positions: dict[int, np.ndarray] = {}
    index_of: dict[int, int] = {}
    parts: dict[str, dict[int, _RouteProperties]] = {}
    for number, feature in enumerate(features):
        properties, metadata = feature.properties, feature.properties.metadata
        if isinstance(feature.geometry, _Point):
            if properties.id in positions:
                raise SiteError(f"feature {number}: node id {properties.id} is used twice")
            positions[properties.id] = np.array(feature.geometry.coordinates)
            if not metadata.bend:
                index_of[properties.id] = len(index_of)
        elif not metadata.reverse:
            if not metadata.edge:
                raise SiteError(f"feature {number}: an edge needs metadata.edge, the id of the way")
            if metadata.part in parts.setdefault(metadata.edge, {}):
                raise SiteError(
                    f"feature {number}: edge {metadata.edge!r} has part {metadata.part} twice"
                )
            parts[metadata.edge][metadata.part] = properties
    nodes = np.array([positions[i] for i in index_of]).reshape(-1, 2)
    edges = tuple(_join(edge_id, p, positions, index_of) for edge_id, p in parts.items())
    return nodes, edges


def encode_footprints(footprints: tuple[Footprint, ...]) -> str:
    """Write footprints as polygons, lines and points."""
    features = []
    for footprint in footprints:
        points = _rounded(footprint.points)
        if footprint.closed:
            geometry = {"type": "Polygon", "coordinates": [[*points, points[0]]]}
        elif len(points) == 1:
            geometry = {"type": "Point", "coordinates": points[0]}
        else:
            geometry = {"type": "LineString", "coordinates": points}
        properties = {
            "id": footprint.id,
            "kind": footprint.kind,
            "height_m": round(footprint.height_m, _DECIMALS),
        }
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return _collection(features)


def decode_footprints(data: bytes) -> tuple[Footprint, ...]:
    """Read footprints back; raises SiteError naming feature and rule."""
    footprints = []
    for number, feature in enumerate(_decode(_Footprints, data).features):
        properties, geometry = feature.properties, feature.geometry
        if properties.kind not in FOOTPRINT_KINDS:
            raise SiteError(
                f"feature {number}: kind {properties.kind!r} is none of "
                f"{', '.join(FOOTPRINT_KINDS)}"
            )
        closed = isinstance(geometry, _Polygon)
        if closed:
            points = np.array(geometry.coordinates[0][:-1])
        else:
            points = np.array(geometry.coordinates).reshape(-1, 2)
        footprints.append(
            Footprint(properties.id, properties.kind, points, properties.height_m, closed)
        )
    return tuple(footprints)


def encode_roads(roads: tuple[Road, ...]) -> str:
    """Write the centre lines of carriageways."""
    features = []
    for road in roads:
        properties = {
            "id": road.id,
            "lanes": road.lanes,
            "width_m": float(road.width_m),
            "speed_mps": round(road.speed_mps, 3),
            "oneway": road.oneway,
        }
        geometry = {"type": "LineString", "coordinates": _rounded(road.points)}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return _collection(features)


def decode_roads(data: bytes) -> tuple[Road, ...]:
    """Read roads back; raises SiteError naming feature and rule."""
    return tuple(
        Road(
            id=feature.properties.id,
            points=np.array(feature.geometry.coordinates),
            lanes=feature.properties.lanes,
            width_m=feature.properties.width_m,
            speed_mps=feature.properties.speed_mps,
            oneway=feature.properties.oneway,
        )
        for feature in _decode(_Roads, data).features
    )


def _node_feature(node_id: int, position: np.ndarray, bend: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"id": node_id, "frame": "map"}
    if bend:
        properties["metadata"] = {"bend": True}
    geometry = {"type": "Point", "coordinates": _rounded(position)}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _part_feature(
    part_id: int, start: int, end: int, metadata: dict[str, Any], line: np.ndarray
) -> dict[str, Any]:
    properties = {"id": part_id, "startid": start, "endid": end, "metadata": metadata}
    geometry = {"type": "LineString", "coordinates": _rounded(line)}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _attributes(edge: RouteEdge) -> dict[str, Any]:
    return {
        "kind": edge.kind.value,
        "width_m": float(edge.width_m),
        "surface": edge.surface,
        "incline": round(float(edge.incline), 4),
        "kerb": edge.kerb,
        "speed_mps": float(edge.speed_mps),
        "crossing_id": edge.crossing_id,
        "signalled": edge.signalled,
        "lanes": edge.lanes,
        "road_speed_mps": round(float(edge.road_speed_mps), 3),
        "guessed": sorted(edge.guessed),
        "covered": edge.covered,
    }


def _join(
    edge_id: str,
    parts: dict[int, _RouteProperties],
    positions: dict[int, np.ndarray],
    index_of: dict[int, int],
) -> RouteEdge:
    """Put the parts of one edge together again."""
    if sorted(parts) != list(range(len(parts))):
        raise SiteError(f"edge {edge_id!r}: parts {sorted(parts)} leave one out")
    ordered = [parts[i] for i in range(len(parts))]
    chain = [ordered[0].startid, *(part.endid for part in ordered)]
    for before, after in pairwise(ordered):
        if before.endid != after.startid:
            raise SiteError(f"edge {edge_id!r}: part {after.id} does not start where it should")
    for node_id in chain:
        if node_id not in positions:
            raise SiteError(f"edge {edge_id!r}: node {node_id} does not exist")
    if chain[0] not in index_of or chain[-1] not in index_of:
        raise SiteError(f"edge {edge_id!r}: ends at a bend, not at a node")
    attributes = ordered[0].metadata.attributes
    if attributes is None:
        raise SiteError(f"edge {edge_id!r}: part 0 has no metadata.attributes")
    return RouteEdge(
        id=edge_id,
        source=index_of[chain[0]],
        target=index_of[chain[-1]],
        points=np.array([positions[i] for i in chain]),
        **{
            **msgspec.structs.asdict(attributes),
            "guessed": frozenset(attributes.guessed),
        },
    )


def _collection(features: list[dict[str, Any]]) -> str:
    """One feature per line, so that versions of a map can be compared line by line."""
    lines = ",\n".join(json.dumps(f, separators=(",", ":"), allow_nan=False) for f in features)
    head = f'{{"type":"FeatureCollection","coordinates_in":"{_COORDINATES_IN}","features":['
    return f"{head}\n{lines}\n]}}\n"


def _rounded(points: np.ndarray) -> list:
    return np.round(points, _DECIMALS).tolist()


def _decode(collection: type, data: bytes) -> Any:
    if not data.strip():
        raise SiteError("the file is empty")
    try:
        return msgspec.json.decode(data, type=collection)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SiteError(f"not a GeoJSON file of a site: {error}") from error
