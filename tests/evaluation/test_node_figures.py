"""Figures of nodes from diagnostics made by hand."""

import pytest

from lastmile.evaluation.node_figures import complaints, node_figures
from lastmile.evaluation.run_log import RunLog
from lastmile.types import Diagnostic, DiagnosticLevel


def timing(median, worst, cpu_s):
    values = {
        "steps_per_s": "10.0",
        "published_per_s": "10.0",
        "step_median_ms": str(median),
        "step_p99_ms": str(worst),
        "step_max_ms": str(worst),
        "cpu_s": str(cpu_s),
    }
    return Diagnostic("planner: timing", DiagnosticLevel.OK, "on time", values)


def test_figures_of_a_node_are_summed_up_over_the_run_and_its_restart():
    log = RunLog()
    cpu = [1.0, 1.5, 2.0, 0.2, 0.7]
    for second, cpu_s in enumerate(cpu):
        log.observe(float(second), "planner", "diagnostics", timing(20 + second, 40, cpu_s))
    (figures,) = node_figures(log.diagnostics)
    assert figures.name == "planner"
    assert figures.step_median_ms == pytest.approx(22.0)
    assert figures.step_max_ms == pytest.approx(40.0)
    assert figures.cpu_s == pytest.approx(1.7)
    assert figures.cpu_ratio == pytest.approx(1.7 / 4.0)


def test_slowest_percent_of_steps_is_not_the_slowest_of_every_second():
    log = RunLog()
    for second in range(100):
        log.observe(float(second), "planner", "diagnostics", timing(20, 30 + second, 0.1 * second))
    (figures,) = node_figures(log.diagnostics)
    # 1000 steps, of which at least 100 are those of 30 to 129 ms: 10 are above 119.
    assert figures.step_p99_ms == pytest.approx(119.0, abs=1.5)


def test_complaints_come_in_order_and_without_those_of_the_start():
    log = RunLog()
    said = [
        (0.0, "planner: clock", DiagnosticLevel.WARN, "waits for /clock, none came so far"),
        (5.0, "planner: planner", DiagnosticLevel.WARN, "plan is late"),
        (6.0, "planner: planner", DiagnosticLevel.OK, "driving"),
        (3.0, "command_gate: command gate", DiagnosticLevel.ERROR, "e-stop"),
        (9.0, "planner: planner", DiagnosticLevel.WARN, "plan is later"),
    ]
    for stamp_s, name, level, message in said:
        log.observe(stamp_s, name.split(":")[0], "diagnostics", Diagnostic(name, level, message))
    first, second = complaints(log.diagnostics)
    assert (first.message, first.count) == ("e-stop", 1)
    assert (second.message, second.count) == ("plan is late", 2)
    assert (second.first_s, second.last_s) == (5.0, 9.0)


def test_causes_that_begin_differently_are_complaints_of_their_own():
    log = RunLog()
    for stamp_s, message in ((3.0, "plan: 0.3 s old"), (9.0, "odometry: 0.2 s old"),
                             (20.0, "plan: 0.4 s old")):  # fmt: skip
        line = Diagnostic("command_gate: command gate", DiagnosticLevel.WARN, message)
        log.observe(stamp_s, "command_gate", "diagnostics", line)
    plan, odometry = complaints(log.diagnostics)
    assert (plan.message, plan.count, plan.last_s) == ("plan: 0.3 s old", 2, 20.0)
    assert (odometry.message, odometry.count) == ("odometry: 0.2 s old", 1)


def test_seconds_without_outputs_do_not_count_for_the_median_of_steps():
    log = RunLog()
    for second in range(10):
        value = timing(20, 30, 0.1 * second)
        if second % 2:
            for key in ("published_per_s", "step_median_ms", "step_p99_ms"):
                del value.values[key]
        log.observe(float(second), "planner", "diagnostics", value)
    (figures,) = node_figures(log.diagnostics)
    assert figures.step_median_ms == pytest.approx(20.0)
    assert figures.steps_per_s == pytest.approx(10.0)
