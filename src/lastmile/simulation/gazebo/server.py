"""A headless gz-sim server of one world, in a partition of gz-transport of its own."""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lastmile.errors import UserError

STOP_S = 5.0
LOG_LINES = 12
_PR_SET_PDEATHSIG = 1
_numbers = itertools.count(1)
# Looked up here: between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def own_partition() -> str:
    """Give a partition that no other server has; that of the environment where it names one."""
    return os.environ.get("GZ_PARTITION") or f"lastmile-{os.getpid()}-{next(_numbers)}"


def gazebo_environment(partition: str) -> dict[str, str]:
    """Give the environment of a process that talks to one server and to no other."""
    # On the loopback only: two machines or two simulators must not hear each other.
    return {**os.environ, "GZ_PARTITION": partition, "GZ_IP": "127.0.0.1"}


def _end_with_parent() -> None:
    """Let the kernel end this process with the thread that started it, however that ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Server:
    """The server's process; stopped at the latest when this process ends."""

    def __init__(
        self, world: Path, seed: int, environment: Mapping[str, str], program: str = "gz"
    ) -> None:
        """
        Start the server, paused at time zero.

        Raises
        ------
        UserError
            If the program cannot be started.

        """
        self.world = world
        self.log = world.with_suffix(".log")
        command = [program, "sim", "-s", "--headless-rendering", "-v", "2"]
        # Seed 0 would let Gazebo take one by chance.
        command += ["--seed", str(seed + 1), str(world)]
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    # A Ctrl-C is for who started it; the server ends after the last step.
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
        except OSError as error:
            raise UserError(f"{program}: cannot be started: {error.strerror}") from error
        atexit.register(self.stop)

    def check(self) -> None:
        """Raise UserError with the end of the server's log once it has ended."""
        code = self._process.poll()
        if code is not None:
            raise UserError(
                f"gz sim ended with exit code {code} while it ran {self.world}:\n"
                f"{self.last_words()}"
            )

    def last_words(self) -> str:
        """Give the last lines of the server's log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def stop(self) -> None:
        """End the server and what it started."""
        atexit.unregister(self.stop)
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
