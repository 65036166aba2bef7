"""
The one ROS 2 node of the stack: it hosts a component of the node table.

A managed (lifecycle) node that converts messages to values, calls `receive` and `step` of its
component, and publishes what comes back. It is one thread: subscriptions are polled (`polling.py`
says why), the component steps when it is due, and services, actions and lifecycle get their turn
every 0.1 to 0.25 s.
"""

from __future__ import annotations

import time
import traceback
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo

from lastmile.errors import UserError
from lastmile.nodes import conversions
from lastmile.nodes._fields import seconds
from lastmile.nodes.actions import TaskClient, TaskServer
from lastmile.nodes.clocks import MonotonicAxis, SteadyAxis
from lastmile.nodes.diagnostics import StampWatch, StepMeter, diagnostics_message
from lastmile.nodes.message_types import message_class
from lastmile.nodes.outputs import Outputs
from lastmile.nodes.parameters import read_parameters
from lastmile.nodes.polling import Poller, drain, take
from lastmile.nodes.qos import newest_only, profile, profile_of
from lastmile.nodes.surroundings import make_context
from lastmile.stack.build import build_component, resolve
from lastmile.stack.component import Component
from lastmile.stack.table import NodeSpec
from lastmile.stack.topics import ACTIONS, TOPICS, Qos
from lastmile.types import Diagnostic, DiagnosticLevel, TaskCancel

# One look at services and actions costs about 1 ms; nodes without actions are asked seldom.
HOUSEKEEPING_S, HOUSEKEEPING_ACTIONS_S = 0.25, 0.1
DIAGNOSTICS_S = 1.0
# How often nodes look for messages: those that are triggered or fast, the others, and those that
# neither are needed to drive nor step often.
POLL_FAST_S, POLL_SLOW_S, POLL_IDLE_S = 0.005, 0.01, 0.02
FAST_PERIOD_S, IDLE_PERIOD_S = 0.02, 0.1
# Malformed messages of one topic are logged at most this often.
COMPLAINT_S = 5.0

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE


class _Input:
    """
    One subscribed topic: its subscription, its reader, what was lost and what was malformed.

    Images come with a second subscription, that of the camera's figures.
    """

    def __init__(self, topic: str, subscription: Any, read: Any, info: Any = None) -> None:
        self.topic = topic
        self.subscription = subscription
        self.read = read
        self.info = info
        self.sensor = TOPICS[topic].qos is Qos.SENSOR
        self.watch = StampWatch()
        self.malformed = 0
        self.complaint = ""
        self.complained_at = -np.inf


