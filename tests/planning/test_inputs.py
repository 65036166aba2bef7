"""Bad input of the planner is turned away, counted and named."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.robot import ROBOT

from lastmile.planning.component import build
from lastmile.planning.config import InputsConfig, PlannerConfig
from lastmile.planning.inputs import Inbox
from lastmile.types import LocalCostMap, Obstacle, ObstacleArray, ObstacleKind, OdometryEstimate

ODOMETRY = OdometryEstimate(10.0, np.zeros(3), np.zeros(2), np.eye(2))
OBSTACLE = Obstacle(
    3, ObstacleKind.PERSON, np.zeros(2), np.zeros(2), np.eye(4), np.zeros((4, 2)), 1.7, 1.0, True,
    np.zeros((5, 2)), np.zeros(5), 0.4,
)  # fmt: skip
COST_MAP = LocalCostMap(10.0, np.zeros(2), 0.1, np.zeros((20, 20), np.int8))


@pytest.mark.parametrize(
    ("topic", "value", "rule"),
    [
        ("odometry", replace(ODOMETRY, pose_odom_base=np.array([0, np.nan, 0])), "finite"),
        ("odometry", replace(ODOMETRY, twist_base=np.zeros(3)), "shape"),
        ("odometry", replace(ODOMETRY, stamp_s=np.nan), "finite"),
        ("odometry", replace(ODOMETRY, stamp_s=11.0), "ahead"),
        ("obstacles", ObstacleArray(10.0, (replace(OBSTACLE, velocity=np.full(2, np.inf)),)),
         "velocity of obstacle 3"),
        ("obstacles", ObstacleArray(10.0, (replace(OBSTACLE, prediction_dt_s=0.0),)), "step"),
        ("cost_map", replace(COST_MAP, resolution_m=0.0), "resolution"),
        ("cost_map", replace(COST_MAP, cells=np.zeros((2, 2), np.int8)), "at least"),
        ("imu", ODOMETRY, "does not read"),
    ],
)  # fmt: skip
def test_bad_values_are_rejected_with_the_rule(topic, value, rule):
    inbox = Inbox(InputsConfig())
    inbox.put(topic, value, 10.0)
    assert inbox.value(topic) is None
    assert inbox.rejections[topic] == 1
    assert rule in inbox.last_rejection


def test_repeated_and_older_stamps_are_rejected():
    inbox = Inbox(InputsConfig())
    for stamp_s in (10.0, 10.0, 9.9):
        inbox.put("odometry", replace(ODOMETRY, stamp_s=stamp_s), 10.0)
    assert inbox.rejections["odometry"] == 2


def test_staleness_names_topic_age_and_limit():
    inbox = Inbox(InputsConfig())
    assert "nothing received" in inbox.stale("odometry", 10.0)
    inbox.put("odometry", ODOMETRY, 10.0)
    assert inbox.stale("odometry", 10.1) == ""
    assert inbox.stale("odometry", 10.5) == "odometry: 0.50 s old, limit 0.20 s"


def test_rejections_show_in_the_diagnostics():
    planner = build(PlannerConfig(), SimpleNamespace(robot=ROBOT))
    planner.step(10.0)
    planner.receive("odometry", replace(ODOMETRY, twist_base=np.full(2, np.nan)))
    planner.step(10.1)
    values = planner.diagnose(10.0)[0].values
    assert values["rejected odometry"] == "1"
    assert "finite" in values["last rejection"]


def test_inputs_that_came_during_a_step_that_was_late_are_used():
    planner = build(PlannerConfig(), SimpleNamespace(robot=ROBOT))
    planner.step(10.0)
    planner.receive("odometry", replace(ODOMETRY, stamp_s=12.0))
    planner.step(12.0)
    assert "rejected odometry" not in planner.diagnose(12.0)[0].values


def test_values_in_odom_from_before_a_break_of_odometry_are_dropped_and_refused():
    inbox = Inbox(InputsConfig())
    inbox.put("odometry", ODOMETRY, 10.0)
    inbox.put("cost_map", COST_MAP, 10.0)
    inbox.put("odometry", replace(ODOMETRY, stamp_s=12.0), 12.0)
    assert inbox.value("cost_map") is None
    inbox.put("cost_map", replace(COST_MAP, stamp_s=11.9), 12.0)
    assert inbox.value("cost_map") is None
    assert "before the break of odometry at 12.000 s" in inbox.last_rejection
    inbox.put("cost_map", replace(COST_MAP, stamp_s=12.1), 12.1)
    assert inbox.value("cost_map") is not None
