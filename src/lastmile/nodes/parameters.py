"""
Config dataclasses as ROS parameters.

A node has the parameters of its component under their own dotted names and those of its host, the
same for every node, under `host.`. They are read once, strictly, and are read-only afterwards.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from lastmile.config import ConfigError, flatten, from_mapping, param, section, to_mapping
from lastmile.handoff.config import LinkConfig

HOST = "host"
# Parameters that rclpy declares by itself.
BUILT_IN = ("use_sim_time", "start_type_description_service")
BUILT_IN_PREFIX = "qos_overrides."


@dataclasses.dataclass(frozen=True)
class HostConfig:
    """What every node needs to know of the world around its component."""

    site: str = param("helsinki", "The site: a name, or the folder of a bundle.")
    robot: str = param("", "The robot's URDF, that of the project if empty.")
    state_dir: str = param(":memory:", "Folder of the journals, `:memory:` for none on disk.")
    party: str = param("robot-1", "Name of the robot or locker on the message link.")
    link: LinkConfig = section(LinkConfig, "The message link between robot and lockers.")
    seed: int = param(0, "Seed of the component's random generator.", low=0)
    autostart: bool = param(True, "Configure and activate without being asked.")
    simulation_rate: float = param(
        1.0,
        "Simulated seconds per second: the simulator keeps to it, the gate's watchdogs assume it.",
        low=0.05,
        high=20.0,
    )
    # Less than `clocks.STOPPED_S`: the gate takes a clock that stands for longer for stopped.
    simulation_patience_s: float = param(
        0.5,
        "Longest time for which the simulator waits for nodes that lag behind; 0 never waits.",
        unit="s",
        low=0.0,
        high=0.9,
    )


def read_parameters(node: Node, config_class: type) -> tuple[HostConfig, Any]:
    """
    Read the overrides a node was started with and declare all its parameters.

    Returns
    -------
    tuple
        The host's config and the component's.

    Raises
    ------
    ConfigError
        For an unknown name, a wrong type or a value outside its range.

    """
    # rclpy keeps silent about overrides that no declaration asks for; a mistyped name must not
    # pass, and the attribute is the only place that tells.
    mapping = _nested({name: p.value for name, p in node._parameter_overrides.items()})
    host = from_mapping(HostConfig, mapping.pop(HOST, {}), HOST)
    config = from_mapping(config_class, mapping)
    _declare(node, config, "")
    _declare(node, host, HOST)
    return host, config


def _nested(overrides: dict[str, Any]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for name, value in overrides.items():
        if name in BUILT_IN or name.startswith(BUILT_IN_PREFIX):
            continue
        *parents, leaf = name.split(".")
        place = mapping
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{name}: {parent!r} is a value, not a section")
        place[leaf] = value if isinstance(value, (bool, int, float, str)) else list(value or ())
    return mapping


def _declare(node: Node, config: Any, prefix: str) -> None:
    for dotted, field in flatten(type(config)).items():
        value = config
        for name in dotted.split("."):
            value = getattr(value, name)
        node.declare_parameter(
            f"{prefix}.{dotted}" if prefix else dotted,
            list(value) if isinstance(value, tuple) else value,
            describe(field, value),
            ignore_override=True,
        )


def describe(field: dataclasses.Field, value: Any) -> ParameterDescriptor:
    """Describe a parameter to `ros2 param` and rqt: text, unit, range, choices."""
    metadata = field.metadata
    unit, choices = metadata.get("unit", ""), metadata.get("choices", ())
    descriptor = ParameterDescriptor(
        description=metadata.get("text", "") + (f" [{unit}]" if unit else ""),
        additional_constraints=f"one of {', '.join(choices)}" if choices else "",
        read_only=True,
    )
    low, high = metadata.get("low"), metadata.get("high")
    if low is None and high is None:
        return descriptor
    if type(value) is float:
        descriptor.floating_point_range = [
            FloatingPointRange(
                from_value=-1e300 if low is None else float(low),
                to_value=1e300 if high is None else float(high),
            )
        ]
    elif type(value) is int:
        descriptor.integer_range = [
            IntegerRange(
                from_value=-(2**62) if low is None else int(low),
                to_value=2**62 if high is None else int(high),
                step=1,
            )
        ]
    return descriptor


def write_parameter_file(path: Path, config: Any, host: HostConfig, use_sim_time: bool) -> None:
    """Write a config and a host config as a ROS parameter file for any node name."""
    parameters = _filled(to_mapping(config)) | {HOST: to_mapping(host)}
    parameters["use_sim_time"] = use_sim_time
    text = yaml.safe_dump({"/**": {"ros__parameters": parameters}}, sort_keys=False)
    path.write_text(text, encoding="utf-8")


def _filled(mapping: dict[str, Any]) -> dict[str, Any]:
    """Leave out empty lists: ROS cannot tell their type, and the default is empty as well."""
    return {
        name: _filled(value) if isinstance(value, dict) else value
        for name, value in mapping.items()
        if value not in ([], {})
    }
