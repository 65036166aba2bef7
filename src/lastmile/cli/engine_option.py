"""The option that names a simulation's engine."""

from __future__ import annotations

from enum import StrEnum

from lastmile.simulation.config import ENGINES

Engine = StrEnum("Engine", {name.upper(): name for name in ENGINES})
