"""The engines by name."""

from __future__ import annotations

import functools

from lastmile.simulation.config import ENGINES
from lastmile.simulation.engine import EmbeddedEngine
from lastmile.simulation.world import EngineMaker


def engine_maker(name: str, seed: int) -> EngineMaker:
    """Give what makes an engine; ValueError for an unknown one."""
    if name == "embedded":
        return EmbeddedEngine
    if name == "gazebo":
        # Gazebo's part needs no bindings to be imported, but most runs do not need it at all.
        from lastmile.simulation.gazebo.engine import start_gazebo

        return functools.partial(start_gazebo, seed=seed)
    raise ValueError(f"engine {name!r} is not one of {', '.join(ENGINES)}")


def require_engine(name: str) -> None:
    """Look for all that an engine needs; UserError that says what is missing."""
    if name == "gazebo":
        from lastmile.simulation.gazebo.bindings import require_gazebo

        require_gazebo()
