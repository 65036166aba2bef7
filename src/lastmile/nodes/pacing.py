"""
How the world keeps pace with the nodes: simulated time waits for those that lag behind.

A real robot's computer is made to keep up; a laptop or a test machine may not. Without waiting, the
nodes would then act on a past that grows older and older, as on no robot.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

# What each topic's newest stamp may lag behind the clock: its period, the time that its node is
# granted, and for obstacles the age of the scan.
LAGS_S: Mapping[str, float] = {
    "odometry": 0.07,
    "cmd_vel": 0.07,
    "obstacles": 0.3,
    "planner/status": 0.22,
}
# A stamp is the first field of these messages, behind four bytes that tell the encoding.
_STAMP = struct.Struct("<4xiI")


class Pacing:
    """
    Tells when simulated time has to wait.

    A node that does not come up to the mark within `patience_s` is taken for dead or hung, and is
    waited for again only once it was heard again.

    Parameters
    ----------
    patience_s : float
        Longest wait, on the monotonic clock; 0 never waits.
    lags_s : mapping of str to float
        Topics and what they may lag behind.

    """

    def __init__(self, patience_s: float, lags_s: Mapping[str, float] = LAGS_S) -> None:
        self.waited_s = 0.0
        """Sum of all waits."""
        self._patience_s = patience_s
        self._lags_s = lags_s
        self._newest: dict[str, float] = {}
        self._since: float | None = None

    def hear(self, topic: str, stamp_s: float) -> None:
        """Take the stamp of a message."""
        self._newest[topic] = stamp_s

    def must_wait(self, clock_s: float, monotonic_s: float) -> bool:
        """Tell whether time has to stand still at `clock_s`."""
        late = [t for t, stamp_s in self._newest.items() if clock_s - stamp_s > self._lags_s[t]]
        if not late:
            self._end(monotonic_s)
            return False
        if self._since is None:
            self._since = monotonic_s
        if monotonic_s - self._since < self._patience_s:
            return True
        for topic in late:
            del self._newest[topic]
        self._end(monotonic_s)
        return False

    def _end(self, monotonic_s: float) -> None:
        if self._since is not None:
            self.waited_s += monotonic_s - self._since
            self._since = None


def header_stamp(data: bytes) -> float:
    """Read the stamp of a serialized message that begins with a header."""
    seconds, nanoseconds = _STAMP.unpack_from(data)
    return seconds + nanoseconds / 1e9