class ComponentNode(LifecycleNode):
    """
    Hosts one component.

    Parameters
    ----------
    spec : NodeSpec
        The node's line of the table; the node is named after it unless remapped.
    steady : bool
        Step on an axis that runs on whatever the ROS clock does (`clocks.py`).

    Raises
    ------
    ConfigError
        If a parameter breaks a rule.

    """

    def __init__(self, spec: NodeSpec, steady: bool = False) -> None:
        super().__init__(spec.name)
        self.spec = spec
        self.failure = ""
        self.host, self.config = read_parameters(self, resolve(spec.config))
        self.simulated = bool(self.get_parameter("use_sim_time").value)
        self._service_executor = SingleThreadedExecutor()
        self._service_executor.add_node(self)
        self._axis = SteadyAxis(self.host.simulation_rate) if self.simulated else MonotonicAxis()
        self._steady = steady
        self._clock_s: float | None = None
        self._poller = Poller(self)
        self._clock_input = self._subscribe_clock()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._meter = StepMeter()
        self._component: Component | None = None
        self._active = False
        self._due_s: float | None = None
        self._housekeeping_at = self._diagnostics_at = 0.0

    # ------------------------------------------------------------------------- lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the component and everything it talks through."""
        try:
            context = make_context(self.host, self.get_name())
            self._component = build_component(self.spec, self.config, context)
            self._inputs = [self._subscribe(topic) for topic in self.spec.subscribes]
            self._outputs = Outputs(self, self.spec, context)
            self._task_servers = {
                name: TaskServer(self, ACTIONS[name], self._receive, lambda: self._active)
                for name in self.spec.serves
            }
            self._task_clients = {
                name: TaskClient(self, ACTIONS[name], self._receive) for name in self.spec.calls
            }
        except (UserError, OSError) as error:
            return self._fail(str(error))
        except Exception:
            return self._fail(traceback.format_exc())
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to step."""
        self._active, self._due_s = True, None
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to step; running tasks end as failed, and the component is told to cancel them."""
        self._active = False
        for server in self._task_servers.values():
            server.abort_all(self._stamp(), f"{self.get_name()} was deactivated")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the component."""
        self.close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the component."""
        self._active = False
        self.close()
        return super().on_shutdown(state)

    def close(self) -> None:
        """Close the component and take its topics and actions off the graph."""
        if self._component is None:
            return
        component, self._component = self._component, None
        component.close()
        for endpoint in (*self._task_servers.values(), *self._task_clients.values()):
            endpoint.close()
        self._outputs.close()
        for item in self._inputs:
            self.destroy_subscription(item.subscription)
            if item.info is not None:
                self.destroy_subscription(item.info)

    def _fail(self, reason: str) -> TransitionCallbackReturn:
        self.failure = reason
        self.get_logger().error(f"cannot be configured: {reason}")
        return FAILURE

    # ------------------------------------------------------------------------------ loop

    @property
    def pause_s(self) -> float:
        """Time to sleep between calls of `spin_some`."""
        spec = self.spec
        if spec.trigger or spec.period_s <= FAST_PERIOD_S:
            return POLL_FAST_S
        return POLL_SLOW_S if spec.critical or spec.period_s < IDLE_PERIOD_S else POLL_IDLE_S

    def spin_some(self) -> None:
        """Do everything that is due now."""
        began, monotonic_s = time.perf_counter(), time.monotonic()
        self._read_clock(monotonic_s)
        stamp_s = self._now(monotonic_s)
        if self._component is not None and stamp_s is not None:
            triggered = self._read_inputs(stamp_s)
            if self._active and (triggered or self._is_due(stamp_s)):
                self._step(stamp_s, began)
        self._keep_up(monotonic_s, stamp_s)

    def _keep_up(self, monotonic_s: float, stamp_s: float | None) -> None:
        """Do what is due by the monotonic clock, whether or not the ROS clock runs."""
        if monotonic_s >= self._housekeeping_at:
            busy = self.spec.serves or self.spec.calls
            self._housekeeping_at = monotonic_s + (
                HOUSEKEEPING_ACTIONS_S if busy else HOUSEKEEPING_S
            )
            self._keep_house()
        if monotonic_s >= self._diagnostics_at:
            self._diagnostics_at = monotonic_s + DIAGNOSTICS_S
            self._diagnose(stamp_s)

    def _subscribe_clock(self) -> Any:
        return self._poller.subscribe(Clock, "/clock", newest_only())

    def _read_clock(self, monotonic_s: float) -> None:
        """Take the newest reading of the ROS clock."""
        newest = None
        if not self.simulated:
            # Read together: what lies between the two would pass for a step of the system's clock.
            newest, monotonic_s = time.time(), time.monotonic()
        else:
            for message in take(self._clock_input):
                newest = seconds(message.clock)
        if newest is not None:
            self._clock_s = newest
            self._axis.follow(newest, monotonic_s)

    def _now(self, monotonic_s: float) -> float | None:
        return self._axis.now(monotonic_s) if self._steady else self._clock_s

    def _stamp(self) -> float:
        return self._now(time.monotonic()) or 0.0

    def _is_due(self, stamp_s: float) -> bool:
        if self._due_s is None or self._due_s - stamp_s > self.spec.period_s:
            # The first step, or the clock was set back.
            self._due_s = stamp_s
        return stamp_s >= self._due_s

    def _step(self, stamp_s: float, began: float) -> None:
        """Step the component and publish what it says; its inputs were read since `began`."""
        lateness_s = 0.0
        if self._due_s is not None and stamp_s >= self._due_s:
            lateness_s = stamp_s - self._due_s
            missed = int(lateness_s / self.spec.period_s)
            self._due_s += (missed + 1) * self.spec.period_s
        computes_from = time.perf_counter()
        outputs = self._component.step(stamp_s)
        computed_s = time.perf_counter() - computes_from
        self._before_outputs(stamp_s)
        values = []
        for topic, value in outputs:
            if not self._tell_task(topic, value):
                value = self._axis.off(value) if self._steady else value
                self._outputs.publish(topic, value, computed_s)
                values.append((topic, value))
        self._meter.add(time.perf_counter() - began, lateness_s, bool(outputs))
        # Nobody who drives waits for pictures.
        for topic, value in values:
            self._outputs.show(topic, value)

    def _before_outputs(self, stamp_s: float) -> None:
        """Do what must come before the outputs of a step."""

    def _tell_task(self, topic: str, value: Any) -> bool:
        """Send what belongs to a task to its other side; tell whether it was that."""
        action, _, part = topic.rpartition("/")
        if action in self._task_servers and part in ("feedback", "result"):
            self._task_servers[action].publish(value)
        elif action in self._task_clients and part == "goal":
            self._task_clients[action].send(value)
        elif action in self._task_clients and part == "cancel":
            self._task_clients[action].cancel(TaskCancel(value.goal_id))
        else:
            return False
        return True

    # ---------------------------------------------------------------------------- inputs

    def _subscribe(self, name: str) -> _Input:
        topic = TOPICS[name]
        subscription = self._poller.subscribe(
            message_class(topic.message), topic.name, profile_of(topic)
        )
        read, info = conversions.reader(topic.value), None
        if isinstance(read, conversions.CameraReader):
            info = self._poller.subscribe(
                CameraInfo, conversions.CAMERA_INFO_TOPIC, profile(Qos.SENSOR)
            )
        return _Input(name, subscription, read, info)

    def _read_inputs(self, stamp_s: float) -> bool:
        """Hand all new messages to the component; tell whether the trigger was among them."""
        triggered = False
        for item in self._inputs:
            if item.info is not None:
                for info in take(item.info):
                    self._read(item, item.read.take_info, info)
            for message in take(item.subscription):
                value = self._read(item, item.read, message)
                if value is not None and self._active:
                    self._accept(item, value, stamp_s)
                    triggered = triggered or item.topic == self.spec.trigger
        return triggered

    def _read(self, item: _Input, read: Any, message: Any) -> Any:
        """Convert a message; one that is malformed is counted and told, never used."""
        try:
            return read(message)
        except ValueError as error:
            item.malformed += 1
            item.complaint = str(error)
            now = time.monotonic()
            if now - item.complained_at > COMPLAINT_S:
                item.complained_at = now
                self.get_logger().error(f"{item.topic}: message {item.malformed} left out: {error}")
            return None

    def _accept(self, item: _Input, value: Any, stamp_s: float) -> None:
        if self._steady:
            value = self._axis.onto(value)
        value_stamp_s = getattr(value, "stamp_s", None)
        if value_stamp_s is not None:
            item.watch.see(value_stamp_s, stamp_s)
        self._component.receive(item.topic, value)

    def _receive(self, topic: str, value: Any) -> None:
        """Take what an action brings."""
        if self._component is not None:
            self._component.receive(topic, value)

    # ----------------------------------------------------------------------------- upkeep

    def _keep_house(self) -> None:
        drain(self._service_executor)
        if self._component is not None:
            for client in self._task_clients.values():
                client.watch(self._clock_s or 0.0)

    def _diagnose(self, stamp_s: float | None) -> None:
        lines = [self._meter.report(self.spec.period_s), *self._own_lines()]
        if stamp_s is None:
            lines.append(
                Diagnostic("clock", DiagnosticLevel.WARN, "waits for /clock, none came so far")
            )
        if self._component is not None and stamp_s is not None:
            lines.append(self._diagnose_inputs())
            lines += self._component.diagnose(stamp_s)
        else:
            lines.append(
                Diagnostic("state", DiagnosticLevel.WARN, self.failure or "not configured")
            )
        name = self.get_fully_qualified_name().lstrip("/")
        self._diagnostics.publish(diagnostics_message(name, lines, self._clock_s or 0.0))

    def _own_lines(self) -> list[Diagnostic]:
        """Tell what a special node has to tell besides."""
        return []

    def _diagnose_inputs(self) -> Diagnostic:
        values, troubles = {}, []
        for item in self._inputs:
            values[f"{item.topic} count"] = str(item.watch.count)
            values[f"{item.topic} age_max_ms"] = f"{1e3 * item.watch.pop_age():.1f}"
            if item.sensor and item.watch.lost:
                values[f"{item.topic} lost"] = str(item.watch.lost)
                troubles.append(f"{item.topic}: {item.watch.lost} lost")
            if item.malformed:
                values[f"{item.topic} malformed"] = f"{item.malformed}: {item.complaint}"
                troubles.append(f"{item.topic}: {item.malformed} malformed ({item.complaint})")
        level = DiagnosticLevel.WARN if troubles else DiagnosticLevel.OK
        return Diagnostic("inputs", level, "; ".join(troubles) or "all well", values)
