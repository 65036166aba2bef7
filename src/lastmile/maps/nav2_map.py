"""
Occupancy maps in the form of Nav2's map_server: a YAML file and an image, PGM or PNG.

The image's first row is the largest y. Occupied is black (0), free 254, unknown 205 (trinary mode),
with the thresholds under which map_server reads these three back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
import yaml

from lastmile.maps.site import OccupancyMap, SiteError

_LARGEST_PGM_BYTES = 2_000_000
"""Beyond this `auto` writes PNG, which packs a map of a town about a hundredfold."""

_GREY_OF_CELL = ((0, 254), (100, 0), (-1, 205))


class _MapYaml(msgspec.Struct):
    image: str
    resolution: Annotated[float, msgspec.Meta(gt=0.0)]
    origin: tuple[float, float, float]
    mode: str = "trinary"
    negate: int = 0
    occupied_thresh: float = 0.65
    free_thresh: float = 0.196
    source: Literal["footprints", "lidar"] = "footprints"
    """Ours alone; Nav2 passes over it."""


def write_map(grid: OccupancyMap, directory: Path, image: str = "auto") -> None:
    """
    Write map.yaml and its image, `image` being auto, pgm or png.

    Raises
    ------
    ValueError
        If `image` is another word, or a cell holds another value than 0, 100 and -1.

    """
    if image not in ("auto", "pgm", "png"):
        raise ValueError(f"image {image!r} is none of auto, pgm, png")
    if image == "auto":
        image = "pgm" if grid.cells.size <= _LARGEST_PGM_BYTES else "png"
    grey = np.full(grid.cells.shape, 1, np.uint8)
    for cell, value in _GREY_OF_CELL:
        grey[grid.cells == cell] = value
    if (grey == 1).any():
        raise ValueError("cells of an occupancy map are 0, 100 or -1")
    for stale in ("map.pgm", "map.png"):
        (directory / stale).unlink(missing_ok=True)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if image == "png" else []
    _, encoded = cv2.imencode(f".{image}", np.flipud(grey), options)
    (directory / f"map.{image}").write_bytes(encoded.tobytes())
    text = {
        "image": f"map.{image}",
        "mode": "trinary",
        "resolution": float(grid.resolution_m),
        "origin": [float(grid.origin[0]), float(grid.origin[1]), 0.0],
        "negate": 0,
        "occupied_thresh": 0.65,
        "free_thresh": 0.196,
        "source": grid.source,
    }
    (directory / "map.yaml").write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")


def read_map(path: Path) -> OccupancyMap:
    """Read a map from its YAML file; raises SiteError naming file and rule."""
    settings = read_yaml(path, _MapYaml)
    if settings.mode != "trinary" or settings.origin[2] != 0.0:
        raise SiteError(f"{path}: only mode trinary and an origin of yaw 0 are read")
    image_path = path.parent / settings.image
    data = read_bytes(image_path)
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise SiteError(f"{image_path}: not an image in PGM or PNG")
    shade = np.arange(256) / 255.0
    occupancy = shade if settings.negate else 1.0 - shade
    cell_of_grey = np.full(256, -1, np.int8)
    cell_of_grey[occupancy > settings.occupied_thresh] = 100
    cell_of_grey[occupancy < settings.free_thresh] = 0
    cells = np.ascontiguousarray(cell_of_grey[np.flipud(grey)])
    origin = np.array(settings.origin[:2])
    return OccupancyMap(origin, settings.resolution, cells, settings.source)


def read_bytes(path: Path) -> bytes:
    """Read a file that must exist and hold something; raises SiteError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SiteError(f"{path}: cannot be read: {error.strerror}") from error
    if not data.strip():
        raise SiteError(f"{path}: the file is empty")
    return data


def read_yaml(path: Path, kind: type):
    """Read a YAML file into a msgspec struct; raises SiteError naming file, key and rule."""
    try:
        return msgspec.convert(yaml.safe_load(read_bytes(path)), kind)
    except yaml.YAMLError as error:
        raise SiteError(f"{path}: not valid YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise SiteError(f"{path}: {error}") from error
