"""
Which ways of OpenStreetMap a sidewalk robot may use, and what it assumes where tags are silent.

Tags are read as the OpenStreetMap wiki defines them (pages Key:highway, Key:access, Key:surface,
Key:kerb, Key:incline, Key:tunnel).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lastmile.types import EdgeKind

DEFAULT_WIDTH_M = {
    EdgeKind.SIDEWALK: 2.5,
    EdgeKind.FOOTWAY: 2.5,
    EdgeKind.CROSSING: 3.0,
    EdgeKind.PATH: 2.0,
    EdgeKind.SERVICE: 3.5,
}
DEFAULT_SURFACE = "asphalt"
DEFAULT_KERB_AT_CROSSING = "lowered"
DEFAULT_STEEP_INCLINE = 0.04
"""Taken where a way is tagged `incline=up` or `down` without a figure."""

LEAST_WIDTH_M = 0.9
STEEPEST_INCLINE = 0.08
"""Rise over run; the limit of barrier-free ramps in most building codes is 6 to 8 %."""

WALKING_SPEED_MPS = 1.4
SLOW_SPEED_MPS = 1.0
"""On rough surfaces and through passages."""

ROUGH_SURFACES = frozenset(
    {"sett", "unhewn_cobblestone", "cobblestone", "cobblestone:flattened", "gravel", "fine_gravel",
     "compacted", "unpaved", "grass_paver", "wood", "metal"}
)  # fmt: skip
UNFIT_SURFACES = frozenset(
    {"sand", "mud", "grass", "dirt", "earth", "ground", "pebblestone", "rock", "woodchips", "snow",
     "ice", "stepping_stones", "salt"}
)  # fmt: skip
BLOCKING_BARRIERS = frozenset(
    {"stile", "turnstile", "kissing_gate", "full-height_turnstile", "cycle_barrier", "log",
     "debris", "jersey_barrier", "block"}
)  # fmt: skip
_CLOSED = frozenset({"no", "private", "customers", "delivery", "permit", "residents", "military"})
_OPEN = frozenset({"yes", "designated", "permissive", "public", "official"})
_PASSAGES = frozenset({"building_passage", "passage", "arcade", "colonnade"})


@dataclass(frozen=True, slots=True)
class FootAttributes:
    """What an edge of the network is like; fields as in `RouteEdge`."""

    kind: EdgeKind
    width_m: float
    surface: str
    incline: float
    kerb: str
    speed_mps: float
    guessed: frozenset[str]
    covered: bool = False
    crossing_id: str = ""
    signalled: bool = False
    lanes: int = 0
    road_speed_mps: float = 0.0


def is_for_feet(tags: dict[str, str]) -> bool:
    """Tell whether a way is of a kind that people walk on apart from the carriageway."""
    highway = tags.get("highway")
    if highway in ("footway", "path", "pedestrian", "steps", "corridor", "living_street"):
        return True
    if highway == "crossing":
        return True
    if highway == "cycleway":
        return tags.get("foot") in _OPEN
    return highway == "service" and tags.get("service") not in ("parking_aisle", "drive-through")


def reason_to_leave_out(tags: dict[str, str]) -> str:
    """Tell why the robot cannot use a way for feet, empty where it can."""
    highway = tags.get("highway")
    if highway == "steps":
        return "steps"
    if highway == "corridor" or tags.get("indoor") not in (None, "no"):
        return "indoor"
    if "conveying" in tags:
        return "escalator"
    if not _may_walk(tags):
        return "no access"
    if tags.get("wheelchair") == "no":
        return "wheelchair=no"
    if tags.get("tunnel") not in (None, "no") and not is_passage(tags):
        return "tunnel"
    if _below_ground(tags):
        return "below ground"
    if tags.get("surface") in UNFIT_SURFACES:
        return f"surface={tags['surface']}"
    if (width := parse_metres(tags.get("width"))) is not None and width < LEAST_WIDTH_M:
        return f"narrower than {LEAST_WIDTH_M} m"
    if abs(parse_incline(tags.get("incline")) or 0.0) > STEEPEST_INCLINE:
        return f"steeper than {100 * STEEPEST_INCLINE:.0f} %"
    return ""


def is_passage(tags: dict[str, str]) -> bool:
    """Tell whether a way is tagged as leading through or under a building."""
    return (
        tags.get("tunnel") in _PASSAGES
        or tags.get("covered") not in (None, "no")
        or tags.get("arcade") not in (None, "no")
    )


def is_crossing_way(tags: dict[str, str]) -> bool:
    """Tell whether the whole way is a crossing."""
    return tags.get("highway") == "crossing" or any(
        tags.get(key) == "crossing" for key in ("footway", "cycleway", "path", "pedestrian")
    )


def is_signalled(tags: dict[str, str]) -> bool:
    """Tell whether a crossing's way or node says that it has signals."""
    return (
        "traffic_signals" in tags.get("crossing", "")
        or tags.get("crossing:signals") == "yes"
        or tags.get("highway") == "traffic_signals"
    )


