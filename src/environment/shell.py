"""Commands of the set-up: quiet on success, with their output on failure."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
LOG = BUILD / "setup.log"
PYTHON = VENV / "bin" / "python"

# A parent that runs from the environment hands these down; the set-up starts from a clean slate.
FOREIGN = (
    "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
)


class SetupError(Exception):
    """A step of the set-up failed; the text tells the person what to do."""


def clean_environment(**extra):
    """Copy the environment of the process without traces of other installations."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | extra


def run(*command, cwd=ROOT, env=None):
    """
    Run a command and append what it prints to the log.

    Raises
    ------
    SetupError
        If the command is missing or fails, with the end of its output.

    """
    command = [str(part) for part in command]
    BUILD.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env or clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise SetupError(f"command not found: {command[0]}") from error
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise SetupError(f"{' '.join(command)}\nended with {done.returncode}:\n{tail}")
    return done.stdout


@contextmanager
def step(title):
    """Tell what is going on and how long it took."""
    print(f"setup: {title} ...", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f" {time.monotonic() - start:.1f} s", flush=True)


def stop(message):
    """End the set-up with a message and exit code 1."""
    print(f"setup: {message}", file=sys.stderr)
    sys.exit(1)
