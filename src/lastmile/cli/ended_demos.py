"""Demos that are ended on the way: by Ctrl-C in each phase, by the death of the simulator."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lastmile.cli.demo_process import DemoProcess
from lastmile.handoff.audit import audit

GONE_S = 5.0
INTERRUPTED, FAILED = 130, 1
# What the demo says when a phase begins; a moment later it is in the midst of it.
PHASES = {
    "starting": "run folder",
    "driving": "phase drive_to_origin",
    "docking": "phase dock_at_origin",
    "handing over": "phase take",
}
MOMENT_S = 1.5
SIMULATOR_DEAD = "the stack ended: simulator killed by SIGKILL"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a demo ended that was ended on the way."""

    when: str
    exit_code: int
    gone_after_s: float
    left: list[str]
    """Command lines of the processes that were left after 5 s."""
    said: str
    """Its last line."""
    journals: int
    journal_troubles: list[str]

    def holds(self, exit_code: int) -> bool:
        """Tell whether it ended with the code wanted, left no process, and the books are whole."""
        return self.exit_code == exit_code and not self.left and not self.journal_troubles

    def to_json(self) -> dict[str, Any]:
        """Write as plain values."""
        return asdict(self)


def interrupt(phase: str, run_dir: Path, *arguments: str) -> Ending:
    """Run the demo and send it SIGINT, as Ctrl-C does, in one of `PHASES`."""

    def strike(demo: DemoProcess) -> None:
        demo.process.send_signal(signal.SIGINT)

    return _end(f"Ctrl-C while {phase}", PHASES[phase], strike, run_dir, arguments)


def kill_simulator(run_dir: Path, *arguments: str) -> Ending:
    """Run the demo and kill its simulator while the robot drives."""

    def strike(demo: DemoProcess) -> None:
        os.kill(demo.node("simulator"), signal.SIGKILL)

    return _end("simulator killed", PHASES["driving"], strike, run_dir, arguments)


def _end(
    when: str,
    words: str,
    strike: Callable[[DemoProcess], None],
    run_dir: Path,
    arguments: tuple[str, ...],
) -> Ending:
    demo = DemoProcess(run_dir, *arguments)
    try:
        demo.wait_for(words)
        time.sleep(MOMENT_S)
        strike(demo)
        began = time.monotonic()
        left = demo.wait_gone(GONE_S)
        gone_after_s = time.monotonic() - began
        code = demo.exit_code()
    finally:
        demo.end()
    found = audit(demo.run_dir / "state")
    said = (demo.said().strip().splitlines() or [""])[-1]
    return Ending(when, code, round(gone_after_s, 2), left, said, found.journals, found.troubles)
