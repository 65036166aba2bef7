"""What was installed from which inputs, so that a second call has nothing to do."""

import hashlib
import json

from shell import VENV

STAMPS = VENV / "lastmile-setup.json"


def digest(*parts):
    """Hash texts and the content of files (name and bytes) to a short key."""
    state = hashlib.sha256()
    for part in parts:
        if hasattr(part, "read_bytes"):
            state.update(part.name.encode() + b"\0" + part.read_bytes())
        else:
            state.update(repr(part).encode())
        state.update(b"\0")
    return state.hexdigest()[:16]


def read():
    """Keys of the last successful set-up by stage; empty when there was none."""
    try:
        return json.loads(STAMPS.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write(stage, key):
    """Remember that a stage is done."""
    STAMPS.write_text(json.dumps(read() | {stage: key}, indent=1), encoding="utf-8")
