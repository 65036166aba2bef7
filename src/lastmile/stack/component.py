"""
What every part of the stack looks like to whoever runs it.

A component is fed values by topic and stepped; it answers with values by topic. It never knows
whether ROS 2 or a lockstep loop carries them.
"""

from __future__ import annotations

from typing import Any, Protocol

from lastmile.types import Diagnostic


class Component(Protocol):
    """One running part: localization, planner, gate, ..."""

    def receive(self, topic: str, value: Any) -> None:
        """Take a value; cheap, all work is done in `step`."""

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Do the work that is due at `stamp_s` and return what to publish, in order."""

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell how it is."""

    def close(self) -> None:
        """Let go of journals, links and files."""