def foot_attributes(tags: dict[str, str]) -> FootAttributes:
    """Read a usable way's attributes, filling what is not stated and naming it as guessed."""
    kind = _kind(tags)
    guessed = set()
    width = parse_metres(tags.get("width"))
    if width is None:
        width = DEFAULT_WIDTH_M[kind]
        guessed.add("width")
    surface = tags.get("surface", "")
    if not surface:
        surface = DEFAULT_SURFACE
        guessed.add("surface")
    incline = parse_incline(tags.get("incline"))
    if incline is None:
        incline = {"up": 1.0, "down": -1.0}.get(tags.get("incline", ""), 0.0)
        incline *= DEFAULT_STEEP_INCLINE
        guessed.add("incline")
    kerb = tags.get("kerb", "none")
    if kerb not in ("raised", "lowered", "flush", "none"):
        kerb = "lowered" if kerb in ("yes", "rolled") else "none"
    if kind is EdgeKind.CROSSING and "kerb" not in tags:
        kerb = DEFAULT_KERB_AT_CROSSING
        guessed.add("kerb")
    covered = is_passage(tags)
    slow = covered or surface in ROUGH_SURFACES
    return FootAttributes(
        kind=kind,
        width_m=min(width, 20.0),
        surface=surface,
        incline=incline,
        kerb=kerb,
        speed_mps=SLOW_SPEED_MPS if slow else WALKING_SPEED_MPS,
        guessed=frozenset(guessed),
        covered=covered,
    )


def parse_metres(text: str | None) -> float | None:
    """Read a length in metres (`2`, `2.5 m`, `2,5`), None where it is not one."""
    match = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*m?\s*", text or "")
    value = float(match[1].replace(",", ".")) if match else 0.0
    return value if value > 0.0 else None


def parse_incline(text: str | None) -> float | None:
    """Read a slope (`5 %`, `-3°`) as rise over run, None where there is no figure."""
    match = re.fullmatch(r"\s*([+-]?\d+(?:[.,]\d+)?)\s*(%|°)?\s*", text or "")
    if not match:
        return None
    value = float(match[1].replace(",", "."))
    return value / 57.29577951308232 if match[2] == "°" else value / 100.0


def _kind(tags: dict[str, str]) -> EdgeKind:
    highway = tags["highway"]
    if is_crossing_way(tags):
        return EdgeKind.CROSSING
    if highway in ("service", "living_street"):
        return EdgeKind.SERVICE
    if tags.get("footway") == "sidewalk" or tags.get("cycleway") == "sidewalk":
        return EdgeKind.SIDEWALK
    if highway in ("path", "cycleway"):
        return EdgeKind.PATH
    return EdgeKind.FOOTWAY


def _may_walk(tags: dict[str, str]) -> bool:
    foot = tags.get("foot", tags.get("access", "yes"))
    return foot not in _CLOSED and foot != "use_sidepath"


def _below_ground(tags: dict[str, str]) -> bool:
    levels = re.split(r"[;,]", tags.get("level", "0"))
    layers = re.split(r"[;,]", tags.get("layer", "0"))
    return (
        tags.get("location") == "underground"
        or any(v.strip().startswith("-") for v in (*levels, *layers))
        or not any(v.strip() in ("0", "") for v in levels)
    )
