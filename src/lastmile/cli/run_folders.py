"""Folders of runs: `runs/<time>/`, one for each run, never written twice."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from lastmile.errors import UserError


def new_run_dir(output: Path | None) -> Path:
    """
    Make the folder of a run.

    Raises
    ------
    UserError
        If it cannot be made, or exists with something in it.

    """
    path = output or Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"run folder {path} cannot be written: {error.strerror}") from error
    if any(path.iterdir()):
        raise UserError(f"run folder {path} is not empty; runs are never written over")
    return path
