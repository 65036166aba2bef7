"""
Frozen values that cross the rooms of the stack.

Units are SI and radians (REP-103); frames are named in the field (`pose_map_base` is the pose of
`base` in `map`). Arrays are float64 unless said otherwise and must not be written to after they
were handed over. Every value that travels on a topic carries `stamp_s`, the time at which it was
true, on the clock of the robot (simulated time in simulation).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np

# --------------------------------------------------------------------------------- sensors


@dataclass(frozen=True, slots=True)
class ImuSample:
    """
    One reading of the inertial unit, in `imu_link`.

    `angular_velocity` is (3,) [rad/s]; `linear_acceleration` is (3,) [m/s2], specific force, so
    that a level unit at rest reads +9.81 on z.
    """

    stamp_s: float
    angular_velocity: np.ndarray
    linear_acceleration: np.ndarray


@dataclass(frozen=True, slots=True)
class WheelOdometry:
    """Body twist from the wheel encoders: `twist_base` (2,) = [v m/s, yaw rate rad/s]."""

    stamp_s: float
    twist_base: np.ndarray
    covariance: np.ndarray
    """(2, 2) covariance of `twist_base`."""


class FixType(IntEnum):
    """Kind of a satellite fix, numbered as NavSatStatus."""

    NONE = -1
    SINGLE = 0
    SBAS = 1
    RTK = 2


@dataclass(frozen=True, slots=True)
class GnssFix:
    """Position of `gnss_link` on WGS84, with the receiver's own ENU covariance (3, 3) [m2]."""

    stamp_s: float
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    covariance: np.ndarray
    fix_type: FixType


@dataclass(frozen=True, slots=True)
class PointGrid:
    """
    An organised cloud: a lidar turn (rings x columns) or a depth image (rows x columns).

    `points` is float32 (rows, columns, 3) in the frame `frame_id`, NaN where nothing came back
    (REP-117 tells "too far" apart as +inf in all three). `intensity` is float32 (rows, columns).
    `offset_s` is float32 (columns,): time of each column after `stamp_s`.
    """

    stamp_s: float
    frame_id: str
    points: np.ndarray
    intensity: np.ndarray
    offset_s: np.ndarray


@dataclass(frozen=True, slots=True)
class CameraModel:
    """Pinhole camera with plumb-bob distortion: `K` (3, 3), `D` (5,), pixel centres at integers."""

    width_px: int
    height_px: int
    K: np.ndarray
    D: np.ndarray


@dataclass(frozen=True, slots=True)
class CameraImage:
    """A grey image, uint8 (height, width), of the camera whose optical frame is `frame_id`."""

    stamp_s: float
    frame_id: str
    pixels: np.ndarray
    model: CameraModel


@dataclass(frozen=True, slots=True)
class BaseState:
    """What the robot base tells of itself, at 50 Hz."""

    stamp_s: float
    estop: bool
    bumper: bool
    braked: bool
    command_timeout: bool
    """The base stopped by itself because no command came for its own time limit."""
    battery_ratio: float


class SignalPhase(StrEnum):
    """What a pedestrian signal shows."""

    GREEN = "green"
    RED = "red"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CrossingSignal:
    """State of the pedestrian signal of one crossing, as a city's feed gives it."""

    crossing_id: str
    phase: SignalPhase
    remaining_s: float
    """Time until the phase changes, NaN where the feed does not tell."""


@dataclass(frozen=True, slots=True)
class SignalStates:
    """All signals that the feed covers."""

    stamp_s: float
    signals: tuple[CrossingSignal, ...]


# ---------------------------------------------------------------------------- localization


@dataclass(frozen=True, slots=True)
class OdometryEstimate:
    """Smooth pose of `base` in `odom` (never jumps) and its body twist."""

    stamp_s: float
    pose_odom_base: np.ndarray
    """(3,) x, y, yaw."""
    twist_base: np.ndarray
    """(2,) v, yaw rate."""
    covariance: np.ndarray
    """(2, 2) of the twist."""


class LocalizationState(StrEnum):
    """How far the pose in `map` can be trusted."""

    INITIALIZING = "initializing"
    TRACKING = "tracking"
    DEGRADED = "degraded"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class PoseEstimate:
    """
    Pose of `base` in `map` and how far it can be trusted.

    `pose_map_odom` is the correction that REP-105 puts on tf, consistent with `pose_map_base` and
    the odometry of the same stamp.
    """

    stamp_s: float
    pose_map_base: np.ndarray
    covariance: np.ndarray
    """(3, 3) of x, y, yaw in map."""
    pose_map_odom: np.ndarray
    state: LocalizationState
    protection_along_m: float
    protection_lateral_m: float
    protection_yaw_rad: float
    reason: str


@dataclass(frozen=True, slots=True)
class InitialPose:
    """
    A person's word on where the robot is, as RViz's 2D Pose Estimate gives it.

    A covariance of zeros says that nothing was stated about it.
    """

    stamp_s: float
    pose_map_base: np.ndarray
    """(3,) x, y, yaw."""
    covariance: np.ndarray
    """(3, 3) of x, y, yaw in map."""


# ------------------------------------------------------------------------------ perception


