"""
Order in time: measurements that come late are put where they belong, and what followed is redone.

A lidar match tells where the robot was when the turn began, a tenth of a second ago. The history
keeps the last second of measurements with the belief after each; a late one is inserted at its
stamp and the later ones are applied again, so that the result is that of measurements in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from lastmile.localization.filter import FilterState, Innovation

Apply = Callable[[FilterState], tuple[FilterState, Innovation | None]]
Carry = Callable[[FilterState, float], FilterState]


@dataclass(slots=True)
class _Entry:
    stamp_s: float
    apply: Apply
    after: FilterState


class History:
    """Belief over the last `length_s` seconds."""

    def __init__(self, state: FilterState, carry: Carry, length_s: float) -> None:
        self._carry = carry
        self._length_s = length_s
        self._entries = [_Entry(state.stamp_s, _keep, state)]

    @property
    def state(self) -> FilterState:
        """Belief after the newest measurement."""
        return self._entries[-1].after

    @property
    def oldest_s(self) -> float:
        """Stamp before which nothing can be inserted any more."""
        return self._entries[0].stamp_s

    def state_at(self, stamp_s: float) -> FilterState:
        """
        Belief at a stamp, from the measurements up to it.

        Raises
        ------
        ValueError
            If the stamp is older than the history.

        """
        i = self._place(stamp_s)
        return self._carry(self._entries[i - 1].after, stamp_s)

    def insert(self, stamp_s: float, apply: Apply) -> Innovation | None:
        """
        Apply a measurement at its stamp, and those after it again.

        Raises
        ------
        ValueError
            If the stamp is older than the history.

        """
        i = self._place(stamp_s)
        after, innovation = apply(self._carry(self._entries[i - 1].after, stamp_s))
        self._entries.insert(i, _Entry(stamp_s, apply, after))
        for entry in self._entries[i + 1 :]:
            after, _ = entry.apply(self._carry(after, entry.stamp_s))
            entry.after = after
        self._forget()
        return innovation

    def _place(self, stamp_s: float) -> int:
        if stamp_s < self.oldest_s:
            raise ValueError(
                f"stamp {stamp_s:.3f} s is older than the history, which begins at "
                f"{self.oldest_s:.3f} s"
            )
        return bisect_right(self._entries, stamp_s, key=lambda entry: entry.stamp_s)

    def _forget(self) -> None:
        horizon_s = self._entries[-1].stamp_s - self._length_s
        # In chunks, for shifting the list at each measurement would cost more than it saves.
        if self._entries[0].stamp_s < horizon_s - 0.2:
            first = bisect_right(self._entries, horizon_s, key=lambda entry: entry.stamp_s) - 1
            del self._entries[: max(first, 0)]


def _keep(state: FilterState) -> tuple[FilterState, None]:
    return state, None
