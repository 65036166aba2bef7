"""Conversions between messages of Gazebo and of ROS."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, TwistStamped, Vector3
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import (
    CameraInfo,
    Image,
    Imu,
    JointState,
    NavSatFix,
    NavSatStatus,
    PointCloud2,
    PointField,
)
from std_msgs.msg import Header

# PointCloudPacked.Field.DataType to PointField.
_FIELD_TYPES = (
    PointField.INT8,
    PointField.UINT8,
    PointField.INT16,
    PointField.UINT16,
    PointField.INT32,
    PointField.UINT32,
    PointField.FLOAT32,
    PointField.FLOAT64,
)
# gz.msgs.PixelFormatType to encoding and bytes of a pixel.
_ENCODINGS = {
    1: ("mono8", 1),
    2: ("mono16", 2),
    3: ("rgb8", 3),
    4: ("rgba8", 4),
    5: ("bgra8", 4),
    8: ("bgr8", 3),
    13: ("32FC1", 4),
}


def header_of(message: Any) -> Header:
    """Give stamp and frame of a message of Gazebo."""
    return Header(stamp=_time(message.header.stamp), frame_id=_frame(message, "frame_id"))


def clock(message: Any) -> Clock:
    """Write gz.msgs.Clock, the simulated time of it."""
    return Clock(clock=_time(message.sim))


def imu(message: Any) -> Imu:
    """Write gz.msgs.IMU; who has no compass has no orientation (REP-145: -1)."""
    written = Imu(
        header=header_of(message),
        angular_velocity=_vector(message.angular_velocity),
        linear_acceleration=_vector(message.linear_acceleration),
    )
    written.orientation_covariance[0] = -1.0
    for name in ("angular_velocity_covariance", "linear_acceleration_covariance"):
        data = list(getattr(message, name).data)
        if len(data) == 9:
            setattr(written, name, [float(value) for value in data])
    return written


def fix(message: Any) -> NavSatFix:
    """Write gz.msgs.NavSat; Gazebo does not say how good a fix is."""
    return NavSatFix(
        header=header_of(message),
        status=NavSatStatus(status=NavSatStatus.STATUS_FIX, service=NavSatStatus.SERVICE_GPS),
        latitude=message.latitude_deg,
        longitude=message.longitude_deg,
        altitude=message.altitude,
        position_covariance_type=NavSatFix.COVARIANCE_TYPE_UNKNOWN,
    )


def odometry(message: Any) -> Odometry:
    """Write gz.msgs.Odometry."""
    child = _frame(message, "child_frame_id")
    written = Odometry(header=header_of(message), child_frame_id=child)
    place, turned = message.pose.position, message.pose.orientation
    written.pose.pose.position.x = place.x
    written.pose.pose.position.y = place.y
    written.pose.pose.position.z = place.z
    written.pose.pose.orientation = Quaternion(x=turned.x, y=turned.y, z=turned.z, w=turned.w)
    written.twist.twist.linear = _vector(message.twist.linear)
    written.twist.twist.angular = _vector(message.twist.angular)
    return written


def joint_state(message: Any) -> JointState:
    """Write the joints of gz.msgs.Model."""
    return JointState(
        header=header_of(message),
        name=[joint.name for joint in message.joint],
        position=[joint.axis1.position for joint in message.joint],
        velocity=[joint.axis1.velocity for joint in message.joint],
        effort=[joint.axis1.force for joint in message.joint],
    )


def cloud(message: Any) -> PointCloud2:
    """Write gz.msgs.PointCloudPacked."""
    return PointCloud2(
        header=header_of(message),
        height=message.height,
        width=message.width,
        fields=[
            PointField(
                name=field.name,
                offset=field.offset,
                datatype=_FIELD_TYPES[field.datatype],
                count=max(1, field.count),
            )
            for field in message.field
        ],
        is_bigendian=message.is_bigendian,
        point_step=message.point_step,
        row_step=message.row_step,
        data=array.array("B", message.data),
        is_dense=message.is_dense,
    )


def image(message: Any) -> Image:
    """Write gz.msgs.Image; ValueError for a pixel format that ROS has no name for."""
    if message.pixel_format_type not in _ENCODINGS:
        raise ValueError(f"pixel format {message.pixel_format_type} has no encoding in ROS")
    encoding, size = _ENCODINGS[message.pixel_format_type]
    return Image(
        header=header_of(message),
        height=message.height,
        width=message.width,
        encoding=encoding,
        is_bigendian=0,
        step=size * message.width,
        data=array.array("B", message.data),
    )


def camera_info(message: Any) -> CameraInfo:
    """Write gz.msgs.CameraInfo."""
    K, P = list(message.intrinsics.k), list(message.projection.p)
    R = list(message.rectification_matrix)
    return CameraInfo(
        header=header_of(message),
        height=message.height,
        width=message.width,
        distortion_model="plumb_bob",
        d=(list(message.distortion.k) + [0.0] * 5)[:5],
        k=K if len(K) == 9 else np.zeros(9),
        r=R if len(R) == 9 else np.eye(3).ravel(),
        p=P if len(P) == 12 else np.zeros(12),
    )


def write_twist(message: TwistStamped, made: Any) -> Any:
    """Fill a gz.msgs.Twist."""
    twist = message.twist
    made.linear.x, made.linear.y, made.linear.z = twist.linear.x, twist.linear.y, twist.linear.z
    made.angular.x, made.angular.y = twist.angular.x, twist.angular.y
    made.angular.z = twist.angular.z
    return made


TO_ROS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("gz.msgs.Clock", "rosgraph_msgs/msg/Clock"): clock,
    ("gz.msgs.IMU", "sensor_msgs/msg/Imu"): imu,
    ("gz.msgs.NavSat", "sensor_msgs/msg/NavSatFix"): fix,
    ("gz.msgs.Odometry", "nav_msgs/msg/Odometry"): odometry,
    ("gz.msgs.Model", "sensor_msgs/msg/JointState"): joint_state,
    ("gz.msgs.PointCloudPacked", "sensor_msgs/msg/PointCloud2"): cloud,
    ("gz.msgs.Image", "sensor_msgs/msg/Image"): image,
    ("gz.msgs.CameraInfo", "sensor_msgs/msg/CameraInfo"): camera_info,
}
"""Converters by the kinds of both sides; each takes a message of Gazebo."""
TO_GAZEBO: dict[tuple[str, str], Callable[[Any, Any], Any]] = {
    ("gz.msgs.Twist", "geometry_msgs/msg/TwistStamped"): write_twist,
}
"""Converters the other way; each fills the empty message that it is given."""


def _frame(message: Any, key: str) -> str:
    """Look a frame up among the data of a header; empty without."""
    for entry in message.header.data:
        if entry.key == key and entry.value:
            # Gazebo's scoped names, as ros_gz_bridge writes them.
            return entry.value[0].replace("::", "/")
    return ""


def _time(stamp: Any) -> Time:
    return Time(sec=int(stamp.sec), nanosec=int(stamp.nsec))


def _vector(vector: Any) -> Vector3:
    return Vector3(x=vector.x, y=vector.y, z=vector.z)
