"""What a process needs around it before it imports rclpy, on wheels and on a ROS installation."""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from lastmile.nodes.domain import ros_domain
from lastmile.share import find_share

PROFILE = "config/fastdds.xml"
SHARED_MEMORY = Path("/dev/shm")

# Every segment and port of Fast DDS has a lock file that its owner keeps locked while it lives.
LOCK_NAME = re.compile(r"(?P<owned>fastrtps_(?:[0-9a-z]{16}|port\d{1,5}))_(?:el|sl)")


def ros_environment(environ: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """
    Complete an environment for ROS 2; call it before rclpy is imported.

    Sets the Fast DDS profile of the project, discovery on this machine alone, and, where ROS 2
    comes from wheels, the prefix in which packages are found. What is set already stays.

    Parameters
    ----------
    environ : mutable mapping, optional
        Changed in place; the environment of this process unless given.

    Returns
    -------
    dict
        The variables as they now stand.

    Raises
    ------
    UserError
        If the profile is not where it is installed, or the environment names no ROS domain that
        there is.

    """
    ros_domain(environ)
    environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if not environ.get("FASTRTPS_DEFAULT_PROFILES_FILE"):
        environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(find_share(PROFILE))
    if (Path(sys.prefix) / "share" / "rclpy").is_dir():
        prefixes = [part for part in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if part]
        if sys.prefix not in prefixes:
            environ["AMENT_PREFIX_PATH"] = os.pathsep.join([*prefixes, sys.prefix])
    names = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE", "AMENT_PREFIX_PATH")
    return {name: environ[name] for name in names if name in environ}


def clean_stale_shared_memory(folder: Path = SHARED_MEMORY, min_age_s: float = 1.0) -> list[Path]:
    """
    Remove what killed Fast DDS processes left in shared memory.

    A file is stale when nobody holds its lock. Files younger than `min_age_s` are left alone: their
    owner may be about to lock them.

    Parameters
    ----------
    folder : Path
        Where shared memory is mounted.
    min_age_s : float
        Least age of a lock file that is touched.

    Returns
    -------
    list of Path
        Files removed.

    """
    removed = []
    for lock, owned in _lock_files(folder):
        if _is_stale(lock, min_age_s):
            # The lock goes last, so that a clean-up that is interrupted can be done again.
            for path in (folder / owned, folder / f"sem.{owned}_mutex", lock):
                try:
                    path.unlink()
                except (FileNotFoundError, PermissionError):
                    continue
                removed.append(path)
    return removed


def _lock_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Pair the lock files in a folder with the name of what they stand for."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        match = LOCK_NAME.fullmatch(path.name)
        if match:
            yield path, match["owned"]


def _is_stale(lock: Path, min_age_s: float) -> bool:
    """Tell whether nobody holds a lock file that is old enough."""
    try:
        # Wall time because file systems stamp with it; the age only guards a start-up race.
        if time.time() - lock.stat().st_mtime < min_age_s:
            return False
        with lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
