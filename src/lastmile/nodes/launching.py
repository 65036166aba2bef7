"""
The stack's plan as actions of `ros2 launch`.

Imported by launch/*.launch.py alone: `launch` comes with a ROS installation, not from wheels.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from launch.actions import ExecuteProcess, Shutdown
from launch_ros.actions import Node

from lastmile.errors import UserError
from lastmile.handoff.broker import free_port
from lastmile.handoff.config import LinkConfig
from lastmile.nodes.domain import ros_domain
from lastmile.nodes.environment import clean_stale_shared_memory, ros_environment
from lastmile.nodes.process_group import RESTART_DELAY_S, RESTARTS_MAX, RESTARTS_WITHIN_S
from lastmile.nodes.running import BAD_USAGE
from lastmile.nodes.stack_lock import StackLock
from lastmile.nodes.stack_plan import (
    RECORDER,
    PlannedNode,
    StackSettings,
    node_names,
    plan_nodes,
    read_broker,
)

TRUTHS = {"true": True, "1": True, "false": False, "0": False}
# Kept as long as the launch process lives; the kernel lets go of them at its end.
_held_locks: list[StackLock] = []


def run_folder(text: str) -> Path:
    """Give the folder of a run: what was asked for, or runs/<time>."""
    return Path(text or f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}").resolve()


def number(kind: Callable[[str], Any], text: str, name: str) -> Any:
    """Read a number of an argument; UserError if it is none."""
    try:
        return kind(text)
    except ValueError as error:
        raise UserError(f"{name}:={text}: expected a number ({kind.__name__})") from error


def truth(text: str, name: str) -> bool:
    """Read a yes or no of an argument, as `ros2 launch` spells it; UserError if it is neither."""
    try:
        return TRUTHS[text.lower()]
    except KeyError:
        raise UserError(f"{name}:={text}: expected true or false") from None


def choice(text: str, name: str, words: Collection[str]) -> str:
    """Read a word of an argument; UserError if it is none of those allowed."""
    if text not in words:
        raise UserError(f"{name}:={text}: expected {' or '.join(words)}")
    return text


def bridge_package(text: str) -> tuple[str, str]:
    """Give package and executable of the bridge to Gazebo; UserError for an unknown one."""
    choice(text, "bridge", ("auto", "ros_gz_bridge", "lastmile"))
    ros_gz = ("ros_gz_bridge", "parameter_bridge")
    if text == "ros_gz_bridge" or (text == "auto" and has_package(ros_gz[0])):
        return ros_gz
    return "lastmile", "gazebo_bridge"


def has_package(name: str) -> bool:
    """Tell whether a ROS package is installed."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    marker = Path("share/ament_index/resource_index/packages", name)
    return any((Path(prefix) / marker).is_file() for prefix in prefixes if prefix)


def stack_actions(settings: StackSettings, log_level: str) -> list[Any]:
    """
    Make the launch actions that start a stack.

    Raises
    ------
    UserError
        If its settings break a rule, or a stack runs already in this ROS domain and namespace.

    """
    ros_environment()
    lock = StackLock(ros_domain(), settings.namespace)
    lock.take(f"run folder {settings.run_dir}")
    _held_locks.append(lock)
    lock.refuse_running(set(node_names(settings)))
    clean_stale_shared_memory()
    link, actions = _link(settings)
    for node in plan_nodes(settings, link):
        actions.append(
            Node(
                package="lastmile",
                executable=node.executable,
                name=node.name,
                namespace=settings.namespace,
                parameters=[str(node.parameters)],
                arguments=["--ros-args", "--log-level", log_level],
                output="both",
                respawn=node.respawn,
                respawn_delay=RESTART_DELAY_S,
                on_exit=_on_exit(node),
            )
        )
    return actions


def _on_exit(node: PlannedNode) -> Callable[[Any, Any], Any]:
    """
    Decide at each end of a node whether the whole stack ends with it, as `lastmile up` does.

    Without its world or without one of its nodes for good, a robot is not to stay half up; and who
    refuses its usage would refuse it again.

    """
    restarts: list[float] = []

    def decide(event: Any, context: Any) -> Any:
        now = time.monotonic()
        restarts[:] = [at for at in restarts if now - at < RESTARTS_WITHIN_S]
        given_up = not node.respawn or len(restarts) >= RESTARTS_MAX
        restarts.append(now)
        if event.returncode == BAD_USAGE or (given_up and node.executable != RECORDER):
            return Shutdown(reason=f"{node.name} ended with exit code {event.returncode}")
        return None

    return decide


def _link(settings: StackSettings) -> tuple[LinkConfig, list[Any]]:
    if settings.broker:
        return read_broker(settings.broker), []
    port = free_port()
    folder = settings.run_dir / "state" / "broker"
    command = [sys.executable, "-m", "lastmile.nodes.broker_program"]
    broker = ExecuteProcess(
        cmd=[*command, "--port", str(port), "--folder", str(folder)],
        name="broker",
        on_exit=Shutdown(reason="the broker ended"),
    )
    return LinkConfig(host="127.0.0.1", port=port), [broker]
