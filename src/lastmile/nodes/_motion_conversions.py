"""Conversions of pose, surroundings, plans and commands."""

from __future__ import annotations

import array

import numpy as np
from geometry_msgs.msg import Pose, PoseWithCovarianceStamped, TwistStamped, Vector3
from nav_msgs.msg import OccupancyGrid, Odometry
from scipy.spatial.transform import Rotation

from lastmile import types
from lastmile.nodes._fields import (
    check_unit,
    header,
    point,
    pose_2d,
    pose_array,
    quaternion_yaw,
    seconds,
    square,
    word,
    yaw_quaternion,
)
from lastmile.nodes._sensor_conversions import read_twist, write_twist
from lastmile_msgs import msg as lm


def odometry_message(value: types.OdometryEstimate) -> Odometry:
    """Write the pose in odom; its covariance stays zero, odom drifts by nature."""
    message = Odometry(header=header(value.stamp_s, "odom"), child_frame_id="base_link")
    x, y, yaw = value.pose_odom_base.tolist()
    message.pose.pose.position = point(x, y)
    message.pose.pose.orientation = yaw_quaternion(yaw)
    write_twist(message, value.twist_base, value.covariance)
    return message


def odometry_value(message: Odometry) -> types.OdometryEstimate:
    """Read the pose in odom; one in another frame is an error."""
    if message.header.frame_id != "odom":
        raise ValueError(f"pose is in frame {message.header.frame_id!r}; it must be in 'odom'")
    position = message.pose.pose.position
    twist, covariance = read_twist(message)
    return types.OdometryEstimate(
        stamp_s=seconds(message.header.stamp),
        pose_odom_base=np.array(
            [position.x, position.y, quaternion_yaw(message.pose.pose.orientation)]
        ),
        twist_base=twist,
        covariance=covariance,
    )


def pose_message(value: types.PoseEstimate) -> lm.LocalizationStatus:
    """Write the pose in map."""
    return lm.LocalizationStatus(
        header=header(value.stamp_s, "map"),
        pose=pose_2d(value.pose_map_base),
        covariance=np.asarray(value.covariance, dtype=float).ravel(),
        map_to_odom=pose_2d(value.pose_map_odom),
        state=value.state.value,
        protection_along=float(value.protection_along_m),
        protection_lateral=float(value.protection_lateral_m),
        protection_yaw=float(value.protection_yaw_rad),
        reason=value.reason,
    )


def pose_value(message: lm.LocalizationStatus) -> types.PoseEstimate:
    """Read the pose in map."""
    return types.PoseEstimate(
        stamp_s=seconds(message.header.stamp),
        pose_map_base=pose_array(message.pose),
        covariance=square(message.covariance, 3, "covariance"),
        pose_map_odom=pose_array(message.map_to_odom),
        state=word(types.LocalizationState, message.state, "state"),
        protection_along_m=message.protection_along,
        protection_lateral_m=message.protection_lateral,
        protection_yaw_rad=message.protection_yaw,
        reason=message.reason,
    )


PLANAR = np.ix_((0, 1, 5), (0, 1, 5))
"""Rows and columns of x, y, yaw in the 6 x 6 covariance of a pose."""


def initial_pose_message(value: types.InitialPose) -> PoseWithCovarianceStamped:
    """Write a person's word on the pose in map."""
    message = PoseWithCovarianceStamped(header=header(value.stamp_s, "map"))
    x, y, yaw = value.pose_map_base.tolist()
    message.pose.pose.position = point(x, y)
    message.pose.pose.orientation = yaw_quaternion(yaw)
    covariance = np.zeros((6, 6))
    covariance[PLANAR] = value.covariance
    message.pose.covariance = covariance.ravel()
    return message


def initial_pose_value(message: PoseWithCovarianceStamped) -> types.InitialPose:
    """Read a person's word on the pose; one in another frame than map is an error."""
    if message.header.frame_id != "map":
        raise ValueError(f"pose is in frame {message.header.frame_id!r}; it must be in 'map'")
    position = message.pose.pose.position
    return types.InitialPose(
        stamp_s=seconds(message.header.stamp),
        pose_map_base=np.array(
            [position.x, position.y, quaternion_yaw(message.pose.pose.orientation)]
        ),
        covariance=square(message.pose.covariance, 6, "covariance")[PLANAR],
    )


