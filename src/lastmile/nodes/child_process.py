"""Child processes that do not outlive whoever started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from pathlib import Path

PR_SET_PDEATHSIG = 1
# Looked up here: between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def spawn(
    command: list[str],
    log: Path,
    environment: dict[str, str],
    pass_fds: tuple[int, ...] = (),
    death_signal: int = signal.SIGKILL,
) -> subprocess.Popen:
    """
    Start a process in a session of its own, with its output in a file.

    A Ctrl-C at the terminal does not reach it; the kernel sends it `death_signal` when the thread
    that called this ends, so call it from a thread that lives as long as the children shall.

    """
    parent = os.getpid()

    def before_exec() -> None:
        _prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=before_exec,
        )


def signal_group(process: subprocess.Popen, number: int) -> None:
    """Send a signal to a process and all that it started."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return


def describe_exit(code: int) -> str:
    """Say an exit code in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
