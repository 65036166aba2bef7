"""Node processes over DDS."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 90.0
PEERS = itertools.count()


class Process:
    """A toy node as a process; its standard error is kept."""

    def __init__(self, name: str, log: Path, *parameters: str) -> None:
        self.log = log
        arguments = ["--ros-args", "-p", f"host.robot:={ROOT}/sim/robot/lastmile.urdf"]
        for parameter in parameters:
            arguments += ["-p", parameter]
        with log.open("w") as file:
            self.popen = subprocess.Popen(
                [sys.executable, str(Path(__file__).parent / "toy.py"), name, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def interrupt(self) -> int:
        """Send SIGINT and give the exit code."""
        self.popen.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end and give the exit code."""
        return self.popen.wait(DEADLINE_S)

    def said(self) -> str:
        """Give what it printed."""
        return self.log.read_text()


@pytest.fixture
def start(tmp_path):
    """Start toy nodes, and end them so that they take leave of the others."""
    processes = []

    def start_toy(name: str, *parameters: str) -> Process:
        process = Process(name, tmp_path / f"{len(processes)}_{name}.log", *parameters)
        processes.append(process)
        return process

    yield start_toy
    for process in processes:
        if process.popen.poll() is None:
            process.interrupt()


@pytest.fixture(scope="session")
def ros():
    """Give this process a ROS context."""
    from lastmile.nodes.environment import ros_environment

    ros_environment()
    import rclpy

    rclpy.init()
    yield rclpy
    rclpy.shutdown()


class Peer:
    """The test's own node: publishes, subscribes, spins until something is so."""

    def __init__(self, rclpy) -> None:
        self.rclpy = rclpy
        self.node = rclpy.create_node(f"peer_{next(PEERS)}")
        self.seen: dict[str, list] = {}
        self._publishers = {}

    def listen(self, name: str) -> list:
        """Collect the values of a topic."""
        from lastmile.nodes.conversions import reader
        from lastmile.nodes.message_types import message_class
        from lastmile.nodes.qos import profile_of
        from lastmile.stack.topics import TOPICS

        topic, came = TOPICS[name], self.seen.setdefault(name, [])
        read = reader(topic.value)
        self.node.create_subscription(
            message_class(topic.message),
            name,
            lambda message: came.append(read(message)),
            profile_of(topic),
        )
        return came

    def send(self, name: str, message) -> None:
        """Publish a message of a topic."""
        from lastmile.nodes.message_types import message_class
        from lastmile.nodes.qos import profile_of
        from lastmile.stack.topics import TOPICS

        if name not in self._publishers:
            topic = TOPICS[name]
            self._publishers[name] = self.node.create_publisher(
                message_class(topic.message), name, profile_of(topic)
            )
        self._publishers[name].publish(message)

    def until(self, done, doing=lambda: None) -> None:
        """Spin until `done()`, calling `doing()` in between; fail after the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < deadline, "the deadline passed"
            doing()
            self.rclpy.spin_once(self.node, timeout_sec=0.02)


@pytest.fixture
def peer(ros):
    """Give the test a node."""
    peer = Peer(ros)
    yield peer
    peer.node.destroy_node()
