"""
A flat little world for closed loops of planner and gate, quicker than the simulator.

Static things are a grid seen by rays, people are discs that walk straight and see nothing, the
robot follows commands with a lag. Perception is exact but late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from tests.robot import FOOTPRINT, ROBOT

from lastmile.control.component import build as build_gate
from lastmile.control.config import GateConfig
from lastmile.geometry import polyline
from lastmile.geometry.se2 import advance, between, compose, invert
from lastmile.planning.component import build as build_planner
from lastmile.planning.config import PlannerConfig
from lastmile.types import (
    BaseState,
    BayCommand,
    Cell,
    EdgeKind,
    FollowRouteGoal,
    LocalCostMap,
    LocalizationState,
    Obstacle,
    ObstacleArray,
    ObstacleKind,
    OdometryEstimate,
    PoseEstimate,
    Route,
    RouteSpan,
)

DT_S = 0.02
CELL_M = 0.1
MAP_CELLS = 200


def make_route(points, width_m=2.0, speed_mps=1.4, goal_yaw=np.nan, spans=None):
    points = polyline.resample(np.asarray(points, float), 1.0)
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    spans = spans or (
        RouteSpan(0.0, length, EdgeKind.SIDEWALK, width_m, speed_mps, "", False, 0, 0.0),
    )
    return Route("route", points, spans, goal_yaw)


@dataclass
class Walker:
    """Walks with `velocity`; a disc of `radius_m` unless it has an outline of its own."""

    position: np.ndarray
    velocity: np.ndarray
    radius_m: float = 0.25
    kind: ObstacleKind = ObstacleKind.PERSON
    outline: np.ndarray | None = None
    observed: bool = True

    def shape(self):
        if self.outline is not None:
            return self.outline
        angles = np.arange(8) * np.pi / 4.0
        return self.radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


@dataclass
class World:
    size_m: tuple[float, float]
    origin: np.ndarray = field(default_factory=lambda: np.array([-10.0, -10.0]))
    walkers: list[Walker] = field(default_factory=list)
    pose: np.ndarray = field(default_factory=lambda: np.zeros(3))
    pose_map_odom: np.ndarray = field(default_factory=lambda: np.zeros(3))
    error_map: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """Pose in map of the map that localization believes in."""
    config: PlannerConfig = field(default_factory=PlannerConfig)
    signals: object = None
    lag_s: float = 0.08

    def __post_init__(self):
        columns, rows = (int(v / CELL_M) for v in self.size_m)
        self.cells = np.zeros((rows, columns), np.int8)
        context = SimpleNamespace(robot=ROBOT)
        self.planner = build_planner(self.config, context)
        self.gate = build_gate(GateConfig(), context)
        self.k = 0
        self.twist = np.zeros(2)
        self.command = np.zeros(2)
        self.state = LocalizationState.TRACKING
        self.silent = set()
        self.result = None
        self.status = None
        self.safety = None
        self.log = []
        self.plans = []
        self.least_people_m = np.inf
        self.contact = ""

    @property
    def t(self):
        return self.k * DT_S

    # ---------------------------------------------------------------------------- building

    def box(self, x0, y0, x1, y1, cell=Cell.OCCUPIED):
        low = np.floor((np.array([x0, y0]) - self.origin) / CELL_M + 1e-6).astype(int)
        high = np.ceil((np.array([x1, y1]) - self.origin) / CELL_M - 1e-6).astype(int)
        low = np.maximum(low, 0)
        self.cells[low[1] : max(high[1], 0), low[0] : max(high[0], 0)] = cell

    def drive(self, route):
        self.planner.receive("follow_route/goal", FollowRouteGoal("g", route))

    # ------------------------------------------------------------------------------ running

    def run(self, duration_s, until=None):
        for _ in range(round(duration_s / DT_S)):
            self.step()
            if self.result is not None or (until is not None and until(self)):
                break
        return self

    def step(self):
        t = self.t
        self._sense(t)
        if self.k % 5 == 0:
            for topic, value in self.planner.step(t):
                if topic == "plan":
                    self.plans.append(value)
                    self._send("plan", value, (self.gate,))
                elif topic == "follow_route/result":
                    self.result = value
                elif topic == "planner/status":
                    self.status = value
        for topic, value in self.gate.step(t):
            if topic == "cmd_vel":
                self.command = np.array([value.speed_mps, value.yaw_rate])
            else:
                self.safety = value
        self._move()
        self._judge()
        self.log.append([t, *self.pose, *self.twist])
        self.k += 1

    def _send(self, topic, value, to):
        if topic not in self.silent:
            for component in to:
                component.receive(topic, value)

    def _sense(self, t):
        both = (self.planner, self.gate)
        pose_odom = between(self.pose_map_odom, self.pose)
        self._send("odometry", OdometryEstimate(t, pose_odom, self.twist.copy(), np.eye(2)), both)
        self._send(
            "localization/status",
            PoseEstimate(
                t,
                compose(self.error_map, self.pose),
                np.eye(3),
                compose(self.error_map, self.pose_map_odom),
                self.state,
                0.1,
                0.1,
                0.01,
                "",
            ),
            both,
        )
        base = BaseState(t, False, False, False, False, 1.0)
        self._send("base/state", base, both)
        self._send("bay/command", BayCommand(t, 0, False), (self.gate,))
        if self.k % 5 == 0:
            self._send("obstacles", self._obstacles(t), both)
        if self.k % 10 == 0:
            self._send("cost_map", self.cost_map(t), (self.planner,))
        if self.signals is not None and self.k % 25 == 0:
            self._send("signals", self.signals(t), (self.planner,))

    def _obstacles(self, t):
        late_s = 0.1
        T_odom_map = invert(self.pose_map_odom)
        found = []
        for i, w in enumerate(self.walkers):
            if np.hypot(*(w.position - self.pose[:2])) > 60.0:
                continue
            position = between(self.pose_map_odom, np.array([*w.position, 0.0]))[:2]
            c, s = np.cos(T_odom_map[2]), np.sin(T_odom_map[2])
            velocity = np.array([[c, -s], [s, c]]) @ w.velocity
            position = position - late_s * velocity
            times = 0.4 * np.arange(1, 13)[:, None]
            found.append(
                Obstacle(
                    i,
                    w.kind,
                    position,
                    velocity,
                    0.01 * np.eye(4),
                    w.shape() + position,
                    1.7,
                    5.0,
                    w.observed,
                    position + times * velocity,
                    0.05 + 0.1 * times[:, 0],
                    0.4,
                )
            )
        return ObstacleArray(t - late_s, tuple(found))

    def cost_map(self, t):
        """What rays from the mast see: free up to the first occupied cell, unknown behind."""
        pose_odom = between(self.pose_map_odom, self.pose)
        corner = np.floor(pose_odom[:2] / CELL_M) * CELL_M - 0.5 * MAP_CELLS * CELL_M
        middles = (np.arange(MAP_CELLS) + 0.5) * CELL_M
        x, y = np.meshgrid(corner[0] + middles, corner[1] + middles)
        c, s = np.cos(self.pose_map_odom[2]), np.sin(self.pose_map_odom[2])
        wx = c * x - s * y + self.pose_map_odom[0]
        wy = s * x + c * y + self.pose_map_odom[1]
        truth = self.cell_at(wx, wy)
        angles = np.linspace(-np.pi, np.pi, 900, endpoint=False)
        ranges = np.arange(0.05, 10.0, 0.1)
        rx = pose_odom[0] + np.cos(angles)[:, None] * ranges
        ry = pose_odom[1] + np.sin(angles)[:, None] * ranges
        j = np.clip(((rx - corner[0]) / CELL_M).astype(int), 0, MAP_CELLS - 1)
        i = np.clip(((ry - corner[1]) / CELL_M).astype(int), 0, MAP_CELLS - 1)
        hit = truth[i, j] == Cell.OCCUPIED
        seen = np.cumsum(np.cumsum(hit, axis=1), axis=1) <= 1
        cells = np.full((MAP_CELLS, MAP_CELLS), Cell.UNKNOWN, np.int8)
        cells[i[seen], j[seen]] = truth[i[seen], j[seen]]
        return LocalCostMap(t, corner, CELL_M, cells)

    def cell_at(self, x, y):
        j = np.floor((x - self.origin[0]) / CELL_M).astype(int)
        i = np.floor((y - self.origin[1]) / CELL_M).astype(int)
        rows, columns = self.cells.shape
        inside = (i >= 0) & (j >= 0) & (i < rows) & (j < columns)
        return np.where(
            inside, self.cells[np.clip(i, 0, rows - 1), np.clip(j, 0, columns - 1)], Cell.UNKNOWN
        )

    def _move(self):
        part = DT_S / (self.lag_s + DT_S)
        self.twist = self.twist + part * (self.command - self.twist)
        self.pose = advance(self.pose, self.twist, DT_S)
        for w in self.walkers:
            w.position = w.position + DT_S * w.velocity

    def _judge(self):
        c, s = np.cos(self.pose[2]), np.sin(self.pose[2])
        edge = np.concatenate(
            [
                np.linspace(a, b, 8)
                for a, b in zip(FOOTPRINT, np.roll(FOOTPRINT, -1, axis=0), strict=True)
            ]
        )
        points = edge @ np.array([[c, s], [-s, c]]) + self.pose[:2]
        touched = self.cell_at(points[:, 0], points[:, 1])
        if (touched > 0).any():
            self.contact = f"{Cell(int(touched.max())).name} at {self.pose[:2].round(2)}"
        moving = abs(self.twist[0]) > 0.03
        for w in self.walkers:
            local = np.array([[c, s], [-s, c]]) @ (w.position - self.pose[:2])
            outside = np.maximum(np.abs(local) - [0.35, 0.275], 0.0)
            gap = float(np.hypot(*outside)) - w.radius_m
            if moving and w.outline is None:
                self.least_people_m = min(self.least_people_m, gap)
