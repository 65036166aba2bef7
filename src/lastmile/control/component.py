"""The command gate as a component of the stack."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastmile.control.config import GateConfig
from lastmile.control.gate import CommandGate
from lastmile.types import Diagnostic, DiagnosticLevel, SafetyLevel, SafetyState

LEVELS = {
    SafetyLevel.DRIVE: DiagnosticLevel.OK,
    SafetyLevel.STAND: DiagnosticLevel.OK,
    SafetyLevel.BRAKE: DiagnosticLevel.WARN,
    SafetyLevel.EMERGENCY: DiagnosticLevel.ERROR,
}


class GateComponent:
    """Feeds the gate, and publishes its commands and its state."""

    def __init__(self, config: GateConfig, limits):
        self._gate = CommandGate(config, limits)
        self._period_s = config.safety_period_s
        self._published_s = -np.inf
        self._safety: SafetyState | None = None

    def receive(self, topic: str, value: Any) -> None:
        """Take an input of the gate."""
        self._gate.receive(topic, value)

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Publish the command, and the state when it changed or is due."""
        command, safety = self._gate.step(stamp_s)
        published = [("cmd_vel", command)]
        if self._changed(safety) or abs(stamp_s - self._published_s) >= self._period_s - 1e-6:
            published.append(("safety_state", safety))
            self._published_s = stamp_s
        self._safety = safety
        return published

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell the level, its causes, and what was rejected."""
        inbox = self._gate.inbox
        rejected = {f"rejected {topic}": str(n) for topic, n in sorted(inbox.rejections.items())}
        if inbox.last_rejection:
            rejected["last rejection"] = inbox.last_rejection
        if self._safety is None:
            return [Diagnostic("command gate", DiagnosticLevel.WARN, "not stepped yet", rejected)]
        safety = self._safety
        message = "; ".join(safety.causes) or f"{safety.level.value} ({safety.source})"
        values = {"level": safety.level.value, "source": safety.source, **rejected}
        return [Diagnostic("command gate", LEVELS[safety.level], message, values)]

    def close(self) -> None:
        """Nothing is held."""

    def _changed(self, safety: SafetyState) -> bool:
        last = self._safety
        if last is None:
            return True
        # Ages stand behind the colon and change at every step; what is wrong stands before it.
        causes = [cause.split(":")[0] for cause in safety.causes]
        last_causes = [cause.split(":")[0] for cause in last.causes]
        return (safety.level, safety.source, causes) != (last.level, last.source, last_causes)


def build(config: GateConfig, context: Any) -> GateComponent:
    """Make the component of the node `command_gate`."""
    return GateComponent(config, context.robot.limits)