class ObstacleKind(StrEnum):
    """What an obstacle is taken for."""

    UNKNOWN = "unknown"
    STATIC = "static"
    PERSON = "person"
    CYCLIST = "cyclist"
    VEHICLE = "vehicle"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """
    One tracked obstacle in `odom`.

    `footprint` is the convex outline (K, 2) in odom, counter-clockwise. `predicted_path` (M, 2)
    holds the centre at stamp + (1..M) * `prediction_dt_s`, `predicted_sigma` (M,) its standard
    deviation per axis [m].
    """

    id: int
    kind: ObstacleKind
    position: np.ndarray
    velocity: np.ndarray
    covariance: np.ndarray
    """(4, 4) of x, y, vx, vy."""
    footprint: np.ndarray
    height_m: float
    age_s: float
    observed: bool
    """False while the track is carried through an occlusion."""
    predicted_path: np.ndarray
    predicted_sigma: np.ndarray
    prediction_dt_s: float


@dataclass(frozen=True, slots=True)
class ObstacleArray:
    """All tracked obstacles at `stamp_s`, in `odom`."""

    stamp_s: float
    obstacles: tuple[Obstacle, ...]


class Cell(IntEnum):
    """Values of the local cost map; as OccupancyGrid they are published unchanged."""

    UNKNOWN = -1
    FREE = 0
    CURB = 70
    DROP_OFF = 80
    OCCUPIED = 100


@dataclass(frozen=True, slots=True)
class LocalCostMap:
    """
    What the sensors know of the ground around the robot, in `odom`.

    `cells` is int8 (rows, columns) of `Cell`; row 0 is the smallest y, column 0 the smallest x;
    `origin` (2,) is the outer corner of cell (0, 0).
    """

    stamp_s: float
    origin: np.ndarray
    resolution_m: float
    cells: np.ndarray


@dataclass(frozen=True, slots=True)
class Marker:
    """A fiducial: `T_camera_marker` (4, 4), z out of the marker, x to its right seen from ahead."""

    id: int
    T_camera_marker: np.ndarray
    reprojection_px: float


@dataclass(frozen=True, slots=True)
class MarkerArray:
    """Fiducials found in one image; an image without any still gives one of these."""

    stamp_s: float
    frame_id: str
    markers: tuple[Marker, ...]


# -------------------------------------------------------------------------------- planning


class EdgeKind(StrEnum):
    """Kind of a route edge."""

    SIDEWALK = "sidewalk"
    FOOTWAY = "footway"
    CROSSING = "crossing"
    PATH = "path"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class RouteSpan:
    """A stretch of a route between two arc lengths, with what the map says about it."""

    start_m: float
    end_m: float
    kind: EdgeKind
    width_m: float
    speed_mps: float
    crossing_id: str
    """Empty unless `kind` is a crossing."""
    signalled: bool
    lanes: int
    """Lanes of the road that a crossing crosses, 0 elsewhere."""
    road_speed_mps: float
    """Speed limit of the road that a crossing crosses, 0 elsewhere."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way to go: `points` (K, 2) in `map`, at most 1 m apart, and the spans that cover it."""

    id: str
    points: np.ndarray
    spans: tuple[RouteSpan, ...]
    goal_yaw: float
    """Heading wanted at the end, NaN where any will do."""


class TrajectorySource(StrEnum):
    """Who asks for motion; the gate arbitrates by it."""

    PLANNER = "planner"
    DOCKING = "docking"


@dataclass(frozen=True, slots=True)
class Trajectory:
    """
    Motion planned in `odom`, always ending in a stop.

    `poses` (N + 1, 3) and `twists` (N + 1, 2) hold at stamp + k * `dt_s`; the last twist is zero.
    `certified` says that the whole of it, the braking tail included, was checked free.
    """

    stamp_s: float
    source: TrajectorySource
    dt_s: float
    poses: np.ndarray
    twists: np.ndarray
    certified: bool
    reason: str
    """Why the plan is slow or stands, empty when it drives freely."""
    sensed_stamp_s: float = float("nan")
    """Stamp of the newest lidar scan that the plan rests on, NaN without any."""


class PlannerState(StrEnum):
    """What the planner is doing."""

    IDLE = "idle"
    DRIVING = "driving"
    WAITING = "waiting"
    BLOCKED = "blocked"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class PlannerStatus:
    """Progress along the route and what holds the robot up."""

    stamp_s: float
    state: PlannerState
    route_id: str
    progress_m: float
    length_m: float
    solve_time_s: float
    """Measured by the node that ran the planner; NaN in lockstep."""
    reason: str


# --------------------------------------------------------------------------------- control


@dataclass(frozen=True, slots=True)
class Command:
    """Wanted body motion, the only thing that the base obeys."""

    stamp_s: float
    speed_mps: float
    yaw_rate: float


class SafetyLevel(StrEnum):
    """What the gate lets through."""

    DRIVE = "drive"
    STAND = "stand"
    """Nobody asks for motion."""
    BRAKE = "brake"
    """A cause below forces service braking."""
    EMERGENCY = "emergency"
    """A cause below forces emergency braking."""


