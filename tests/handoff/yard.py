"""A robot in a yard that docks at a locker whose markers it sees with noise; no simulator."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import shapely
from tests.geometry.matrices import to_matrix
from tests.robot import FOOTPRINT
from tests.stepping import run_steps

from lastmile.geometry.se2 import advance, between, compose, invert, transform, wrap_angle
from lastmile.handoff.config import DockingConfig
from lastmile.handoff.docking import DockingComponent
from lastmile.handoff.port_estimate import R_PORT_MARKER
from lastmile.maps.lockers import standard_locker
from lastmile.types import (
    BaseState,
    BayState,
    Cell,
    DockGoal,
    LocalCostMap,
    LocalizationState,
    Marker,
    MarkerArray,
    Obstacle,
    ObstacleArray,
    ObstacleKind,
    OdometryEstimate,
    PoseEstimate,
)
from lastmile.vehicle.description import MotionLimits

T_BASE_CAMERA = np.array(
    [[0.0, 0.0, 1.0, 0.33], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.60], [0.0, 0.0, 0.0, 1.0]]
)
LOCKER = standard_locker("locker-a", "A", np.array([12.0, -5.0, 0.7]), 0)
POSE_MAP_ODOM = np.array([3.0, 1.0, -0.4])
DT_S = 0.01


@dataclass
class FakeRobot:
    mounts: dict
    footprint: np.ndarray
    limits: MotionLimits = field(default_factory=MotionLimits)


@dataclass
class FakeSite:
    lockers: tuple


@dataclass
class FakeContext:
    site: FakeSite
    robot: FakeRobot


class Yard:
    """A robot that follows the docking plan as the gate would, with odometry that slips."""

    def __init__(self, offset_port, seed=0, config=None, slip=0.01):
        self.rng = np.random.default_rng(seed)
        self.slip = slip
        mounts = {"camera_optical_frame": T_BASE_CAMERA, "port_link": _at(0.37, 0.0, 0.55)}
        context = FakeContext(FakeSite((LOCKER,)), FakeRobot(mounts, FOOTPRINT))
        self.component = DockingComponent(config or DockingConfig(), context)
        self.pose = compose(LOCKER.pose_map_port, np.array(offset_port, dtype=float))
        self.pose_map_odom = POSE_MAP_ODOM
        self.odom = compose(invert(POSE_MAP_ODOM), self.pose)
        self.twist = np.zeros(2)
        self.tick, self.set_back_s = 0, 0.0
        self.plan, self.results, self.feedback, self.plans = None, {}, [], []
        self.boxes_met, self.people_gap_m = [], np.inf
        self.obstacles, self.silent, self.boxes, self.unseen = [], set(), [], []
        self.lost_map = self.estop = False
        self.door_closed = True
        self.fastest_near_contact = 0.0

    @property
    def now_s(self):
        return self.tick * DT_S - self.set_back_s

    @property
    def before_port_m(self):
        """How far the base stands before the port, along its axis."""
        return between(LOCKER.pose_map_port, self.pose)[0]

    @property
    def port_error(self):
        error = between(LOCKER.pose_map_port, compose(self.pose, np.array([0.37, 0.0, 0.0])))
        return np.array([error[0], error[1], float(wrap_angle(error[2] - np.pi))])

    @property
    def docked(self):
        error = self.port_error
        return np.hypot(*error[:2]) < 0.02 and abs(error[2]) < np.radians(5.0)

    def markers(self):
        T_map_camera = to_matrix(self.pose) @ T_BASE_CAMERA
        found = []
        for marker_id, place in LOCKER.markers.items():
            T_port_marker = np.eye(4)
            T_port_marker[:3, :3], T_port_marker[:3, 3] = R_PORT_MARKER, place
            T = np.linalg.inv(T_map_camera) @ to_matrix(LOCKER.pose_map_port) @ T_port_marker
            x, y, z = T[:3, 3]
            if z < 0.2 or abs(x) + 0.08 > z * np.tan(np.radians(35.0)) or abs(y) > 0.39 * z:
                continue
            noise = self.rng.normal(0.0, 1.0, 3) * np.array([2e-4, 2e-4, 4e-3]) * z
            T[:3, 3] += noise
            T[:3, :3] = T[:3, :3] @ _turn(self.rng.normal(0.0, 0.01, 3))
            found.append(Marker(marker_id, T, 0.3))
        return MarkerArray(self.now_s, "camera_optical_frame", tuple(found))

    def feed(self):
        now_s, receive = self.now_s, self.component.receive
        if self.tick % 2 == 0 and "odometry" not in self.silent:
            receive("odometry", OdometryEstimate(now_s, self.odom, self.twist, np.eye(2) * 1e-4))
            receive(
                "localization/status",
                PoseEstimate(now_s, compose(self.pose_map_odom, self.odom), np.eye(3) * 1e-3,
                             self.pose_map_odom, LocalizationState.TRACKING, 0.3, 0.3, 0.05, ""),
            )  # fmt: skip
        if self.tick % 10 == 0:
            if "markers" not in self.silent:
                receive("markers", self.markers())
            receive("obstacles", ObstacleArray(now_s, tuple(self.obstacles)))
            closed = self.door_closed if self.docked else None
            receive("bay/state", BayState(now_s, False, False, "", True, bool(self.docked), closed))
            receive("base/state", BaseState(now_s, self.estop, False, False, False, 1.0))
        if self.tick % 20 == 0:
            receive("cost_map", self.cost_map())

    @property
    def pose_odom_port(self):
        return compose(compose(self.odom, invert(self.pose)), LOCKER.pose_map_port)

    def cost_map(self):
        """
        Free ground but for the locker, boxes (x0, y0, x1, y1 in the port frame) and the unseen.

        The locker's front blurs by 0.13 m, as was measured in the simulated world; nothing is seen
        behind it.
        """
        corner = np.floor(self.odom[:2] / 0.1) - 60.0
        origin = np.full(2, np.nan) if self.lost_map else 0.1 * corner
        grid = np.stack(np.meshgrid(np.arange(120), np.arange(120)), axis=-1)
        middles = 0.1 * (corner + grid + 0.5)
        x, y = transform(invert(self.pose_odom_port), middles).transpose(2, 0, 1)
        cells = np.full((120, 120), Cell.FREE, np.int8)
        cells[(x < 0.0) & (np.abs(y) < 1.0)] = Cell.UNKNOWN
        for boxes, value in ((self.unseen, Cell.UNKNOWN), (self.boxes, Cell.OCCUPIED)):
            for x0, y0, x1, y1 in boxes:
                cells[(x > x0) & (x < x1) & (y > y0) & (y < y1)] = value
        cells[(x > -0.05) & (x < 0.13) & (np.abs(y) < 1.05)] = Cell.OCCUPIED
        return LocalCostMap(self.now_s, origin, 0.1, cells)

    def step(self):
        self.tick += 1
        self.feed()
        if self.tick % 5 == 0:
            for topic, value in self.component.step(self.now_s):
                if topic == "docking/plan":
                    self.plan = value
                    self.plans.append(value)
                elif topic == "dock/result":
                    self.results[value.goal_id] = value
                else:
                    self.feedback.append(value)
        self.move()

    def move(self):
        wanted = np.zeros(2)
        if self.plan is not None and self.now_s - self.plan.stamp_s <= 0.2:
            times = self.plan.stamp_s + self.plan.dt_s * np.arange(len(self.plan.twists))
            at = self.now_s + 0.03
            wanted = np.array([np.interp(at, times, self.plan.twists[:, i]) for i in range(2)])
        limit = np.array([1.5, 2.5]) * DT_S
        self.twist = self.twist + np.clip(wanted - self.twist, -limit, limit)
        self.pose = advance(self.pose, self.twist, DT_S)
        # Odometry measures a little too short and drifts in heading.
        felt = self.twist * np.array([1.0 - self.slip, 1.0]) + np.array(
            [0.0, 0.0005 * self.slip / 0.01]
        )
        self.odom = advance(self.odom, felt, DT_S)
        self.measure()
        if -0.03 < self.port_error[0] < 0.1:
            self.fastest_near_contact = max(self.fastest_near_contact, abs(self.twist[0]))

    def measure(self):
        """Note boxes that the outline touches, and the least distance to people while it moves."""
        outline = shapely.Polygon(transform(between(LOCKER.pose_map_port, self.pose), FOOTPRINT))
        self.boxes_met += [b for b in self.boxes if outline.intersects(shapely.box(*b))]
        if np.abs(self.twist).max() > 1e-3:
            here = shapely.Polygon(transform(self.odom, FOOTPRINT))
            seen = [o.footprint for o in self.obstacles if np.isfinite(o.footprint).all()]
            gaps = [here.distance(shapely.Polygon(outline)) for outline in seen]
            self.people_gap_m = min([self.people_gap_m, *gaps])

    def run(self, seconds, until=lambda: False):
        return run_steps(self.step, seconds / DT_S, until)

    def restart_localization(self, seconds=1.0):
        """Take odometry away; afterwards odom is zero where the robot stands."""
        self.silent = {"odometry"}
        self.run(seconds)
        self.silent, self.odom = set(), np.zeros(3)
        self.pose_map_odom = self.pose.copy()

    def set_clock_back(self, seconds):
        """Set the clock back; the gate then drops its plan."""
        self.set_back_s += seconds
        self.plan = None

    def assert_stands(self, seconds):
        """Run on; the robot must not move."""
        stood = self.pose.copy()
        self.run(seconds)
        np.testing.assert_allclose(self.pose, stood, atol=1e-6)

    def order(self, goal_id="d1", undock=False):
        self.component.receive("dock/goal", DockGoal(goal_id, "locker-a", undock))

    def dock(self, goal_id="d1", undock=False, seconds=120.0):
        self.run(0.3)
        self.order(goal_id, undock)
        assert self.run(seconds, lambda: goal_id in self.results), self.feedback[-1:]
        return self.results[goal_id]


def _at(x, y, z):
    T = np.eye(4)
    T[:3, 3] = [x, y, z]
    return T


def _turn(rotvec):
    return cv2.Rodrigues(rotvec)[0]


def person(yard, offset_port, velocity=(0.0, 0.0)):
    """Somebody who stands at a place of the port frame."""
    pose_odom_port = compose(invert(POSE_MAP_ODOM), LOCKER.pose_map_port)
    place = compose(pose_odom_port, np.array([*offset_port, 0.0]))[:2]
    square = np.array([[-0.2, -0.2], [0.2, -0.2], [0.2, 0.2], [-0.2, 0.2]])
    return Obstacle(
        7, ObstacleKind.PERSON, place, np.array(velocity), np.eye(4), place + square, 1.7, 2.0,
        True, np.zeros((0, 2)), np.zeros(0), 0.2,
    )  # fmt: skip
