"""
The door for stamped values: what is not finite, goes back in time or lies ahead stays out.

Values wait for the next step and are judged by its clock, so the first of them too.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Any

AHEAD_MAX_S = 0.1
WAITING_MAX = 1000


class StampGuard:
    """Checks stamps per topic, counts what it rejects and keeps the last reason."""

    def __init__(self) -> None:
        self.now_s = -math.inf
        self.rejected: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        self.times_set_back = 0
        self._newest: dict[str, float] = {}
        self._waiting: deque[tuple[str, Any]] = deque(maxlen=WAITING_MAX)

    def put(self, topic: str, value: Any) -> None:
        """Keep a value for the next step."""
        self._waiting.append((topic, value))

    def begin_anew(self) -> None:
        """Let stamps rise from the beginning again, for a clock that was set back."""
        self.times_set_back += 1
        self._newest.clear()

    def take(self, now_s: float) -> list[tuple[str, Any]]:
        """Give what came since the last step and may be used, by the clock of this one."""
        self.now_s = now_s
        waiting = list(self._waiting)
        self._waiting.clear()
        return [(topic, value) for topic, value in waiting if self._accepts(topic, value.stamp_s)]

    def _accepts(self, topic: str, stamp_s: float) -> bool:
        newest = self._newest.get(topic, -math.inf)
        if not math.isfinite(stamp_s):
            return self._reject(topic, "not_finite", f"stamp {stamp_s!r} is not finite")
        if stamp_s > self.now_s + AHEAD_MAX_S:
            return self._reject(
                topic, "future", f"stamp {stamp_s:.3f} s is ahead of {self.now_s:.3f} s"
            )
        if stamp_s <= newest:
            return self._reject(
                topic, "old", f"stamp {stamp_s:.3f} s is not after the last, {newest:.3f} s"
            )
        self._newest[topic] = stamp_s
        return True

    def refuse(self, topic: str, rule: str, text: str) -> None:
        """Count a value that breaks another rule of the caller."""
        self._reject(topic, rule, text)

    def _reject(self, topic: str, rule: str, text: str) -> bool:
        self.rejected[f"{topic}:{rule}"] += 1
        self.last[f"last_rejected_{topic}"] = text
        return False
