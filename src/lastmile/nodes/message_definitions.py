"""Message definitions as MCAP keeps them: the text of a message and of all that it is made of."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from lastmile.errors import UserError

SEPARATOR = "=" * 80
PRIMITIVES = re.compile(r"bool|byte|char|w?string|float(32|64)|u?int(8|16|32|64)")
FIELD = re.compile(r"^\s*(?P<type>[A-Za-z][\w/]*)(<=\d+)?(\[[^\]]*\])?\s+\w+")


@functools.cache
def definition(name: str) -> str:
    """
    Give the `ros2msg` schema of `package/msg/Name`.

    Raises
    ------
    UserError
        If a definition is not installed.

    """
    texts = [_text(name)]
    seen, waiting = {name}, [name]
    while waiting:
        for part in _parts(waiting.pop(0)):
            if part not in seen:
                seen.add(part)
                waiting.append(part)
                package, _, message = part.split("/")
                texts.append(f"{SEPARATOR}\nMSG: {package}/{message}\n{_text(part)}")
    return "\n".join(texts)


def _parts(name: str) -> list[str]:
    """List the messages that a message is directly made of."""
    package = name.split("/")[0]
    parts = []
    for line in _text(name).splitlines():
        match = FIELD.match(line.split("#")[0])
        if match is None or PRIMITIVES.fullmatch(match["type"]):
            continue
        *other, message = match["type"].split("/")
        parts.append(f"{other[0] if other else package}/msg/{message}")
    return parts


@functools.cache
def _text(name: str) -> str:
    package, kind, message = name.split("/")
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix) / "share" / package / kind / f"{message}.msg"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise UserError(f"definition of {name} is not below AMENT_PREFIX_PATH")
