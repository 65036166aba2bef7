"""
Gazebo's Python bindings, imported late: only who runs Gazebo needs them.

They come with Gazebo Harmonic (gz.transport13, gz.msgs10), not from PyPI.
"""

from __future__ import annotations

import importlib
import shutil
from typing import Any

from lastmile.errors import UserError

TRANSPORT, MESSAGES = "gz.transport13", "gz.msgs10"
PURPOSE = "they carry commands and sensor values between the stack and Gazebo"
MODULES = {
    "Boolean": "boolean",
    "CameraInfo": "camera_info",
    "Clock": "clock",
    "Contacts": "contacts",
    "Empty": "empty",
    "IMU": "imu",
    "Image": "image",
    "LaserScan": "laserscan",
    "Model": "model",
    "NavSat": "navsat",
    "Odometry": "odometry",
    "PointCloudPacked": "pointcloud_packed",
    "Pose_V": "pose_v",
    "Twist": "twist",
    "WorldControl": "world_control",
}
"""Module of each message kind, `gz.msgs10.<module>_pb2`."""


def transport() -> Any:
    """Import the transport; UserError that says what is missing."""
    return _module(TRANSPORT)


def transport_node(partition: str) -> Any:
    """Make a node that hears one partition alone; UserError if the bindings are missing."""
    module = transport()
    options = module.NodeOptions()
    options.partition = partition
    return module.Node(options)


def message_kind(name: str) -> Any:
    """Give a message class by its name without `gz.msgs.`; UserError for an unknown one."""
    name = name.removeprefix("gz.msgs.")
    if name not in MODULES:
        raise UserError(f"message gz.msgs.{name}: known are {', '.join(sorted(MODULES))}")
    return getattr(_module(f"{MESSAGES}.{MODULES[name]}_pb2"), name)


def require_gazebo() -> None:
    """
    Look for all that the engine needs, before anything is started.

    Raises
    ------
    UserError
        If the program or the bindings are missing; the message says what for.

    """
    if shutil.which("gz") is None:
        raise UserError(
            "gz: the program of Gazebo Harmonic (gz-sim 8) is not on the PATH; it moves the robot"
            " and renders its sensors with --engine gazebo; docs/gazebo.md says how to get it"
        )
    transport()
    message_kind("WorldControl")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{name}: Gazebo Harmonic's Python bindings cannot be imported ({error}); {PURPOSE};"
            " docs/gazebo.md says how to get them"
        ) from error
