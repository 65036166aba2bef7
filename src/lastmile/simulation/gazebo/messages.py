"""Gazebo's sensor messages as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastmile.simulation.config import DepthConfig

_FLOAT32 = 6
"""PointCloudPacked.Field.DataType of a 32-bit float."""
_CHANNELS = {"L_INT8": 1, "RGB_INT8": 3, "BGR_INT8": 3}
_FORMATS = {1: "L_INT8", 3: "RGB_INT8", 8: "BGR_INT8", 13: "R_FLOAT32"}
"""Numbers of gz.msgs.PixelFormatType."""


def transform_of(pose: Any) -> np.ndarray:
    """Give the transform (4, 4) of a gz.msgs.Pose; ValueError for a quaternion of zero."""
    q = pose.orientation
    quaternion = np.array([q.w, q.x, q.y, q.z])
    length = np.linalg.norm(quaternion)
    if not length > 0.0:
        raise ValueError(f"orientation {quaternion.tolist()} is no rotation")
    w, x, y, z = quaternion / length
    T = np.eye(4)
    T[:3, :3] = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
    T[:3, 3] = [pose.position.x, pose.position.y, pose.position.z]
    return T


def joint_positions(model: Any, names: tuple[str, ...]) -> np.ndarray:
    """Give the angles [rad] of joints in a gz.msgs.Model; ValueError for one that is not in it."""
    angles = {joint.name: joint.axis1.position for joint in model.joint}
    missing = [name for name in names if name not in angles]
    if missing:
        raise ValueError(f"joint {missing[0]!r} is not among {', '.join(angles) or 'none'}")
    return np.array([angles[name] for name in names])


def vector(message: Any) -> np.ndarray:
    """Give a gz.msgs.Vector3d as (3,)."""
    return np.array([message.x, message.y, message.z])


def cloud_points(cloud: Any) -> np.ndarray:
    """
    Give the points of a gz.msgs.PointCloudPacked.

    Returns
    -------
    ndarray of float32, shape (rows, columns, 3)
        In the order of the message: gpu_lidar's first row is its lowest ring.

    Raises
    ------
    ValueError
        If x, y or z is no 32-bit float, or the data are shorter than the message says.

    """
    offsets = {field.name: field.offset for field in cloud.field if field.datatype == _FLOAT32}
    if not {"x", "y", "z"} <= set(offsets):
        raise ValueError(f"cloud without x, y, z as 32-bit floats; it has {sorted(offsets)}")
    kind = np.dtype(
        {
            "names": ["x", "y", "z"],
            "formats": ["<f4"] * 3,
            "offsets": [offsets[axis] for axis in "xyz"],
            "itemsize": cloud.point_step,
        }
    )
    count = cloud.width * cloud.height
    if len(cloud.data) < count * cloud.point_step:
        raise ValueError(f"{len(cloud.data)} bytes for {count} points of {cloud.point_step}")
    points = np.frombuffer(cloud.data, kind, count)
    stacked = np.stack([points[axis] for axis in "xyz"], axis=-1)
    return stacked.reshape(cloud.height, cloud.width, 3)


def lidar_ranges(upper: Any, lower: Any, range_max_m: float) -> np.ndarray:
    """
    Join the clouds of both lidars to ranges.

    Returns
    -------
    ndarray of float32, shape (32, columns)
        Rings top to bottom; `range_max_m` where nothing came back.

    """
    rings = [np.linalg.norm(cloud_points(cloud), axis=-1)[::-1] for cloud in (upper, lower)]
    ranges = np.concatenate(rings).astype(np.float32)
    return np.where(np.isfinite(ranges), np.minimum(ranges, range_max_m), np.float32(range_max_m))


def image_pixels(image: Any) -> np.ndarray:
    """Give a gz.msgs.Image as grey levels (height, width) uint8, or depths [m] float32."""
    kind = _FORMATS.get(image.pixel_format_type)
    if kind == "R_FLOAT32":
        return np.frombuffer(image.data, "<f4").reshape(image.height, image.width)
    if kind not in _CHANNELS:
        known = ", ".join(_FORMATS.values())
        raise ValueError(f"pixel format {image.pixel_format_type}: known are {known}")
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, -1)
    if pixels.shape[2] == 1:
        return pixels[..., 0].copy()
    weights = np.array([0.299, 0.587, 0.114])
    if kind == "BGR_INT8":
        weights = weights[::-1]
    return np.round(pixels @ weights).astype(np.uint8)


def depth_along_rays(depths: np.ndarray, rays: np.ndarray, config: DepthConfig) -> np.ndarray:
    """
    Look up the depth of each ray in a rendered depth image.

    Parameters
    ----------
    depths : ndarray, shape (height, width)
        Depth [m] of each pixel along the optical axis, inf where nothing was met.
    rays : ndarray, shape (rows, columns, 3)
        Rays with z = 1 in the optical frame.
    config : DepthConfig
        Horizontal field of view of the image, and the farthest depth.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Depth along the axis; 1.5 times the farthest depth where nothing was met.

    """
    height, width = depths.shape
    focal = 0.5 * width / np.tan(0.5 * np.radians(config.horizontal_deg))
    columns = np.round(focal * rays[..., 0] + 0.5 * (width - 1)).astype(int)
    rows = np.round(focal * rays[..., 1] + 0.5 * (height - 1)).astype(int)
    looked_up = depths[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    beyond = np.float32(1.5 * config.range_max_m)
    return np.where(np.isfinite(looked_up), np.minimum(looked_up, beyond), beyond)


def touched_kinds(contacts: Any) -> set[str]:
    """Give the models that the robot's body touches in a gz.msgs.Contacts."""
    names = set()
    for contact in contacts.contact:
        for side in (contact.collision1, contact.collision2):
            names.add(side.name.split("::")[0])
    return names - {"robot", ""}
