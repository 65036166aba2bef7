"""
The `recorder` node as a program: all topics of the stack into one MCAP file.

Messages are kept as they came, serialized; clouds, images and cost maps can be thinned. What was
recorded until a failure stays readable.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rosgraph_msgs.msg import Clock

from lastmile.config import param
from lastmile.errors import UserError
from lastmile.nodes._fields import seconds
from lastmile.nodes.clocks import ClockHistory
from lastmile.nodes.conversions import CAMERA_INFO_TOPIC
from lastmile.nodes.diagnostics import StepMeter, diagnostics_message
from lastmile.nodes.message_types import message_class
from lastmile.nodes.parameters import read_parameters
from lastmile.nodes.polling import Poller, drain, take_stamped
from lastmile.nodes.qos import newest_only, profile
from lastmile.nodes.recording import COMPRESSIONS, Recording
from lastmile.nodes.running import poll_loop, run_node
from lastmile.nodes.views import VIEWS
from lastmile.stack.topics import TOPICS, Qos
from lastmile.types import Diagnostic, DiagnosticLevel

HOUSEKEEPING_S = 0.25
DIAGNOSTICS_S = 1.0
QOS_YAML = (
    "- history: 1\n  depth: {depth}\n  reliability: {reliability}\n  durability: {durability}\n"
    "  deadline:\n    sec: 9223372036\n    nsec: 854775807\n"
    "  lifespan:\n    sec: 9223372036\n    nsec: 854775807\n"
    "  liveliness: 1\n  liveliness_lease_duration:\n    sec: 9223372036\n    nsec: 854775807\n"
    "  avoid_ros_namespace_conventions: false\n"
)


@dataclass(frozen=True)
class RecorderConfig:
    """What is kept of a run."""

    output: str = param("run.mcap", "The file; if it exists, a number is put behind its name.")
    compression: str = param("zstd", "Compression of chunks.", choices=tuple(COMPRESSIONS))
    lidar_every: int = param(10, "Of the lidar clouds one in so many, 0 for none.", low=0)
    depth_every: int = param(10, "Of the depth clouds one in so many, 0 for none.", low=0)
    camera_every: int = param(20, "Of the images one in so many, 0 for none.", low=0)
    cost_map_every: int = param(5, "Of the cost maps one in so many, 0 for none.", low=0)
    free_min_mb: float = param(
        200.0, "Space that stays free on the disk, or recording ends.", unit="MB", low=0.0
    )


@dataclass
class _Track:
    """One recorded topic."""

    name: str
    """With its namespace."""
    subscription: Any
    every: int
    count: int = 0


class RecorderNode(LifecycleNode):
    """Subscribes to everything and writes it down."""

    pause_s = 0.01

    def __init__(self) -> None:
        super().__init__("recorder")
        self.failure = ""
        self.host, self.config = read_parameters(self, RecorderConfig)
        self.simulated = bool(self.get_parameter("use_sim_time").value)
        self._service_executor = SingleThreadedExecutor()
        self._service_executor.add_node(self)
        self._poller = Poller(self)
        self._clock_input = self._poller.subscribe(Clock, "/clock", newest_only())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._recording: Recording | None = None
        self._tracks: list[_Track] = []
        self._clock = ClockHistory(self.host.simulation_rate)
        self._stamp_s = 0.0
        self._meter = StepMeter()
        self._active = False
        self._housekeeping_at = self._diagnostics_at = 0.0

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the file and subscribe."""
        try:
            self._recording = Recording(
                Path(self.config.output),
                self.config.compression,
                int(self.config.free_min_mb * 1e6),
            )
            for topic, message, qos in recorded_topics():
                self._add_track(topic, message, qos)
        except UserError as error:
            self.failure = str(error)
            self.close()
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to write."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to write; the file stays open."""
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the file and let go of the topics."""
        self.close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the file and let go of the topics."""
        self.close()
        self._active = False
        return super().on_shutdown(state)

    def close(self) -> None:
        """Write what came last, finish the file with its index, take all topics off the graph."""
        if self._recording is None:
            return
        self._take_all()
        recording, self._recording = self._recording, None
        for track in self._tracks:
            self.destroy_subscription(track.subscription)
        self._tracks.clear()
        recording.close()

    def spin_some(self) -> None:
        """Write what came."""
        now = time.monotonic()
        self._read_clock()
        if self._recording is not None:
            self._take_all()
            self._meter.add(time.monotonic() - now, 0.0, published=True)
        if now >= self._housekeeping_at:
            self._housekeeping_at = now + HOUSEKEEPING_S
            drain(self._service_executor)
        if now >= self._diagnostics_at:
            self._diagnostics_at = now + DIAGNOSTICS_S
            self._diagnose()

    def _read_clock(self) -> None:
        for message, system_s in take_stamped(self._clock_input):
            self._clock.add(system_s, seconds(message.clock))
        self._stamp_s = self._ros_time(time.time())

    def _ros_time(self, system_s: float) -> float:
        return self._clock.at(system_s) if self.simulated else system_s

    def _add_track(self, topic: str, message: str, qos: Qos) -> None:
        quality = profile(qos, message)
        subscription = self._poller.subscribe(message_class(message), topic, quality, raw=True)
        every = 1
        if topic.endswith("/points"):
            lidar = topic.startswith("lidar")
            every = self.config.lidar_every if lidar else self.config.depth_every
        elif topic == "camera/image":
            every = self.config.camera_every
        elif topic == "cost_map":
            every = self.config.cost_map_every
        full_name = self.resolve_topic_name(topic)
        self._tracks.append(_Track(full_name, subscription, every))
        text = QOS_YAML.format(
            depth=quality.depth,
            reliability=int(quality.reliability),
            durability=int(quality.durability),
        )
        self._recording.add_channel(full_name, message, text)

    def _take_all(self) -> None:
        for track in self._tracks:
            for data, system_s in take_stamped(track.subscription):
                track.count += 1
                if self._active and track.every and (track.count - 1) % track.every == 0:
                    published_s = min(self._ros_time(system_s), self._stamp_s)
                    self._recording.write(track.name, data, self._stamp_s, published_s)

    def _diagnose(self) -> None:
        megabytes = self._recording.bytes_written / 1e6 if self._recording else 0.0
        values = {"messages": str(sum(t.count for t in self._tracks)), "MB": f"{megabytes:.1f}"}
        line = Diagnostic("recording", DiagnosticLevel.OK, self.config.output, values)
        lines = [self._meter.report(1.0), line]
        name = self.get_fully_qualified_name().lstrip("/")
        self._diagnostics.publish(diagnostics_message(name, lines, self._stamp_s))


def recorded_topics() -> list[tuple[str, str, Qos]]:
    """List the topics that are recorded: the table's, the views, and what ROS itself adds."""
    topics = [(topic.name, topic.message, topic.qos) for topic in TOPICS.values()]
    topics.append((CAMERA_INFO_TOPIC, "sensor_msgs/msg/CameraInfo", Qos.SENSOR))
    for views in VIEWS.values():
        for view in views:
            for name, (message_type, qos) in view.topics.items():
                package = message_type.__module__.split(".")[0]
                topics.append((name, f"{package}/msg/{message_type.__name__}", qos))
    topics.append(("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", Qos.RELIABLE))
    topics.append(("/rosout", "rcl_interfaces/msg/Log", Qos.RELIABLE))
    return topics


def main() -> int:
    """Run until SIGINT; see `running.py` for the exit codes."""
    return run_node("recorder", RecorderNode, poll_loop)


if __name__ == "__main__":
    sys.exit(main())