@dataclass(frozen=True, slots=True)
class SafetyState:
    """State of the command gate and every cause that holds the robot."""

    stamp_s: float
    level: SafetyLevel
    source: str
    """planner, docking, teleop or none."""
    causes: tuple[str, ...]


# --------------------------------------------------------------------------------- handoff


@dataclass(frozen=True, slots=True)
class BayState:
    """
    The robot's parcel bay and the two wires to a docked locker.

    `occupied_a` and `occupied_b` are the two occupancy channels of the bay; `parcel_id` is what
    the bay's reader reads, empty when nothing is there. `door_closed` is the locker's hard-wired
    line, None while the dock contact is open. `docked` is that contact.
    """

    stamp_s: float
    occupied_a: bool
    occupied_b: bool
    parcel_id: str
    gap_clear: bool
    docked: bool
    door_closed: bool | None


@dataclass(frozen=True, slots=True)
class BayCommand:
    """Drive of the bay's conveyor (-1 takes in, 0 holds, +1 gives out) and the BUSY line."""

    stamp_s: float
    conveyor: int
    busy: bool


@dataclass(frozen=True, slots=True)
class CompartmentState:
    """One compartment of a locker."""

    id: str
    occupied_a: bool
    occupied_b: bool
    parcel_id: str
    temperature_c: float


@dataclass(frozen=True, slots=True)
class LockerHardwareState:
    """Sensors of a locker's robot side. `busy` is the robot's hard-wired line, None undocked."""

    stamp_s: float
    locker_id: str
    docked: bool
    busy: bool | None
    door_closed: bool
    door_open: bool
    gap_clear: bool
    compartments: tuple[CompartmentState, ...]


@dataclass(frozen=True, slots=True)
class LockerHardwareCommand:
    """
    Actuators of a locker's robot side.

    The robot door opens to the shuttle of `compartment_id`; `conveyor` is -1 to take in, +1 to
    give out.
    """

    stamp_s: float
    locker_id: str
    open_door: bool
    compartment_id: str
    conveyor: int


@dataclass(frozen=True, slots=True)
class CustodyState:
    """Who holds a parcel, as the robot's journal says."""

    stamp_s: float
    parcel_id: str
    custodian: str
    epoch: int
    handoff_id: str
    state: str
    reason: str


# ---------------------------------------------------------------- tasks (actions over ROS)


@dataclass(frozen=True, slots=True)
class FollowRouteGoal:
    """Drive `route` to its end."""

    goal_id: str
    route: Route


@dataclass(frozen=True, slots=True)
class DockGoal:
    """Dock at, or with `undock` leave, the locker."""

    goal_id: str
    locker_id: str
    undock: bool


class Direction(StrEnum):
    """Which way a parcel goes at a locker."""

    TO_ROBOT = "to_robot"
    TO_LOCKER = "to_locker"


@dataclass(frozen=True, slots=True)
class HandOverGoal:
    """Take a parcel from, or give it to, the locker that the robot is docked at."""

    goal_id: str
    order_id: str
    parcel_id: str
    locker_id: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class DeliverGoal:
    """Bring `parcel_id` from one locker to another."""

    goal_id: str
    order_id: str
    parcel_id: str
    from_locker_id: str
    to_locker_id: str


@dataclass(frozen=True, slots=True)
class TaskCancel:
    """Ask the server of the task to stop it safely."""

    goal_id: str


@dataclass(frozen=True, slots=True)
class TaskFeedback:
    """Progress of a running task: `phase` in a word, `progress` in its own unit."""

    goal_id: str
    stamp_s: float
    phase: str
    progress: float
    total: float
    text: str


class TaskOutcome(StrEnum):
    """How a task ended."""

    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """End of a task; `text` tells a person what happened, `data` names figures (SI)."""

    goal_id: str
    stamp_s: float
    outcome: TaskOutcome
    text: str
    data: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MissionState:
    """What the delivery executive is doing."""

    stamp_s: float
    order_id: str
    parcel_id: str
    phase: str
    text: str
    remaining_m: float


# ----------------------------------------------------------------------------- diagnostics


class DiagnosticLevel(IntEnum):
    """Levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One line of /diagnostics: what is watched, how it is, in words and figures."""

    name: str
    level: DiagnosticLevel
    message: str
    values: dict[str, str] = field(default_factory=dict)


# ------------------------------------------------------------------------------ simulation


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """
    What is really so in a simulated world; for evaluation only, no node of the stack reads it.

    `people` is (P, 5): id, x, y, vx, vy in map; `vehicles` (V, 6): id, x, y, yaw, v, length.
    """

    stamp_s: float
    pose_map_base: np.ndarray
    twist_base: np.ndarray
    people: np.ndarray
    vehicles: np.ndarray
    clearance_people_m: float
    """Smallest distance from the footprint to a person, inf without any."""
    clearance_m: float
    """Smallest distance from the footprint to anything, inf without any within 5 m."""
    contact: str
    """Names of all that the robot touches, with commas between; empty without contact."""
    parcel_places: dict[str, str] = field(default_factory=dict)
    """Parcel id to place: a locker id, `robot`, `gap` or `ground`."""
