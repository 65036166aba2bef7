"""The demo as a person starts it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START_S = 240.0


class Demo:
    """`lastmile demo` as a process; what it says goes to a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.run_dir = folder / "run"
        self._log = folder / "said.txt"
        environment = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
        command = [sys.executable, "-m", "lastmile", "demo", "--no-view"]
        with self._log.open("w") as file:
            self.process = subprocess.Popen(
                [*command, "--output", str(self.run_dir), *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment | {"PYTHONUNBUFFERED": "1"},
            )

    def said(self) -> str:
        """Give what it printed."""
        return self._log.read_text()

    def wait_for(self, words: str) -> None:
        """Wait until it said something."""
        deadline = time.monotonic() + START_S
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"{words!r} was not said: {self.said()}"
            time.sleep(0.1)

    def end(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30.0)


@pytest.fixture
def demo(tmp_path):
    """Start the demo with arguments; it is ended afterwards."""
    started = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()


def processes_of(run_dir: Path) -> dict[int, str]:
    """List the processes whose command line names a run folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(run_dir) in line:
            found[int(path.parent.name)] = line
    return found
