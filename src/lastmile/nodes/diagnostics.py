"""What a node tells of itself on /diagnostics: its component's words and its own figures."""

from __future__ import annotations

import time
from collections import deque

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from lastmile.nodes._fields import header
from lastmile.types import Diagnostic, DiagnosticLevel

LEVELS = {
    DiagnosticLevel.OK: DiagnosticStatus.OK,
    DiagnosticLevel.WARN: DiagnosticStatus.WARN,
    DiagnosticLevel.ERROR: DiagnosticStatus.ERROR,
    DiagnosticLevel.STALE: DiagnosticStatus.STALE,
}


def diagnostics_message(
    node: str, diagnostics: list[Diagnostic], stamp_s: float
) -> DiagnosticArray:
    """Write diagnostics under the node's name."""
    return DiagnosticArray(
        header=header(stamp_s),
        status=[
            DiagnosticStatus(
                level=LEVELS[diagnostic.level],
                name=f"{node}: {diagnostic.name}",
                message=diagnostic.message,
                hardware_id=node,
                values=[
                    KeyValue(key=key, value=str(value)) for key, value in diagnostic.values.items()
                ],
            )
            for diagnostic in diagnostics
        ],
    )


def diagnostic_values(message: DiagnosticArray) -> list[tuple[str, Diagnostic]]:
    """Read diagnostics with the node that each comes from; names stay "<node>: <what>"."""
    return [
        (
            status.hardware_id,
            Diagnostic(
                status.name,
                DiagnosticLevel(int.from_bytes(status.level, "little")),
                status.message,
                {item.key: item.value for item in status.values},
            ),
        )
        for status in message.status
    ]


class StampWatch:
    """
    Counts lost messages of a regular sensor by the gaps of its stamps.

    The period is the median gap of the last `WINDOW`; a gap of n and a half periods lost n.

    """

    WINDOW = 50
    LEAST = 5

    def __init__(self) -> None:
        self.count = 0
        self.lost = 0
        self.age_s = 0.0
        self._last: float | None = None
        self._gaps: deque[float] = deque(maxlen=self.WINDOW)

    def see(self, stamp_s: float, now_s: float) -> None:
        """Take the stamp of a message that came at `now_s`."""
        self.count += 1
        self.age_s = max(self.age_s, now_s - stamp_s)
        if self._last is not None and stamp_s > self._last:
            gap = stamp_s - self._last
            self._gaps.append(gap)
            if len(self._gaps) >= self.LEAST:
                period = sorted(self._gaps)[len(self._gaps) // 2]
                self.lost += max(0, int(gap / period + 0.5) - 1)
        self._last = stamp_s

    def pop_age(self) -> float:
        """Give the greatest age since the last call."""
        age, self.age_s = self.age_s, 0.0
        return age


class StepMeter:
    """
    Durations of steps and the CPU time of the process, since the last report.

    Median and 99th percentile are of the steps that published something: only these delay what
    comes after them, and a node that waits for input would hide them behind its empty steps.
    """

    def __init__(self) -> None:
        self._walls: list[float] = []
        self._published: list[float] = []
        self._lateness = 0.0
        self._cpu = time.process_time()
        self._at = time.monotonic()

    def add(self, wall_s: float, lateness_s: float, published: bool) -> None:
        """Take one step, inputs read and outputs published: how long, how late, any outputs."""
        self._walls.append(wall_s)
        if published:
            self._published.append(wall_s)
        self._lateness = max(self._lateness, lateness_s)

    def report(self, period_s: float) -> Diagnostic:
        """Sum up and begin anew."""
        now, cpu = time.monotonic(), time.process_time()
        span = max(now - self._at, 1e-6)
        worst = max(self._walls, default=0.0)
        late = worst > period_s or self._lateness > 2.0 * period_s
        values = {
            "steps_per_s": f"{len(self._walls) / span:.1f}",
            **self._quantiles(span),
            "step_max_ms": f"{1e3 * worst:.2f}",
            "lateness_max_ms": f"{1e3 * self._lateness:.1f}",
            "cpu_percent": f"{100.0 * (cpu - self._cpu) / span:.1f}",
            "cpu_s": f"{cpu:.2f}",
        }
        message = f"longest step {1e3 * worst:.0f} ms of {1e3 * period_s:.0f} ms" if late else ""
        self._walls, self._published = [], []
        self._lateness, self._cpu, self._at = 0.0, cpu, now
        level = DiagnosticLevel.WARN if late else DiagnosticLevel.OK
        return Diagnostic("timing", level, message or "on time", values)

    def _quantiles(self, span_s: float) -> dict[str, str]:
        walls = sorted(self._published)
        if not walls:
            return {}
        return {
            "published_per_s": f"{len(walls) / span_s:.1f}",
            "step_median_ms": f"{1e3 * walls[len(walls) // 2]:.2f}",
            "step_p99_ms": f"{1e3 * walls[min(len(walls) - 1, int(0.99 * len(walls)))]:.2f}",
        }