def obstacles_message(value: types.ObstacleArray) -> lm.ObstacleArray:
    """Write the tracked obstacles."""
    return lm.ObstacleArray(
        header=header(value.stamp_s, "odom"),
        obstacles=[_obstacle_message(obstacle) for obstacle in value.obstacles],
    )


def _obstacle_message(value: types.Obstacle) -> lm.Obstacle:
    vx, vy = value.velocity.tolist()
    return lm.Obstacle(
        id=int(value.id),
        kind=value.kind.value,
        position=point(*value.position.tolist()),
        velocity=Vector3(x=vx, y=vy, z=0.0),
        covariance=np.asarray(value.covariance, dtype=float).ravel(),
        footprint=_flat(value.footprint),
        height=float(value.height_m),
        age=float(value.age_s),
        observed=bool(value.observed),
        predicted_path=_flat(value.predicted_path),
        predicted_sigma=_flat(value.predicted_sigma),
        prediction_dt=float(value.prediction_dt_s),
    )


def obstacles_value(message: lm.ObstacleArray) -> types.ObstacleArray:
    """Read the tracked obstacles."""
    return types.ObstacleArray(
        stamp_s=seconds(message.header.stamp),
        obstacles=tuple(_obstacle_value(obstacle) for obstacle in message.obstacles),
    )


def _obstacle_value(message: lm.Obstacle) -> types.Obstacle:
    path = _outline(message.predicted_path, "predicted_path")
    if len(path) != len(message.predicted_sigma):
        raise ValueError(
            f"obstacle {message.id}: {len(path)} predicted points and"
            f" {len(message.predicted_sigma)} sigmas; as many of each are needed"
        )
    return types.Obstacle(
        id=message.id,
        kind=word(types.ObstacleKind, message.kind, "kind"),
        position=np.array([message.position.x, message.position.y]),
        velocity=np.array([message.velocity.x, message.velocity.y]),
        covariance=square(message.covariance, 4, "covariance"),
        footprint=_outline(message.footprint, "footprint"),
        height_m=message.height,
        age_s=message.age,
        observed=message.observed,
        predicted_path=path,
        predicted_sigma=np.array(message.predicted_sigma, dtype=float),
        prediction_dt_s=message.prediction_dt,
    )


def _flat(values: np.ndarray) -> array.array:
    return array.array("f", np.asarray(values, dtype=np.float32).tobytes())


def _outline(flat: array.array, what: str) -> np.ndarray:
    if len(flat) % 2:
        raise ValueError(f"{what}: {len(flat)} numbers, x and y of each point are needed")
    return np.array(flat, dtype=float).reshape(-1, 2)


CELLS = np.array(sorted(int(cell) for cell in types.Cell), dtype=np.int8)


def grid_message(
    cells: np.ndarray, origin: np.ndarray, resolution_m: float, stamp_s: float, frame_id: str
) -> OccupancyGrid:
    """Write cells (rows, columns) of int8 whose outer corner is `origin`."""
    message = OccupancyGrid(header=header(stamp_s, frame_id))
    message.info.map_load_time = message.header.stamp
    message.info.resolution = float(resolution_m)
    message.info.height, message.info.width = cells.shape
    message.info.origin.position = point(*np.asarray(origin, dtype=float).tolist())
    message.info.origin.orientation.w = 1.0
    message.data = array.array("b", np.ascontiguousarray(cells, dtype=np.int8).tobytes())
    return message


def cost_map_message(value: types.LocalCostMap) -> OccupancyGrid:
    """Write the local cost map."""
    return grid_message(value.cells, value.origin, value.resolution_m, value.stamp_s, "odom")


def cost_map_value(message: OccupancyGrid) -> types.LocalCostMap:
    """Read the local cost map; other cells than those of `Cell` are an error."""
    rows, columns = message.info.height, message.info.width
    if len(message.data) != rows * columns:
        raise ValueError(f"data holds {len(message.data)} cells, {rows} x {columns} are needed")
    if not message.info.resolution > 0.0:
        raise ValueError(f"resolution {message.info.resolution} must be positive")
    cells = np.frombuffer(message.data, dtype=np.int8).reshape(rows, columns).copy()
    strange = ~np.isin(cells, CELLS)
    if strange.any():
        raise ValueError(f"cell value {int(cells[strange][0])} is not one of {CELLS.tolist()}")
    origin = message.info.origin
    if abs(quaternion_yaw(origin.orientation)) > 1e-6:
        raise ValueError("the grid's origin is turned; it must be aligned with its frame")
    return types.LocalCostMap(
        stamp_s=seconds(message.header.stamp),
        origin=np.array([origin.position.x, origin.position.y]),
        # The message holds float32: 0.1 m must come back as 0.1, not 0.10000000149.
        resolution_m=round(float(message.info.resolution), 7),
        cells=cells,
    )


