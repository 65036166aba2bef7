"""Delays measured in a recording that was written by hand."""

import json

import numpy as np
import pytest

from lastmile import types
from lastmile.errors import UserError
from lastmile.nodes.conversions import to_message
from lastmile.nodes.diagnostics import diagnostics_message
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.latencies import measure_latencies, write_latencies
from lastmile.nodes.recording import Recording
from lastmile.simulation.setting import read_latencies

ros_environment()

from rclpy.serialization import serialize_message  # noqa: E402


def write_run(folder, node="planner"):
    (folder / "run.json").write_text(json.dumps({"namespace": "/"}))
    file = Recording(folder / "run.mcap", "none", 0)
    file.add_channel("/cmd_vel", "geometry_msgs/msg/TwistStamped", "")
    file.add_channel("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "")
    for number in range(100):
        stamp_s = 0.1 * number
        data = serialize_message(to_message(types.Command(stamp_s, 0.5, 0.0)))
        file.write("/cmd_vel", data, stamp_s + 0.004, stamp_s)
        values = {
            "steps_per_s": "10.0",
            "published_per_s": "10.0",
            "step_median_ms": "20.0",
            "step_p99_ms": "50.0",
            "step_max_ms": "50.0",
            "cpu_s": f"{0.02 * number}",
        }
        line = types.Diagnostic("timing", types.DiagnosticLevel.OK, "on time", values)
        data = serialize_message(diagnostics_message(node, [line], stamp_s))
        file.write("/diagnostics", data, stamp_s, stamp_s)
    file.add_channel("/lidar/points", "sensor_msgs/msg/PointCloud2", "")
    for number in range(10):
        began_s = 0.1 * number
        points = np.full((4, 8, 3), 5.0, np.float32)
        offset_s = np.linspace(0.0, 0.1, 8, dtype=np.float32)
        turn = types.PointGrid(began_s, "lidar_link", points, np.zeros((4, 8), "f4"), offset_s)
        published_s = began_s + 0.115
        data = serialize_message(to_message(turn))
        file.write("/lidar/points", data, published_s + 0.005, published_s)
    file.close()


def test_delays_of_a_recorded_run_are_those_that_lockstep_runs_read(tmp_path):
    write_run(tmp_path)
    write_latencies(measure_latencies(tmp_path), tmp_path / "latencies.yaml", "on two cores")
    assert "on two cores" in (tmp_path / "latencies.yaml").read_text()
    read = read_latencies(tmp_path / "latencies.yaml")
    assert read.compute["planner"].median_s == pytest.approx(0.02)
    assert read.compute["planner"].p99_s == pytest.approx(0.05)
    assert read.transport["cmd_vel"].median_s == pytest.approx(0.004)
    # From the end of the turn: 15 ms of the driver and 5 ms on the way.
    assert read.transport["lidar/points"].median_s == pytest.approx(0.02, abs=1e-4)
    assert set(read.transport) == {"cmd_vel", "lidar/points"}


def test_run_without_diagnostics_of_the_stack_is_refused(tmp_path):
    write_run(tmp_path, node="something_else")
    with pytest.raises(UserError, match="no node of the table told of its steps"):
        measure_latencies(tmp_path)
