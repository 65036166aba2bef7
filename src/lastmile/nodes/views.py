"""
Views: what the stack's values look like in standard messages, for RViz, Foxglove and Nav2's tools.

Nothing in the stack reads a view. Each node publishes the views of its own values.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from geometry_msgs.msg import (
    PoseStamped,
    PoseWithCovarianceStamped,
    Transform,
    TransformStamped,
    Vector3,
)
from nav_msgs.msg import OccupancyGrid, Path
from std_msgs.msg import ColorRGBA, String
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from lastmile import types
from lastmile.nodes._fields import header, point, time_message, yaw_quaternion
from lastmile.nodes._motion_conversions import grid_message, matrix_pose
from lastmile.stack.context import Context
from lastmile.stack.topics import Qos

Messages = list[tuple[str, Any]]


class Throttle:
    """Lets values through at most so often; eyes need no more, and drawing costs."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._last_s = -math.inf

    def lets_through(self, stamp_s: float) -> bool:
        """Tell whether a value is due; one older than the last begins anew."""
        # Half a millisecond of tolerance: periods are multiples of those of the values.
        if 0.0 <= stamp_s - self._last_s < self._period_s - 5e-4:
            return False
        self._last_s = stamp_s
        return True


class View:
    """Standard messages made of a node's values."""

    topics: ClassVar[dict[str, tuple[type, Qos]]] = {}
    texts: ClassVar[dict[str, str]] = {}

    def start(self) -> Messages:
        """Give what is to be seen before anything happens."""
        return []

    def show(self, topic: str, value: Any) -> Messages:
        """Give what is to be seen of a value."""
        return []


class DescriptionView(View):
    """The robot's description and its fixed frames."""

    topics: ClassVar = {
        "robot_description": (String, Qos.LATCHED),
        "/tf_static": (TFMessage, Qos.LATCHED),
    }
    texts: ClassVar = {
        "robot_description": "The robot's URDF.",
        "/tf_static": "Mounts of the URDF's links on base_link.",
    }

    def __init__(self, context: Context) -> None:
        self._robot = context.robot

    def start(self) -> Messages:
        """Publish both once; they are latched."""
        mounts = [
            TransformStamped(
                header=header(0.0, "base_link"),
                child_frame_id=frame,
                transform=_matrix_transform(T),
            )
            for frame, T in sorted(self._robot.mounts.items())
            if frame != "base_link"
        ]
        return [
            ("robot_description", String(data=self._robot.urdf)),
            ("/tf_static", TFMessage(transforms=mounts)),
        ]


class PoseView(View):
    """`map -> odom -> base_link` on tf, and the pose with covariance."""

    topics: ClassVar = {
        "/tf": (TFMessage, Qos.RELIABLE),
        "localization/pose": (PoseWithCovarianceStamped, Qos.RELIABLE),
    }
    texts: ClassVar = {
        "/tf": "odom -> base_link and map -> odom, from localization alone.",
        "localization/pose": "Pose of base_link in map with covariance.",
    }
    # Rows of x, y, yaw in the 6 x 6 covariance of a pose.
    ROWS = (0, 1, 5)

    def __init__(self, context: Context) -> None:
        self._throttle = Throttle(0.1)

    def show(self, topic: str, value: Any) -> Messages:
        """Turn odometry and pose into tf."""
        if topic == "odometry":
            transform = _planar(value.stamp_s, "odom", "base_link", value.pose_odom_base)
            return [("/tf", TFMessage(transforms=[transform]))]
        if topic == "localization/status":
            transform = _planar(value.stamp_s, "map", "odom", value.pose_map_odom)
            messages = [("/tf", TFMessage(transforms=[transform]))]
            if self._throttle.lets_through(value.stamp_s):
                messages.append(("localization/pose", self._pose(value)))
            return messages
        return []

    def _pose(self, value: types.PoseEstimate) -> PoseWithCovarianceStamped:
        message = PoseWithCovarianceStamped(header=header(value.stamp_s, "map"))
        x, y, yaw = value.pose_map_base.tolist()
        message.pose.pose.position = point(x, y)
        message.pose.pose.orientation = yaw_quaternion(yaw)
        covariance = np.zeros((6, 6))
        covariance[np.ix_(self.ROWS, self.ROWS)] = value.covariance
        message.pose.covariance = covariance.ravel()
        return message


