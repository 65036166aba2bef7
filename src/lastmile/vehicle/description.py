"""
The robot: its outline, its limits and where its sensors sit.

Geometry comes from the URDF, the one description that RViz, Gazebo, MuJoCo and this package share.
Limits come from a config, because they are choices.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from lastmile.config import param
from lastmile.errors import UserError


class DescriptionError(UserError):
    """A robot description that cannot be used."""


@dataclass(frozen=True)
class MotionLimits:
    """What the robot may do."""

    speed_max_mps: float = param(1.8, "Greatest speed.", unit="m/s", low=0.1, high=3.0)
    speed_mps: float = param(1.4, "Speed wanted on a free way.", unit="m/s", low=0.1, high=3.0)
    reverse_speed_max_mps: float = param(
        0.4, "Greatest speed backwards.", unit="m/s", low=0.0, high=1.0
    )
    acceleration_mps2: float = param(1.0, "Speeding up.", unit="m/s2", low=0.1, high=3.0)
    braking_mps2: float = param(1.5, "Service braking.", unit="m/s2", low=0.3, high=5.0)
    emergency_braking_mps2: float = param(
        3.0, "Emergency braking.", unit="m/s2", low=0.5, high=8.0
    )
    yaw_rate_max: float = param(1.5, "Greatest yaw rate.", unit="rad/s", low=0.1, high=4.0)
    yaw_acceleration_max: float = param(
        2.5, "Greatest yaw acceleration.", unit="rad/s2", low=0.1, high=10.0
    )


@dataclass(frozen=True, slots=True)
class RobotDescription:
    """
    A robot with differential drive.

    `footprint` (K, 2) is the outline on the ground in base, counter-clockwise. `mounts` maps each
    frame of the URDF to `T_base_<frame>` (4, 4).
    """

    name: str
    footprint: np.ndarray
    wheel_radius_m: float
    track_m: float
    mounts: dict[str, np.ndarray]
    limits: MotionLimits
    urdf: str
    """The description itself, as robot_state_publisher wants it."""

    def mount(self, frame: str) -> np.ndarray:
        """Give `T_base_<frame>`; unknown frames raise DescriptionError."""
        if frame not in self.mounts:
            known = ", ".join(sorted(self.mounts))
            raise DescriptionError(
                f"frame {frame!r} is not in the robot description; it has {known}"
            )
        return self.mounts[frame]


def read_robot(urdf_path: Path | str, limits: MotionLimits | None = None) -> RobotDescription:
    """
    Read a URDF.

    The outline is the bounding box of the collision boxes of the links fixed to `base_link`; the
    wheels are the continuous joints `wheel_left_joint` and `wheel_right_joint`.

    Raises
    ------
    DescriptionError
        If the file is missing, not XML, or lacks what is needed; the message names file and rule.

    """
    path = Path(urdf_path)
    try:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise DescriptionError(f"{path}: not XML: {error}") from error
    try:
        mounts = _mounts(root)
        left, right = mounts["wheel_left_link"], mounts["wheel_right_link"]
        return RobotDescription(
            name=root.get("name", "robot"),
            footprint=_footprint(root, mounts),
            wheel_radius_m=float(left[2, 3]),
            track_m=float(left[1, 3] - right[1, 3]),
            mounts=mounts,
            limits=limits or MotionLimits(),
            urdf=text,
        )
    except KeyError as error:
        raise DescriptionError(f"{path}: link {error.args[0]!r} is missing") from error


def _mounts(root: ElementTree.Element) -> dict[str, np.ndarray]:
    """Chain the joints' origins from base_link outwards."""
    joints = {}
    for joint in root.findall("joint"):
        parent, child = joint.find("parent"), joint.find("child")
        joints[child.get("link")] = (parent.get("link"), origin_matrix(joint.find("origin")))
    links = {link.get("name") for link in root.findall("link")}
    if "base_link" not in links:
        raise KeyError("base_link")

    def in_base(link: str) -> np.ndarray | None:
        if link == "base_link":
            return np.eye(4)
        if link not in joints:
            return None
        parent, T_parent_link = joints[link]
        T_base_parent = in_base(parent)
        return None if T_base_parent is None else T_base_parent @ T_parent_link

    mounts = {link: in_base(link) for link in links}
    return {link: T for link, T in mounts.items() if T is not None}


def origin_matrix(element: ElementTree.Element | None) -> np.ndarray:
    """Give the transform (4, 4) that an `origin` of a URDF states; the identity without one."""
    T = np.eye(4)
    if element is not None:
        T[:3, 3] = [float(v) for v in element.get("xyz", "0 0 0").split()]
        rpy = [float(v) for v in element.get("rpy", "0 0 0").split()]
        T[:3, :3] = Rotation.from_euler("xyz", rpy).as_matrix()
    return T


def _footprint(root: ElementTree.Element, mounts: dict[str, np.ndarray]) -> np.ndarray:
    corners = []
    for link in root.findall("link"):
        for collision in link.findall("collision"):
            box = collision.find("geometry/box")
            if box is None or link.get("name") not in mounts:
                continue
            half = np.array([float(v) for v in box.get("size").split()]) / 2.0
            T = mounts[link.get("name")] @ origin_matrix(collision.find("origin"))
            signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
            corners.append((signs * half) @ T[:3, :3].T + T[:3, 3])
    if not corners:
        raise KeyError("a collision box of base_link")
    points = np.concatenate(corners)
    (x0, y0), (x1, y1) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
