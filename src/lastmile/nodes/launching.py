"""
The stack's plan as actions of `ros2 launch`.

Imported by launch/*.launch.py alone: `launch` comes with a ROS installation, not from wheels.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from launch.actions import ExecuteProcess, Shutdown
from launch_ros.actions import Node

from lastmile.handoff.broker import free_port
from lastmile.handoff.config import LinkConfig
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.stack_plan import RECORDER, StackSettings, plan_nodes, read_broker

RESPAWN_DELAY_S = 0.3


def run_folder(text: str) -> Path:
    """Give the folder of a run: what was asked for, or runs/<time>."""
    return Path(text or f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}").resolve()


def stack_actions(settings: StackSettings, log_level: str) -> list[Any]:
    """Make the launch actions that start a stack; UserError where its settings break a rule."""
    ros_environment()
    link, actions = _link(settings)
    for node in plan_nodes(settings, link):
        # Without its world or without one of its nodes for good, a robot is not to stay half up.
        ends_all = node.executable != RECORDER and not node.respawn
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
                respawn_delay=RESPAWN_DELAY_S,
                on_exit=Shutdown(reason=f"{node.name} ended") if ends_all else None,
            )
        )
    return actions


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
