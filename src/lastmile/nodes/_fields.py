"""Small pieces that the conversions share: times, headers, poses, checked numbers."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose2D, Quaternion, Vector3
from std_msgs.msg import Header

NANO = 1_000_000_000
UNIT_TOLERANCE = 1e-3


def time_message(stamp_s: float) -> Time:
    """Split seconds into a ROS time."""
    nanoseconds = round(stamp_s * NANO)
    return Time(sec=nanoseconds // NANO, nanosec=nanoseconds % NANO)


def seconds(time: Time) -> float:
    """Join a ROS time into seconds."""
    return time.sec + time.nanosec / NANO


def header(stamp_s: float, frame_id: str = "") -> Header:
    """Make a header."""
    return Header(stamp=time_message(stamp_s), frame_id=frame_id)


def pose_2d(pose: np.ndarray) -> Pose2D:
    """Write x, y, yaw."""
    x, y, yaw = pose.tolist()
    return Pose2D(x=x, y=y, theta=yaw)


def pose_array(pose: Pose2D) -> np.ndarray:
    """Read x, y, yaw."""
    return np.array([pose.x, pose.y, pose.theta])


def point(x: float, y: float, z: float = 0.0) -> Point:
    """Make a point of Python floats."""
    return Point(x=float(x), y=float(y), z=float(z))


def vector(values: np.ndarray) -> Vector3:
    """Make a vector of three numbers."""
    x, y, z = np.asarray(values, dtype=float).tolist()
    return Vector3(x=x, y=y, z=z)


def vector_array(message: Any) -> np.ndarray:
    """Read x, y, z of a point or vector."""
    return np.array([message.x, message.y, message.z])


def yaw_quaternion(yaw: float) -> Quaternion:
    """Turn about z."""
    return Quaternion(x=0.0, y=0.0, z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0))


def quaternion_yaw(q: Quaternion) -> float:
    """
    Heading of a rotation, the angle of its x axis on the ground.

    Raises
    ------
    ValueError
        If the quaternion is not of unit length; one that was never filled in is zero.

    """
    check_unit(q)
    return math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))


def check_unit(q: Quaternion) -> None:
    """Raise ValueError unless a quaternion is of unit length."""
    length = math.sqrt(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    if not abs(length - 1.0) < UNIT_TOLERANCE:
        raise ValueError(f"orientation has length {length:g}; a unit quaternion is needed")


def square(values: Any, size: int, what: str) -> np.ndarray:
    """Read a row-major square matrix."""
    matrix = np.array(values, dtype=float)
    if matrix.size != size * size:
        raise ValueError(f"{what}: {matrix.size} numbers, {size * size} are needed")
    return matrix.reshape(size, size)


def word(choices: type[Enum], text: str, what: str) -> Any:
    """Read a word of an enumeration."""
    try:
        return choices(text)
    except ValueError as error:
        known = ", ".join(str(choice.value) for choice in choices)
        raise ValueError(f"{what} {text!r} is not one of {known}") from error
