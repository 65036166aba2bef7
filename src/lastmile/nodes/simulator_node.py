"""
The `simulator` node as a program: the world on wall time, and the source of /clock.

The world advances `host.simulation_rate` seconds per second, and slower where the machine cannot
follow; it never runs ahead to make up for more than `CATCH_UP_S`. Where nodes lag behind, it waits
(`pacing.py`).
"""

from __future__ import annotations

import sys
import time

from rosgraph_msgs.msg import Clock

from lastmile.nodes._fields import time_message
from lastmile.nodes.component_node import ComponentNode
from lastmile.nodes.message_types import message_class
from lastmile.nodes.pacing import LAGS_S, Pacing, header_stamp
from lastmile.nodes.polling import take
from lastmile.nodes.qos import newest_only, profile
from lastmile.nodes.running import poll_loop, run_node
from lastmile.stack.table import NODES
from lastmile.stack.topics import TOPICS, Qos
from lastmile.types import Diagnostic, DiagnosticLevel

CATCH_UP_S = 0.1
# Pause between two looks whether the nodes have caught up.
WAIT_S = 0.001
# Slower than this part of the wanted rate is worth a warning.
SLOW_RATIO = 0.95


class SimulatorNode(ComponentNode):
    """Hosts the simulator and keeps the time of the stack."""

    def __init__(self) -> None:
        super().__init__(NODES["simulator"])
        self._clock_output = self.create_publisher(Clock, "/clock", profile(Qos.SENSOR))
        self._count = 0
        self._waits = False
        self._next_at = time.monotonic()
        self._began_at = time.monotonic()
        self._pace_from = (self._began_at, 0.0)
        self._pacing = Pacing(self.host.simulation_patience_s)
        self._heard = {
            topic: self._poller.subscribe(
                message_class(TOPICS[topic].message), topic, newest_only(), raw=True
            )
            for topic in (LAGS_S if self.host.simulation_patience_s > 0.0 else ())
        }

    @property
    def pause_s(self) -> float:
        """Time to sleep until the next step of the world."""
        return max(WAIT_S if self._waits else 0.0, min(self._next_at - time.monotonic(), 0.01))

    def spin_some(self) -> None:
        """Advance the world by the step that is due."""
        monotonic_s = time.monotonic()
        due = self._active and monotonic_s >= self._next_at
        self._waits = due and self._must_wait(monotonic_s)
        if due and not self._waits:
            self._next_at += self.spec.period_s / self.host.simulation_rate
            if monotonic_s - self._next_at > CATCH_UP_S:
                self._next_at = monotonic_s
            self._count += 1
            self._clock_s = self._due_s = self._count * self.spec.period_s
            began = time.perf_counter()
            self._read_inputs(self._clock_s)
            self._step(self._clock_s, began)
        self._keep_up(monotonic_s, self._clock_s)

    def _must_wait(self, monotonic_s: float) -> bool:
        for topic, subscription in self._heard.items():
            for data in take(subscription):
                self._pacing.hear(topic, header_stamp(data))
        return self._pacing.must_wait(self._clock_s or 0.0, monotonic_s)

    def _before_outputs(self, stamp_s: float) -> None:
        """Give the time first: no message may be newer than the clock of its readers."""
        self._clock_output.publish(Clock(clock=time_message(stamp_s)))

    def _own_lines(self) -> list[Diagnostic]:
        """Tell how fast the world runs."""
        (from_at, from_s), at = self._pace_from, time.monotonic()
        simulated_s = self._count * self.spec.period_s
        rate = (simulated_s - from_s) / max(at - from_at, 1e-3)
        self._pace_from = (at, simulated_s)
        wanted = self.host.simulation_rate
        values = {
            "rate": f"{rate:.3f}",
            "wanted": f"{wanted:g}",
            "simulated_s": f"{simulated_s:.3f}",
            "wall_s": f"{at - self._began_at:.3f}",
            "waited_s": f"{self._pacing.waited_s:.2f}",
        }
        if rate < SLOW_RATIO * wanted:
            text = f"the world runs at {rate:.2f} of the wanted {wanted:g} seconds per second"
            return [Diagnostic("pace", DiagnosticLevel.WARN, text, values)]
        return [Diagnostic("pace", DiagnosticLevel.OK, "on pace", values)]


def main() -> int:
    """Run until SIGINT; see `running.py` for the exit codes."""
    return run_node("simulator", SimulatorNode, poll_loop)


if __name__ == "__main__":
    sys.exit(main())
