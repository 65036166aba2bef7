"""Ctrl-C and SIGTERM where a program drives a robot through rclpy."""

from __future__ import annotations

import signal
from types import TracebackType
from typing import Any, Self

ENDING = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """
    Keeps what asks the program to end until `check` is called.

    Python's own KeyboardInterrupt comes wherever the program happens to be, so also in the midst
    of rclpy's C++, which makes an unrelated RuntimeError of it. The handlers there were before
    are back after leaving.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals."""
        self._before = {number: signal.signal(number, self._on_signal) for number in ENDING}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """
        Go on unless the program was asked to end.

        Raises
        ------
        KeyboardInterrupt
            If it was.

        """
        if self._asked:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: Any) -> None:
        self._asked = True
