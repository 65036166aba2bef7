"""
Meshes as files that Gazebo loads: binary STL for shapes, OBJ where a picture lies on them.

Renderers draw a triangle from its front only and shade it by its winding, rays of the embedded
engine meet both sides; so what has no clear outside is written with both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_STL_TRIANGLE = np.dtype(
    [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")], align=False
)


def write_stl(triangles: np.ndarray, path: Path) -> None:
    """Write triangles (N, 3, 3) in metres; ValueError without any, which Gazebo refuses."""
    if len(triangles) == 0:
        raise ValueError(f"{path.name}: a mesh needs at least one triangle")
    records = np.zeros(len(triangles), dtype=_STL_TRIANGLE)
    records["corners"] = triangles
    records["normal"] = unit_normals(triangles)
    header = b"binary STL".ljust(80, b" ")
    count = np.array([len(triangles)], dtype="<u4").tobytes()
    path.write_bytes(header + count + records.tobytes())


def read_stl(path: Path) -> np.ndarray:
    """Read the triangles (N, 3, 3) of a binary STL file."""
    data = path.read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, offset=80)[0])
    return np.frombuffer(data, _STL_TRIANGLE, count, offset=84)["corners"].astype(float)


def unit_normals(triangles: np.ndarray) -> np.ndarray:
    """Give normals (N, 3) by the right-hand rule; zero for triangles without area."""
    a, b, c = np.moveaxis(np.asarray(triangles, dtype=float), 1, 0)
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0.0)


def with_area(triangles: np.ndarray) -> np.ndarray:
    """Leave out triangles without area, which physics engines choke on."""
    a, b, c = np.moveaxis(np.asarray(triangles, dtype=float), 1, 0)
    return triangles[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-9]


def facing_up(triangles: np.ndarray) -> np.ndarray:
    """Turn level triangles that look down, so that they look up."""
    down = unit_normals(triangles)[:, 2] < 0.0
    turned = triangles.copy()
    turned[down] = turned[down][:, ::-1]
    return turned


def both_sides(triangles: np.ndarray) -> np.ndarray:
    """Add every triangle's back."""
    return np.concatenate([triangles, triangles[:, ::-1]])


def write_picture_square(path: Path) -> None:
    """Write a square of side one in the plane x = 0 that shows a picture towards +x, z up."""
    # Who looks at it along -x has +y to the right, so pictures run from -y to +y.
    path.write_text(
        """v 0 -0.5 -0.5
v 0 0.5 -0.5
v 0 0.5 0.5
v 0 -0.5 0.5
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 1 0 0
f 1/1/1 2/2/1 3/3/1
f 1/1/1 3/3/1 4/4/1
""",
        encoding="ascii",
    )
