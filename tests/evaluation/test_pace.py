"""The pace of the world, from what the simulator told of it."""

import pytest

from lastmile.evaluation.pace import Pace, describe_pace, pace_of, slowest_rate
from lastmile.evaluation.run_log import Entry
from lastmile.types import Diagnostic, DiagnosticLevel


def told(*lines):
    """Make the diagnostics of a simulator: rate, simulated and wall time, and what it waited."""
    entries = []
    for rate, simulated_s, wall_s, waited_s in lines:
        values = {"rate": f"{rate}", "wanted": "2", "simulated_s": f"{simulated_s}",
                  "wall_s": f"{wall_s}", "waited_s": f"{waited_s}"}  # fmt: skip
        value = Diagnostic("simulator: pace", DiagnosticLevel.OK, "", values)
        entries.append(Entry(simulated_s, "simulator", value))
    return {"simulator: pace": entries, "planner: timing": []}


def test_pace_is_from_the_first_second_of_the_running_world_to_the_last():
    waiting = [(0.0, 0.0, float(k), 0.0) for k in range(20)]
    lines = told(*waiting, (2.0, 2.0, 21.0, 0.0), (2.0, 4.0, 22.0, 0.0), (0.5, 5.0, 24.0, 1.5))
    assert pace_of(lines) == Pace(pytest.approx(1.0), 2.0, 1.5)


def test_seconds_that_were_not_recorded_count_all_the_same():
    assert pace_of(told((1.0, 1.0, 1.0, 0.0), (1.0, 6.0, 11.0, 4.0))).rate == pytest.approx(0.5)


@pytest.mark.parametrize("lines", [{}, told(), told((1.0, 1.0, 1.0, 0.0))])
def test_without_a_simulator_that_tells_of_it_the_pace_is_not_known(lines):
    assert pace_of(lines) is None
    assert describe_pace(None).startswith("not known")


def test_slowest_second_is_that_of_the_span():
    lines = told((0.1, 1.0, 1.0, 0.0), (0.9, 2.0, 2.0, 0.0), (0.7, 3.0, 3.0, 0.0))
    assert slowest_rate(lines, 2.0, 9.0) == pytest.approx(0.7)
    assert slowest_rate(lines, 5.0, 9.0) is None
