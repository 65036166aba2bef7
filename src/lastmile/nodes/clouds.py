"""
Organised point clouds: PointGrid to PointCloud2 and back, without work per point in Python.

Points travel as five little-endian float32 `x y z intensity t` of 20 bytes; `t` is the time of the
point after the header's stamp.
"""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from lastmile.nodes._fields import header, seconds
from lastmile.types import PointGrid

FIELDS = ("x", "y", "z", "intensity", "t")
STEP = 4 * len(FIELDS)


def to_cloud(grid: PointGrid) -> PointCloud2:
    """
    Write a point grid as a cloud.

    Raises
    ------
    ValueError
        If the arrays of the grid do not fit together.

    """
    rows, columns = grid.points.shape[:2]
    if grid.points.shape != (rows, columns, 3) or grid.intensity.shape != (rows, columns):
        raise ValueError(
            f"points {grid.points.shape} and intensity {grid.intensity.shape}: expected"
            " (rows, columns, 3) and (rows, columns)"
        )
    if grid.offset_s.shape != (columns,):
        raise ValueError(f"offset_s {grid.offset_s.shape}: expected one time per column, {columns}")
    packed = np.empty((rows, columns, 5), dtype="<f4")
    packed[..., :3] = grid.points
    packed[..., 3] = grid.intensity
    packed[..., 4] = grid.offset_s
    return PointCloud2(
        header=header(grid.stamp_s, grid.frame_id),
        height=rows,
        width=columns,
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate(FIELDS)
        ],
        is_bigendian=False,
        point_step=STEP,
        row_step=STEP * columns,
        data=array.array("B", packed.tobytes()),
        is_dense=False,
    )


def to_grid(cloud: PointCloud2) -> PointGrid:
    """
    Read a cloud as a point grid; NaN and infinite points stay what they are.

    Raises
    ------
    ValueError
        If size, strides, byte order, fields or column times break the layout above; the message
        names the value and the rule.

    """
    rows, columns = cloud.height, cloud.width
    _check_layout(cloud)
    offsets = _field_offsets(cloud)
    plain = [offsets[name] for name in FIELDS] == [0, 4, 8, 12, 16] and cloud.point_step == STEP
    if plain and cloud.row_step == STEP * columns:
        packed = np.frombuffer(cloud.data, dtype="<f4").reshape(rows, columns, 5)
        points, intensity, times = packed[..., :3], packed[..., 3], packed[0, :, 4]
    else:
        layout = np.dtype(
            {
                "names": FIELDS,
                "formats": ["<f4"] * 5,
                "offsets": [offsets[name] for name in FIELDS],
                "itemsize": cloud.point_step,
            }
        )
        # Strides instead of a reshape: rows may be padded.
        packed = np.ndarray(
            (rows, columns), layout, cloud.data, 0, (cloud.row_step, cloud.point_step)
        )
        points = np.stack([packed["x"], packed["y"], packed["z"]], axis=-1)
        intensity, times = packed["intensity"], packed["t"][0]
    if not np.isfinite(times).all():
        raise ValueError("field t of the first row is not finite; each column needs its time")
    return PointGrid(
        stamp_s=seconds(cloud.header.stamp),
        frame_id=cloud.header.frame_id,
        points=np.ascontiguousarray(points, dtype=np.float32),
        intensity=np.ascontiguousarray(intensity, dtype=np.float32),
        offset_s=np.ascontiguousarray(times, dtype=np.float32),
    )


def _check_layout(cloud: PointCloud2) -> None:
    if cloud.is_bigendian:
        raise ValueError("is_bigendian is true; clouds must be little-endian")
    if cloud.height < 1 or cloud.width < 1:
        raise ValueError(f"size {cloud.height} x {cloud.width}: at least one point is needed")
    if cloud.row_step < cloud.point_step * cloud.width:
        raise ValueError(
            f"row_step {cloud.row_step} is below point_step x width ="
            f" {cloud.point_step * cloud.width}"
        )
    if len(cloud.data) != cloud.row_step * cloud.height:
        raise ValueError(
            f"data holds {len(cloud.data)} bytes, row_step x height ="
            f" {cloud.row_step * cloud.height} are needed"
        )


def _field_offsets(cloud: PointCloud2) -> dict[str, int]:
    """Find the five fields; each must be one float32 inside the point."""
    fields = {field.name: field for field in cloud.fields}
    for name in FIELDS:
        if name not in fields:
            raise ValueError(f"field {name!r} is missing; fields are {', '.join(fields) or 'none'}")
        field = fields[name]
        if field.datatype != PointField.FLOAT32 or field.count not in (0, 1):
            raise ValueError(
                f"field {name!r} has datatype {field.datatype} x {field.count}; one float32 (7 x 1)"
                " is needed"
            )
        if field.offset + 4 > cloud.point_step:
            raise ValueError(
                f"field {name!r} ends at byte {field.offset + 4}, beyond point_step"
                f" {cloud.point_step}"
            )
    return {name: fields[name].offset for name in FIELDS}
