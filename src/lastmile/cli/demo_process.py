"""`lastmile demo` as a process of its own, for those who end it or its parts on purpose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lastmile.errors import UserError

WORDS_S = 300.0
EXIT_S = 60.0


class DemoProcess:
    """
    The demo without its live view; what it says goes to a file beside its run folder.

    Parameters
    ----------
    run_dir : Path
        Folder of the run, which must not exist yet.
    arguments : str
        Further ones of the command line.

    """

    def __init__(self, run_dir: Path, *arguments: str) -> None:
        self.run_dir = run_dir.resolve()
        self._log = self.run_dir.with_suffix(".log")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # Each finds a free domain of its own.
        environment = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
        command = [sys.executable, "-m", "lastmile", "demo", "--no-view"]
        with self._log.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [*command, "--output", str(self.run_dir), *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment | {"PYTHONUNBUFFERED": "1"},
            )

    def said(self) -> str:
        """Give what it printed so far."""
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        """
        Wait until it said something.

        Raises
        ------
        UserError
            If it ended before or takes too long.

        """
        deadline = time.monotonic() + WORDS_S
        while words not in self.said():
            if self.process.poll() is not None:
                raise UserError(f"the demo ended before it said {words!r}: {self.said()}")
            if time.monotonic() > deadline:
                raise UserError(f"no {words!r} within {WORDS_S:g} s: {self.said()}")
            time.sleep(0.1)

    def node(self, name: str) -> int:
        """
        Give the process of a node.

        Raises
        ------
        UserError
            If there is none, or more than one.

        """
        found = [p for p, line in processes_of(self.run_dir).items() if f"{name}_node" in line]
        if len(found) != 1:
            raise UserError(f"{len(found)} processes of {name} in {self.run_dir}, not one")
        return found[0]

    def wait_gone(self, within_s: float) -> list[str]:
        """Wait until no process of the run is left; give the command lines of those that are."""
        deadline = time.monotonic() + within_s
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def exit_code(self) -> int:
        """Wait for its end."""
        return self.process.wait(EXIT_S)

    def end(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _left(self) -> list[str]:
        # Polled, so that it does not remain as a zombie.
        self.process.poll()
        return list(processes_of(self.run_dir).values())


def processes_of(run_dir: Path) -> dict[int, str]:
    """List the processes whose command line names a run folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        # "run-1" is not "run-10".
        if any(f"{run_dir}{end}" in line for end in ("/", " ")):
            found[int(path.parent.name)] = line.strip()
    return found
