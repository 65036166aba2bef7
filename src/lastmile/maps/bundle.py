"""
Site bundles on disk, `maps/<name>/`.

site.yaml (name, origin, attribution), routes.geojson, footprints.geojson, roads.geojson (see
`geojson.py`), lockers.yaml, and map.yaml with map.pgm or map.png (see `nav2_map.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import yaml

from lastmile.maps import geojson
from lastmile.maps.nav2_map import read_bytes, read_map, read_yaml, write_map
from lastmile.maps.site import Compartment, Locker, Origin, Site, SiteError

FORMAT = 1

_Positive = Annotated[float, msgspec.Meta(gt=0.0)]


class _OriginYaml(msgspec.Struct, forbid_unknown_fields=True):
    latitude_deg: Annotated[float, msgspec.Meta(ge=-90.0, le=90.0)]
    longitude_deg: Annotated[float, msgspec.Meta(ge=-180.0, le=180.0)]
    epsg: int


class _SiteYaml(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    name: str
    origin: _OriginYaml
    attribution: str


class _CompartmentYaml(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    width_m: _Positive
    height_m: _Positive
    depth_m: _Positive
    zone: str


class _LockerYaml(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    name: str
    pose_map_port: tuple[float, float, float]
    width_m: _Positive
    depth_m: _Positive
    height_m: _Positive
    marker_family: str
    marker_side_m: _Positive
    markers: dict[int, tuple[float, float, float]]
    compartments: list[_CompartmentYaml]


class _LockersYaml(msgspec.Struct, forbid_unknown_fields=True):
    lockers: list[_LockerYaml]


def read_site(path: Path | str) -> Site:
    """
    Load the bundle in a directory.

    Raises
    ------
    SiteError
        If the directory or a file of it is missing, empty or corrupt, or if the parts do not fit
        together; the message names the file and the rule.

    """
    directory = Path(path)
    if not directory.is_dir():
        raise SiteError(f"{directory}: no such directory; a site is a directory with site.yaml")
    head = read_yaml(directory / "site.yaml", _SiteYaml)
    if head.format != FORMAT:
        raise SiteError(
            f"{directory / 'site.yaml'}: format {head.format}; this version reads {FORMAT}"
        )
    nodes, edges = _decode(directory / "routes.geojson", geojson.decode_routes)
    site = Site(
        name=head.name,
        origin=Origin(head.origin.latitude_deg, head.origin.longitude_deg, head.origin.epsg),
        attribution=head.attribution,
        nodes=nodes,
        edges=edges,
        roads=_decode(directory / "roads.geojson", geojson.decode_roads),
        footprints=_decode(directory / "footprints.geojson", geojson.decode_footprints),
        lockers=_read_lockers(directory / "lockers.yaml"),
        occupancy=read_map(directory / "map.yaml"),
    )
    try:
        check_site(site)
    except SiteError as error:
        raise SiteError(f"{directory}: {error}") from error
    return site


def write_site(site: Site, path: Path | str, image: str = "auto") -> None:
    """
    Write a bundle, replacing the files of one that is there.

    `image` is the form of the occupancy map: pgm, png, or auto, which takes PGM where it is small.
    site.yaml is written last, so that a bundle that was cut short does not load.

    Raises
    ------
    SiteError
        If the parts of the site do not fit together.
    OSError
        If the directory cannot be written.

    """
    check_site(site)
    directory = Path(path)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "site.yaml").unlink(missing_ok=True)
    _write(directory / "routes.geojson", geojson.encode_routes(site.nodes, site.edges))
    _write(directory / "footprints.geojson", geojson.encode_footprints(site.footprints))
    _write(directory / "roads.geojson", geojson.encode_roads(site.roads))
    _write(directory / "lockers.yaml", _encode_lockers(site.lockers))
    write_map(site.occupancy, directory, image)
    head = {
        "format": FORMAT,
        "name": site.name,
        "origin": {
            "latitude_deg": float(site.origin.latitude_deg),
            "longitude_deg": float(site.origin.longitude_deg),
            "epsg": int(site.origin.epsg),
        },
        "attribution": site.attribution,
    }
    _write(directory / "site.yaml", yaml.safe_dump(head, sort_keys=False, allow_unicode=True))


def check_site(site: Site) -> None:
    """Check that the parts of a site fit together; raises SiteError."""
    if not site.name:
        raise SiteError("a site needs a name")
    if not site.edges:
        raise SiteError("a site needs at least one route edge")
    if site.occupancy.cells.ndim != 2 or not site.occupancy.cells.size:
        raise SiteError(f"occupancy map of shape {site.occupancy.cells.shape} holds no cells")
    for what, ids in (
        ("route edge", [e.id for e in site.edges]),
        ("footprint", [f.id for f in site.footprints]),
        ("road", [r.id for r in site.roads]),
        ("locker", [locker.id for locker in site.lockers]),
        ("marker", [m for locker in site.lockers for m in locker.markers]),
    ):
        _check_unique(what, ids)
    for edge in site.edges:
        if not (0 <= edge.source < len(site.nodes) and 0 <= edge.target < len(site.nodes)):
            raise SiteError(f"route edge {edge.id!r} ends at a node that does not exist")
    for what, things in (
        ("route edge", site.edges),
        ("road", site.roads),
        ("footprint", site.footprints),
    ):
        for thing in things:
            if not np.isfinite(thing.points).all():
                raise SiteError(f"{what} {thing.id!r} has a coordinate that is not finite")


def _check_unique(what: str, ids: list) -> None:
    seen = set()
    for value in ids:
        if value in seen:
            raise SiteError(f"{what} id {value!r} is used twice")
        seen.add(value)


def _read_lockers(path: Path) -> tuple[Locker, ...]:
    return tuple(
        Locker(
            **{
                **msgspec.structs.asdict(locker),
                "pose_map_port": np.array(locker.pose_map_port),
                "compartments": tuple(
                    Compartment(**msgspec.structs.asdict(c)) for c in locker.compartments
                ),
            }
        )
        for locker in read_yaml(path, _LockersYaml).lockers
    )


def _encode_lockers(lockers: tuple[Locker, ...]) -> str:
    values: list[dict[str, Any]] = [
        {
            "id": locker.id,
            "name": locker.name,
            "pose_map_port": [round(float(v), 4) for v in locker.pose_map_port],
            "width_m": locker.width_m,
            "depth_m": locker.depth_m,
            "height_m": locker.height_m,
            "marker_family": locker.marker_family,
            "marker_side_m": locker.marker_side_m,
            "markers": {i: list(centre) for i, centre in locker.markers.items()},
            "compartments": [
                {
                    "id": c.id,
                    "width_m": c.width_m,
                    "height_m": c.height_m,
                    "depth_m": c.depth_m,
                    "zone": c.zone,
                }
                for c in locker.compartments
            ],
        }
        for locker in lockers
    ]
    return yaml.safe_dump({"lockers": values}, sort_keys=False, default_flow_style=None)


def _decode(path: Path, decode):
    try:
        return decode(read_bytes(path))
    except SiteError as error:
        text = str(error)
        raise SiteError(text if str(path) in text else f"{path}: {text}") from error


def _write(path: Path, text: str) -> None:
    """Write beside the target and rename, so that no half file is ever read."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
