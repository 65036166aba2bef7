"""Message classes by their ROS name."""

from __future__ import annotations

import functools
import importlib
from typing import Any


@functools.cache
def message_class(name: str) -> Any:
    """
    Import the class of `package/msg/Name` or `package/action/Name`.

    Raises
    ------
    ValueError
        If the name is not of that form or no such message is installed.

    """
    parts = name.split("/")
    if len(parts) != 3 or parts[1] not in ("msg", "srv", "action"):
        raise ValueError(f"message {name!r}: expected package/msg/Name")
    try:
        return getattr(importlib.import_module(f"{parts[0]}.{parts[1]}"), parts[2])
    except (ImportError, AttributeError) as error:
        raise ValueError(f"message {name!r} is not installed: {error}") from error
