"""
The clocks that nodes step by.

Components step on the ROS clock: the system's, or `/clock` in simulation. The gate alone steps on
an axis of its own, on which inputs age whatever the ROS clock does: on a robot a `MonotonicAxis`,
which does not care when the system's clock is set; in simulation a `SteadyAxis`, which goes on when
`/clock` stands still, so that a dead or halted simulator, planner or localization ages on it as it
would on a real robot.
"""

from __future__ import annotations

import bisect
import dataclasses
from typing import Any

# /clock comes every 10 ms; between two readings the axis runs on by this much.
RUN_ON_S = 0.02
# On a crowded machine the simulator hesitates for some tenths of a second at each lidar turn, and
# its world with it; a clock that stands for longer has stopped. Counted on the monotonic clock: at
# any rate the machine takes its time.
STOPPED_S = 1.0
# A clock that jumps ahead by more than this was set, it did not run.
JUMP_S = 0.5


class _Axis:
    """An axis of time that lies `offset_s` after the ROS clock."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def onto(self, value: Any) -> Any:
        """Shift the stamps of a value from the ROS clock onto the axis."""
        return _shifted(value, self.offset_s)

    def off(self, value: Any) -> Any:
        """Shift the stamps of a value from the axis to the ROS clock."""
        return _shifted(value, -self.offset_s)


class MonotonicAxis(_Axis):
    """
    Time that is the monotonic clock, anchored at the first reading of the system's clock.

    Every reading anchors the offset anew, so a step or a slew of the system's clock, forwards or
    backwards, moves the offset at once and the axis not at all. A value that was stamped before a
    step and comes in after it is off by the step; the checks of stamps turn it away, and its
    successor fits again.

    """

    def __init__(self) -> None:
        super().__init__()
        self._anchor_s: float | None = None

    def follow(self, clock_s: float, monotonic_s: float) -> None:
        """Take a reading of the system's clock."""
        if self._anchor_s is None:
            self._anchor_s = clock_s - monotonic_s
        self.offset_s = self._anchor_s + monotonic_s - clock_s

    def now(self, monotonic_s: float) -> float | None:
        """Tell the time on the axis, None before the first reading."""
        return None if self._anchor_s is None else self._anchor_s + monotonic_s


class SteadyAxis(_Axis):
    """
    Time that advances with the monotonic clock whatever the ROS clock does, and never goes back.

    While the ROS clock runs, the axis follows it plus a constant `offset_s`. When it has stood for
    `STOPPED_S` of the monotonic clock, the axis goes on at `rate`, that time included; what it
    gained is added to the offset when the clock goes on. Values that come in are shifted by the
    offset, so that what is new stays new and what is old stays old across any stop, and values that
    go out are shifted back. A clock that was set (went back, or ahead by more than `JUMP_S`)
    changes the offset, not the axis.

    Parameters
    ----------
    rate : float
        Seconds of the ROS clock per monotonic second.

    """

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__()
        self._rate = rate
        self._clock_s: float | None = None
        self._read_at = 0.0
        self._newest = float("-inf")

    def follow(self, clock_s: float, monotonic_s: float) -> None:
        """Take a reading of the ROS clock."""
        if self._clock_s is not None:
            stood_s = monotonic_s - self._read_at
            elapsed, advance = stood_s * self._rate, clock_s - self._clock_s
            if advance < 0.0 or advance > elapsed + JUMP_S:
                self.offset_s = self.now(monotonic_s) - clock_s
            elif stood_s > STOPPED_S and advance < elapsed:
                self.offset_s += elapsed - advance
        self._clock_s, self._read_at = clock_s, monotonic_s

    def now(self, monotonic_s: float) -> float | None:
        """Tell the time on the axis, None before the first reading."""
        if self._clock_s is None:
            return None
        stood_s = monotonic_s - self._read_at
        elapsed = stood_s * self._rate
        run_on = elapsed if stood_s > STOPPED_S else min(elapsed, RUN_ON_S)
        self._newest = max(self._newest, self._clock_s + self.offset_s + run_on)
        return self._newest


class ClockHistory:
    """
    What `/clock` told in the last seconds: gives the ROS time of a moment on the system's clock.

    Between two readings time runs on at `rate` for at most `RUN_ON_S`, as nodes see it.

    """

    KEPT = 1000

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate
        self._systems_s: list[float] = []
        self._clocks_s: list[float] = []

    def add(self, system_s: float, clock_s: float) -> None:
        """Take a reading that was published at a system time."""
        if self._systems_s and system_s <= self._systems_s[-1]:
            return
        self._systems_s.append(system_s)
        self._clocks_s.append(clock_s)
        if len(self._systems_s) > 2 * self.KEPT:
            del self._systems_s[: self.KEPT], self._clocks_s[: self.KEPT]

    def at(self, system_s: float) -> float:
        """Tell the ROS time at a system time; that of the oldest reading before it, 0 without."""
        if not self._systems_s:
            return 0.0
        newest = max(bisect.bisect_right(self._systems_s, system_s) - 1, 0)
        since_s = max(system_s - self._systems_s[newest], 0.0)
        stamp_s = self._clocks_s[newest] + min(since_s * self._rate, RUN_ON_S)
        if newest + 1 < len(self._clocks_s):
            stamp_s = min(stamp_s, self._clocks_s[newest + 1])
        return stamp_s


def _shifted(value: Any, by_s: float) -> Any:
    if by_s == 0.0:
        return value
    stamps = {
        field.name: getattr(value, field.name) + by_s
        for field in dataclasses.fields(value)
        if field.name.endswith("stamp_s")
    }
    return dataclasses.replace(value, **stamps)
