"""Reading an OpenStreetMap file (.osm, .osm.gz, .osm.bz2, .osm.pbf) into plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lastmile.maps.site import SiteError

_SUFFIXES = (".osm", ".osm.gz", ".osm.bz2", ".osm.pbf")
_WAY_KEYS = frozenset({"highway", "barrier", "natural", "building"})
_NODE_KEYS = frozenset(
    {"highway", "barrier", "natural", "amenity", "kerb", "power", "man_made", "crossing"}
)
_AREA_KEYS = frozenset({"building", "highway", "place"})


@dataclass(frozen=True, slots=True)
class OsmWay:
    """A way whose nodes all have positions: `refs` are their ids."""

    id: int
    tags: dict[str, str]
    refs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OsmArea:
    """A closed way or multipolygon: rings of node ids, each outer ring with its holes."""

    id: str
    tags: dict[str, str]
    rings: tuple[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]], ...]


@dataclass(frozen=True, slots=True)
class Box:
    """An area on WGS84, west to east and south to north [deg]."""

    west: float
    south: float
    east: float
    north: float

    def overlaps(self, other: Box) -> bool:
        """Tell whether the two share any area."""
        return (
            self.west < other.east
            and other.west < self.east
            and self.south < other.north
            and other.south < self.north
        )


@dataclass(frozen=True, slots=True)
class Extract:
    """What an import needs of a file; positions are (latitude, longitude) [deg] by node id."""

    positions: dict[int, tuple[float, float]]
    node_tags: dict[int, dict[str, str]]
    ways: tuple[OsmWay, ...]
    areas: tuple[OsmArea, ...]
    bounds: Box


def read_extract(path: Path | str) -> Extract:
    """
    Read ways, areas and tagged nodes.

    Raises
    ------
    SiteError
        If the file is missing, empty, of another kind, corrupt, or without any node; the message
        names the file.
    ImportError
        If the package osmium (extra `maps`) is not installed.

    """
    import osmium  # The one user of an optional package that a robot need not install.

    path = Path(path)
    _check_file(path)
    positions: dict[int, tuple[float, float]] = {}
    node_tags: dict[int, dict[str, str]] = {}
    ways: list[OsmWay] = []
    areas: list[OsmArea] = []
    try:
        for item in osmium.FileProcessor(str(path)).with_areas():
            if item.is_node():
                if item.location.valid():
                    positions[item.id] = (item.location.lat, item.location.lon)
                    tags = dict(item.tags)
                    if not _NODE_KEYS.isdisjoint(tags):
                        node_tags[item.id] = tags
            elif item.is_way():
                tags = dict(item.tags)
                refs = tuple(n.ref for n in item.nodes if n.ref in positions)
                # A way that is cut by the edge of the extract keeps the nodes that are there.
                if len(refs) >= 2 and not _WAY_KEYS.isdisjoint(tags):
                    ways.append(OsmWay(item.id, tags, refs))
            elif item.is_area():
                tags = dict(item.tags)
                if not _AREA_KEYS.isdisjoint(tags):
                    areas.append(OsmArea(_area_id(item), tags, _rings(item)))
    except (RuntimeError, ValueError, OSError) as error:
        raise SiteError(f"{path}: not a readable OpenStreetMap file: {error}") from error
    if not positions:
        raise SiteError(f"{path}: holds no nodes; an extract of OpenStreetMap is wanted")
    corners = np.array(list(positions.values()))
    south, west = corners.min(axis=0)
    north, east = corners.max(axis=0)
    bounds = Box(float(west), float(south), float(east), float(north))
    return Extract(positions, node_tags, tuple(ways), tuple(areas), bounds)


def _check_file(path: Path) -> None:
    if not path.name.endswith(_SUFFIXES):
        raise SiteError(f"{path}: the name must end in one of {', '.join(_SUFFIXES)}")
    try:
        with path.open("rb") as file:
            start = file.read(1)
    except OSError as error:
        raise SiteError(f"{path}: cannot be read: {error.strerror}") from error
    if not start:
        raise SiteError(f"{path}: the file is empty")


def _area_id(area) -> str:
    return f"{'w' if area.from_way() else 'r'}{area.orig_id()}"


def _rings(area) -> tuple[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]], ...]:
    return tuple(
        (
            tuple(n.ref for n in outer)[:-1],
            tuple(tuple(n.ref for n in inner)[:-1] for inner in area.inner_rings(outer)),
        )
        for outer in area.outer_rings()
    )
