"""The door for stamped values: what is not finite, goes back in time or lies ahead stays out."""

from __future__ import annotations

import math
from collections import Counter

AHEAD_MAX_S = 1.0


class StampGuard:
    """Checks stamps per topic, counts what it rejects and keeps the last reason."""

    def __init__(self) -> None:
        self.now_s = -math.inf
        self.rejected: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        self._newest: dict[str, float] = {}

    def accepts(self, topic: str, stamp_s: float) -> bool:
        """Tell whether a value of `topic` with this stamp may be used."""
        newest = self._newest.get(topic, -math.inf)
        if not math.isfinite(stamp_s):
            return self._reject(topic, "not_finite", f"stamp {stamp_s!r} is not finite")
        if stamp_s > self.now_s + AHEAD_MAX_S and math.isfinite(self.now_s):
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