def fiducials_message(value: types.MarkerArray) -> lm.FiducialArray:
    """Write the fiducials of an image."""
    return lm.FiducialArray(
        header=header(value.stamp_s, value.frame_id),
        markers=[
            lm.Fiducial(
                id=int(marker.id),
                pose=matrix_pose(marker.T_camera_marker),
                reprojection_px=float(marker.reprojection_px),
            )
            for marker in value.markers
        ],
    )


def matrix_pose(T: np.ndarray) -> Pose:
    """Write a (4, 4) transform as a pose."""
    pose = Pose(position=point(*T[:3, 3].tolist()))
    q = pose.orientation
    q.x, q.y, q.z, q.w = Rotation.from_matrix(T[:3, :3]).as_quat().tolist()
    return pose


def fiducials_value(message: lm.FiducialArray) -> types.MarkerArray:
    """Read the fiducials of an image."""
    return types.MarkerArray(
        stamp_s=seconds(message.header.stamp),
        frame_id=message.header.frame_id,
        markers=tuple(
            types.Marker(marker.id, _pose_matrix(marker.pose), marker.reprojection_px)
            for marker in message.markers
        ),
    )


def _pose_matrix(pose: Pose) -> np.ndarray:
    q = pose.orientation
    check_unit(q)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    T[:3, 3] = pose.position.x, pose.position.y, pose.position.z
    return T


def trajectory_message(value: types.Trajectory) -> lm.Trajectory:
    """Write a trajectory."""
    return lm.Trajectory(
        header=header(value.stamp_s, "odom"),
        source=value.source.value,
        dt=float(value.dt_s),
        poses=[pose_2d(pose) for pose in value.poses],
        speeds=array.array("d", value.twists[:, 0].tolist()),
        yaw_rates=array.array("d", value.twists[:, 1].tolist()),
        certified=bool(value.certified),
        reason=value.reason,
        sensed_stamp=float(value.sensed_stamp_s),
    )


def trajectory_value(message: lm.Trajectory) -> types.Trajectory:
    """Read a trajectory."""
    count = len(message.poses)
    if not count == len(message.speeds) == len(message.yaw_rates):
        raise ValueError(
            f"{count} poses, {len(message.speeds)} speeds and {len(message.yaw_rates)} yaw rates;"
            " as many of each are needed"
        )
    return types.Trajectory(
        stamp_s=seconds(message.header.stamp),
        source=word(types.TrajectorySource, message.source, "source"),
        dt_s=message.dt,
        poses=np.array([(p.x, p.y, p.theta) for p in message.poses], dtype=float).reshape(-1, 3),
        twists=np.column_stack([message.speeds, message.yaw_rates]).astype(float),
        certified=message.certified,
        reason=message.reason,
        sensed_stamp_s=message.sensed_stamp,
    )


def command_message(value: types.Command) -> TwistStamped:
    """Write a body motion command."""
    message = TwistStamped(header=header(value.stamp_s, "base_link"))
    message.twist.linear.x = float(value.speed_mps)
    message.twist.angular.z = float(value.yaw_rate)
    return message


def command_value(message: TwistStamped) -> types.Command:
    """Read a body motion command; motion that the base cannot make is an error."""
    twist = message.twist
    if twist.linear.y != 0.0 or twist.linear.z != 0.0:
        raise ValueError(f"linear y {twist.linear.y}, z {twist.linear.z}: both must be zero")
    return types.Command(seconds(message.header.stamp), twist.linear.x, twist.angular.z)


def safety_message(value: types.SafetyState) -> lm.SafetyState:
    """Write the state of the gate."""
    return lm.SafetyState(
        header=header(value.stamp_s, "base_link"),
        level=value.level.value,
        source=value.source,
        causes=list(value.causes),
    )


def safety_value(message: lm.SafetyState) -> types.SafetyState:
    """Read the state of the gate."""
    return types.SafetyState(
        stamp_s=seconds(message.header.stamp),
        level=word(types.SafetyLevel, message.level, "level"),
        source=message.source,
        causes=tuple(message.causes),
    )