class MapView(View):
    """The site's occupancy map, as Nav2's map_server publishes it."""

    topics: ClassVar = {"map": (OccupancyGrid, Qos.LATCHED)}
    texts: ClassVar = {"map": "The site's occupancy map."}

    def __init__(self, context: Context) -> None:
        self._site = context.site

    def start(self) -> Messages:
        """Publish the map once; it is latched."""
        occupancy = self._site.occupancy
        grid = grid_message(occupancy.cells, occupancy.origin, occupancy.resolution_m, 0.0, "map")
        return [("map", grid)]


class PlanView(View):
    """Route and plan as paths."""

    topics: ClassVar = {"route/path": (Path, Qos.LATCHED), "plan/path": (Path, Qos.RELIABLE)}
    texts: ClassVar = {
        "route/path": "The route being followed, in map.",
        "plan/path": "The planner's trajectory, in odom.",
    }

    def __init__(self, context: Context) -> None:
        self._throttle = Throttle(0.2)

    def show(self, topic: str, value: Any) -> Messages:
        """Draw each new route, and the plan five times a second."""
        if topic == "plan" and self._throttle.lets_through(value.stamp_s):
            path = Path(header=header(value.stamp_s, "odom"))
            path.poses = [_stamped(path.header, *pose) for pose in value.poses.tolist()]
            return [("plan/path", path)]
        if topic == "route":
            path = Path(header=header(0.0, "map"))
            steps = np.diff(value.points, axis=0)
            yaws = np.arctan2(steps[:, 1], steps[:, 0]).tolist()
            yaws += yaws[-1:]
            path.poses = [
                _stamped(path.header, x, y, yaw)
                for (x, y), yaw in zip(value.points.tolist(), yaws, strict=False)
            ]
            return [("route/path", path)]
        return []


