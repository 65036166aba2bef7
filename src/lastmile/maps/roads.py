"""Carriageways from OpenStreetMap: lanes, width and speed, stated or by default."""

from __future__ import annotations

import numpy as np

from lastmile.maps.foot_rules import parse_metres
from lastmile.maps.osm_extract import OsmWay
from lastmile.maps.site import Road

LANE_WIDTH_M = 3.25
DEFAULT_SPEED_MPS = 50.0 / 3.6
"""The town limit of most of Europe; a robot that crosses expects the faster car."""

_DEFAULT_LANES = {
    "motorway": 4, "motorway_link": 1, "trunk": 4, "trunk_link": 1, "primary": 4,
    "primary_link": 1, "secondary": 2, "secondary_link": 1, "tertiary": 2, "tertiary_link": 1,
    "unclassified": 2, "residential": 2, "road": 2, "busway": 2,
}  # fmt: skip
"""Lanes of both directions together; half of them, rounded up, on a one-way road."""


def is_road(tags: dict[str, str]) -> bool:
    """Tell whether a way is a carriageway on the ground that is crossed, not walked along."""
    return (
        tags.get("highway") in _DEFAULT_LANES
        and tags.get("tunnel") in (None, "no")
        and not tags.get("layer", "0").startswith("-")
        and tags.get("area") != "yes"
    )


def make_road(way: OsmWay, points: np.ndarray) -> Road:
    """Read a road's figures; `points` is its centre line, along its direction if one-way."""
    tags = way.tags
    oneway = tags.get("oneway") in ("yes", "1", "true", "-1") or tags.get("junction") == (
        "roundabout"
    )
    if tags.get("oneway") == "-1":
        points = points[::-1]
    lanes = _lanes(tags, oneway)
    return Road(
        id=f"w{way.id}",
        points=points,
        lanes=lanes,
        width_m=parse_metres(tags.get("width")) or lanes * LANE_WIDTH_M,
        speed_mps=parse_speed(tags.get("maxspeed")) or DEFAULT_SPEED_MPS,
        oneway=oneway,
    )


def parse_speed(text: str | None) -> float | None:
    """Read a speed limit (`40`, `30 km/h`, `20 mph`), None where there is no figure."""
    words = (text or "").split()
    try:
        value = float(words[0]) if words else 0.0
    except ValueError:
        return None
    if not 0.0 < value <= 200.0:
        return None
    return value * (0.44704 if words[1:] == ["mph"] else 1.0 / 3.6)


def _lanes(tags: dict[str, str], oneway: bool) -> int:
    stated = tags.get("lanes", "")
    if stated.isdecimal() and 1 <= int(stated) <= 12:
        return int(stated)
    lanes = _DEFAULT_LANES[tags["highway"]]
    return -(-lanes // 2) if oneway else lanes
