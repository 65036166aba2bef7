"""Delays of the stack's processes, measured in a recorded run, as lockstep runs take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from lastmile.errors import UserError
from lastmile.evaluation.node_figures import node_figures
from lastmile.evaluation.run_log import RunLog
from lastmile.nodes.delivery_run import read_about
from lastmile.nodes.playback import DIAGNOSTICS, read_run, travel_times
from lastmile.stack.table import NODES

Delays = Mapping[str, tuple[float, float]]
"""Median and 99th percentile [s] by name."""

# The world is not a process of the robot: in lockstep it takes no time.
LEFT_OUT = ("simulator", "locker")
HEADER = """\
# Delays of the stack's processes, used in lockstep runs in place of real ones: how long a step
# takes to compute and publish, and how long a message travels until its reader looks, for sensors
# from the end of the measurement.
# Measured over ROS 2 by `lastmile campaign latencies`{where}.
"""


def measure_latencies(run_dir: Path) -> dict[str, Delays]:
    """
    Measure the delays of a recorded run.

    Compute delays are the step times that nodes tell on /diagnostics, messages read and written
    included; travel is from publication until the recorder took the message, which polls as seldom
    as the nodes do. What sensors publish travels from the end of the measurement.

    Raises
    ------
    UserError
        If the run cannot be read or tells of no node.

    """
    log = RunLog()
    namespace = read_about(run_dir)["namespace"]
    for observed in read_run(run_dir, (DIAGNOSTICS,), namespace):
        log.observe(*observed)
    figures = {f.name.rsplit("/", 1)[-1]: f for f in node_figures(log.diagnostics)}
    compute = {
        name: (1e-3 * figures[name].step_median_ms, 1e-3 * figures[name].step_p99_ms)
        for name in NODES
        if name in figures and name not in LEFT_OUT and figures[name].step_median_ms > 0.0
    }
    if not compute:
        raise UserError(f"{run_dir}: no node of the table told of its steps on /diagnostics")
    topics = sorted({topic for spec in NODES.values() for topic in spec.publishes})
    times = travel_times(run_dir / "run.mcap", topics, namespace)
    transport = {
        topic: tuple(float(q) for q in np.quantile(times[topic], [0.5, 0.99]))
        for topic in topics
        if len(times.get(topic, ())) > 1
    }
    return {"compute": compute, "transport": transport}


def write_latencies(delays: Mapping[str, Delays], path: Path, where: str = "") -> None:
    """Write delays as `config/latencies.yaml` has them; `where` tells on what they were taken."""
    values = {
        section: {
            name: {"median_s": round(median, 5), "p99_s": round(max(p99, median), 5)}
            for name, (median, p99) in entries.items()
        }
        for section, entries in delays.items()
    }
    text = HEADER.format(where=f", {where}" if where else "")
    path.write_text(text + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
