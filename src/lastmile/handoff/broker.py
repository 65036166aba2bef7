"""
The MQTT broker between robot and lockers: a mosquitto of our own.

Used where no broker runs yet: in the demo and in tests. A deployed robot is given the address of
its operator's broker instead.

"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lastmile.errors import UserError

HOST = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 0.9
"""Shorter than a supervisor waits for the program around the broker."""
PR_SET_PDEATHSIG = 1
# Looked up here: between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None, use_errno=True).prctl

CONFIG = """\
listener {port} {host}
socket_domain ipv4
allow_anonymous true
persistence true
persistence_location {folder}/
log_dest file {log}
log_type error
log_type warning
log_type notice
connection_messages true
"""


@dataclass(frozen=True, slots=True)
class MosquittoProgram:
    """The program and the environment that it needs."""

    path: Path
    env: dict[str, str]


def find_mosquitto() -> MosquittoProgram:
    """
    Find mosquitto on the system, or unpacked below the environment by `make setup`.

    Raises
    ------
    UserError
        If there is none.

    """
    # The Python environment's libraries are not meant for a program of the system.
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    folders = os.pathsep.join([env.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    if found := shutil.which("mosquitto", path=folders):
        return MosquittoProgram(Path(found), env)
    unpacked = Path(sys.prefix) / "opt" / "mosquitto"
    program = unpacked / "usr" / "sbin" / "mosquitto"
    if program.is_file():
        libraries = {str(path.parent) for path in unpacked.rglob("lib*.so*")}
        return MosquittoProgram(program, env | {"LD_LIBRARY_PATH": os.pathsep.join(libraries)})
    raise UserError("mosquitto was not found: run `make setup`, or install the package mosquitto")


def free_port() -> int:
    """Ask the system for a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Broker:
    """
    A mosquitto on the loopback interface, for as long as the context lasts.

    However the program ends, mosquitto ends too: the kernel sends it a SIGTERM when the thread that
    called `start` is gone.

    Parameters
    ----------
    port : int
        TCP port, 1 to 65535.
    folder : Path
        Where its configuration, log and persistent messages go; made if missing.

    Raises
    ------
    UserError
        On entry, if the port is out of range or in use, or the broker does not start.

    """

    def __init__(self, port: int, folder: Path) -> None:
        if not 1 <= port <= 65535:
            raise UserError(f"broker port {port} is out of range: 1 to 65535")
        self.host = HOST
        self.port = port
        self.folder = Path(folder)
        self.log_path = self.folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the broker and wait until it listens."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the broker."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process of the broker while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Write the configuration, start mosquitto and wait until it accepts connections."""
        program = find_mosquitto()
        _check_free(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            CONFIG.format(
                port=self.port,
                host=HOST,
                folder=self.folder.resolve(),
                log=self.log_path.resolve(),
            )
            + _own_user(),
            encoding="utf-8",
        )
        with (self.folder / "mosquitto.out").open("wb") as output:
            self._process = subprocess.Popen(
                [str(program.path), "-c", str(config)],
                env=program.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
            )
        self._wait_until_listening()

    def stop(self) -> None:
        """End mosquitto; it writes its persistent messages before it goes."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise UserError(f"the broker did not start on port {self.port}: {self._last_words()}")

    def _last_words(self) -> str:
        texts = []
        for path in (self.log_path, self.folder / "mosquitto.out"):
            if path.is_file():
                texts += path.read_text(encoding="utf-8", errors="replace").splitlines()
        return texts[-1] if texts else f"it left no message in {self.folder}"


def _end_with(parent: int) -> Callable[[], None]:
    def before_exec() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _check_free(port: int) -> None:
    """Refuse a port that somebody listens on, and say which."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"broker port {port} on {HOST} is in use or not allowed ({error.strerror}): "
                "end the program that holds it or choose another port"
            ) from error


def _own_user() -> str:
    """Keep root as root: as user mosquitto it could not write below a private folder."""
    return "user root\n" if os.geteuid() == 0 else ""
