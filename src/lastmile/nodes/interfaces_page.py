"""docs/interfaces.md: topics, actions, frames and parameters, written from the code."""

from __future__ import annotations

from typing import Any

from lastmile.config import flatten
from lastmile.nodes.parameters import HOST, HostConfig
from lastmile.nodes.recorder_node import RecorderConfig
from lastmile.nodes.surroundings import ROBOT
from lastmile.nodes.views import VIEWS
from lastmile.share import find_share
from lastmile.stack.build import resolve
from lastmile.stack.parameter_files import describe_range
from lastmile.stack.table import NODES, NodeSpec
from lastmile.stack.topics import ACTIONS, TOPICS
from lastmile.vehicle.description import read_robot

HEAD = """\
# Interfaces

<!-- Written by `lastmile docs interfaces` from stack/topics.py, stack/table.py and the config
dataclasses; change those, not this page. -->

Names are relative, so that a namespace holds one robot; `/tf`, `/tf_static`, `/clock` and
`/diagnostics` are where ROS has them. Units are SI and radians (REP-103), frames `map -> odom ->
base_link` (REP-105). Quality of service: *sensor* is best effort with the newest few, *reliable* is
reliable and volatile, *latched* is reliable and transient local with a depth of 1.

A message that breaks its form (sizes, byte order, unknown words) is left out, counted and told on
`/diagnostics` with the value and the rule. Nodes are managed (lifecycle) and bring themselves up
unless `host.autostart` is false; a Nav2 lifecycle manager wants `bond_timeout: 0.0` for them.
Programs end with 0 after SIGINT or SIGTERM, 1 when they failed, 2 for bad usage.
"""


def interfaces_page() -> str:
    """Write the whole page."""
    parts = [HEAD, _topics(), _views(), _actions(), _frames(), _nodes(), _parameters()]
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    # A vertical line would end the cell.
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def _topics() -> str:
    rows = []
    for topic in TOPICS.values():
        giving = [spec.name for spec in NODES.values() if topic.name in spec.publishes]
        taking = [spec.name for spec in NODES.values() if topic.name in spec.subscribes]
        rows.append(
            (
                f"`{topic.name}`",
                f"`{topic.message}`",
                topic.qos.value,
                ", ".join(giving) or "outside",
                ", ".join(taking) or "outside",
                topic.text,
            )
        )
    head = ("topic", "message", "QoS", "from", "to", "what")
    return f"## Topics\n\n{_table(head, rows)}\n"


def _views() -> str:
    rows = []
    for node, views in VIEWS.items():
        for view in views:
            for name, (message_type, qos) in view.topics.items():
                package = message_type.__module__.split(".")[0]
                message = f"`{package}/msg/{message_type.__name__}`"
                rows.append((f"`{name}`", message, qos.value, node, view.texts[name]))
    rows.append(
        (
            "`/diagnostics`",
            "`diagnostic_msgs/msg/DiagnosticArray`",
            "reliable",
            "every node",
            "State, step times, lost and malformed messages, CPU; 1 Hz.",
        )
    )
    rows.append(
        ("`/clock`", "`rosgraph_msgs/msg/Clock`", "sensor", "simulator", "Simulated time, 100 Hz.")
    )
    head = ("topic", "message", "QoS", "from", "what")
    text = "Standard messages for RViz, Foxglove and Nav2's tools; no node of the stack reads them."
    return f"## Views\n\n{text}\n\n{_table(head, rows)}\n"


def _actions() -> str:
    rows = []
    for action in ACTIONS.values():
        serving = [spec.name for spec in NODES.values() if action.name in spec.serves]
        calling = [spec.name for spec in NODES.values() if action.name in spec.calls]
        rows.append(
            (
                f"`{action.name}`",
                f"`{action.message}`",
                ", ".join(serving),
                ", ".join(calling) or "operator",
                action.text,
            )
        )
    head = ("action", "type", "served by", "called by", "what")
    text = (
        "Every action answers with `TaskResult` (outcome, a text for people, named figures) and\n"
        "reports `TaskFeedback`; all can be canceled, and end in standstill then."
    )
    return f"## Actions\n\n{text}\n\n{_table(head, rows)}\n"


def _frames() -> str:
    robot = read_robot(find_share(ROBOT))
    rows = [
        ("`map`", "", "Local east-north-up about the site's origin."),
        ("`odom`", "`map`", "Never jumps; the correction in map comes from localization alone."),
        ("`base_link`", "`odom`", "On the ground midway between the drive wheels, x forward."),
    ]
    for frame, T in sorted(robot.mounts.items()):
        if frame != "base_link":
            x, y, z = (f"{value + 0.0:.3f}" for value in T[:3, 3])
            rows.append((f"`{frame}`", "`base_link`", f"At ({x}, {y}, {z}) m."))
    text = f"Mounts are those of `{ROBOT}`."
    return f"## Frames\n\n{text}\n\n{_table(('frame', 'in', 'where'), rows)}\n"


def _nodes() -> str:
    rows = [
        (
            f"`{spec.name}`",
            spec.text,
            f"{1.0 / spec.period_s:g} Hz" + (f" and on `{spec.trigger}`" if spec.trigger else ""),
            "yes" if spec.critical else "",
            "yes" if spec.respawn else "",
        )
        for spec in NODES.values()
    ]
    rows.append(("`recorder`", "All topics into one MCAP file.", "as they come", "", "yes"))
    head = ("node", "what", "steps", "needed to drive", "restarted")
    text = (
        "One process each. Without a node that is needed to drive, the gate brakes. Lockers are\n"
        "one node each, named `locker_<id>`."
    )
    return f"## Nodes\n\n{text}\n\n{_table(head, rows)}\n"


def _parameters() -> str:
    text = (
        "Read once at the start, strictly: an unknown name, a wrong type or a value outside its\n"
        "range ends the node with exit code 2 and a message. `host.` is the same for every node."
    )
    parts = [f"## Parameters\n\n{text}\n", _config_table("every node", HostConfig, f"{HOST}.")]
    parts += [_config_table(spec.name, _config_class(spec), "") for spec in NODES.values()]
    parts.append(_config_table("recorder", RecorderConfig, ""))
    return "\n".join(parts)


def _config_class(spec: NodeSpec) -> type:
    return resolve(spec.config)


def _config_table(name: str, config_class: type, prefix: str) -> str:
    defaults, rows = config_class(), []
    for dotted, field in flatten(config_class).items():
        value: Any = defaults
        for part in dotted.split("."):
            value = getattr(value, part)
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
        if isinstance(value, (tuple, float)):
            shown = str(list(value) if isinstance(value, tuple) else value)
        rows.append(
            (f"`{prefix}{dotted}`", f"`{shown}`", describe_range(field), field.metadata["text"])
        )
    head = ("parameter", "default", "range", "what")
    return f"### {name}\n\n{_table(head, rows)}\n"