class ObstacleView(View):
    """Tracked obstacles as boxes, arrows of velocity and predicted paths."""

    topics: ClassVar = {"obstacles/markers": (MarkerArray, Qos.RELIABLE)}
    texts: ClassVar = {"obstacles/markers": "Obstacles: outline, velocity, prediction, number."}
    COLOURS: ClassVar = {
        types.ObstacleKind.UNKNOWN: (0.6, 0.6, 0.6),
        types.ObstacleKind.STATIC: (0.35, 0.35, 0.45),
        types.ObstacleKind.PERSON: (0.95, 0.55, 0.1),
        types.ObstacleKind.CYCLIST: (0.1, 0.65, 0.9),
        types.ObstacleKind.VEHICLE: (0.75, 0.15, 0.2),
    }
    # A marker that is not drawn again disappears by itself.
    LIFETIME_S = 0.4
    MOVING_MPS = 0.2

    def __init__(self, context: Context) -> None:
        # 50 to 90 obstacles took a quarter of perception's time at 10 Hz.
        self._throttle = Throttle(0.2)

    def show(self, topic: str, value: Any) -> Messages:
        """Draw all obstacles, five times a second."""
        if topic != "obstacles" or not self._throttle.lets_through(value.stamp_s):
            return []
        markers = []
        for obstacle in value.obstacles:
            markers += self._draw(obstacle, value.stamp_s)
        return [("obstacles/markers", MarkerArray(markers=markers))]

    def _draw(self, obstacle: types.Obstacle, stamp_s: float) -> list[Marker]:
        red, green, blue = self.COLOURS[obstacle.kind]
        colour = ColorRGBA(r=red, g=green, b=blue, a=0.9 if obstacle.observed else 0.4)
        outline = [point(x, y, 0.05) for x, y in obstacle.footprint.tolist()]
        markers = [
            self._marker("outline", obstacle, stamp_s, Marker.LINE_STRIP, 0.05, colour),
        ]
        markers[0].points = outline + outline[:1]
        if np.hypot(*obstacle.velocity) < self.MOVING_MPS:
            return markers
        x, y = obstacle.position.tolist()
        vx, vy = obstacle.velocity.tolist()
        arrow = self._marker("velocity", obstacle, stamp_s, Marker.ARROW, 0.08, colour)
        arrow.scale = Vector3(x=0.08, y=0.18, z=0.18)
        arrow.points = [point(x, y, 0.3), point(x + vx, y + vy, 0.3)]
        path = self._marker("prediction", obstacle, stamp_s, Marker.LINE_STRIP, 0.03, colour)
        path.points = [point(x, y, 0.1) for x, y in obstacle.predicted_path.tolist()]
        number = self._marker("number", obstacle, stamp_s, Marker.TEXT_VIEW_FACING, 0.3, colour)
        number.pose.position = point(x, y, obstacle.height_m + 0.3)
        number.text = str(obstacle.id)
        return [*markers, arrow, path, number]

    def _marker(
        self,
        namespace: str,
        obstacle: types.Obstacle,
        stamp_s: float,
        shape: int,
        size_m: float,
        colour: ColorRGBA,
    ) -> Marker:
        marker = Marker(
            header=header(stamp_s, "odom"),
            ns=namespace,
            id=int(obstacle.id) % 2**31,
            type=shape,
            action=Marker.ADD,
            color=colour,
            scale=Vector3(x=size_m, y=size_m, z=size_m),
        )
        marker.pose.orientation.w = 1.0
        lifetime = time_message(self.LIFETIME_S)
        marker.lifetime.sec, marker.lifetime.nanosec = lifetime.sec, lifetime.nanosec
        return marker


class CustodyView(View):
    """Who holds the parcel, in a sentence."""

    topics: ClassVar = {"custody/text": (String, Qos.LATCHED)}
    texts: ClassVar = {"custody/text": "Who holds the parcel, in a sentence."}

    def __init__(self, context: Context) -> None:
        pass

    def show(self, topic: str, value: Any) -> Messages:
        """Say each change."""
        if topic != "custody":
            return []
        reason = f" ({value.reason})" if value.reason else ""
        text = f"parcel {value.parcel_id}: {value.custodian}, {value.state}{reason}"
        return [("custody/text", String(data=text))]


VIEWS: dict[str, tuple[type[View], ...]] = {
    "localization": (DescriptionView, PoseView, MapView),
    "planner": (PlanView,),
    "perception": (ObstacleView,),
    "handoff": (CustodyView,),
}


def views_of(node: str, context: Context) -> list[View]:
    """Make the views that a node publishes."""
    return [view(context) for view in VIEWS.get(node, ())]


def _planar(stamp_s: float, parent: str, child: str, pose: np.ndarray) -> TransformStamped:
    x, y, yaw = pose.tolist()
    if not math.isfinite(x + y + yaw):
        raise ValueError(f"{parent} -> {child}: pose {pose} is not finite")
    return TransformStamped(
        header=header(stamp_s, parent),
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=x, y=y, z=0.0), rotation=yaw_quaternion(yaw)),
    )


def _matrix_transform(T: np.ndarray) -> Transform:
    pose = matrix_pose(T)
    x, y, z = T[:3, 3].tolist()
    return Transform(translation=Vector3(x=x, y=y, z=z), rotation=pose.orientation)


def _stamped(shared_header: Any, x: float, y: float, yaw: float) -> PoseStamped:
    pose = PoseStamped(header=shared_header)
    pose.pose.position = point(x, y)
    pose.pose.orientation = yaw_quaternion(yaw)
    return pose
