"""What a component is given besides its config: the site, the robot and the outside world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lastmile.maps.site import Site


class Link(Protocol):
    """A message link between robot and lockers; MQTT over ROS runs, memory in lockstep."""

    def send(self, to: str, payload: bytes) -> None:
        """Hand a message to the link; it may be lost, late, doubled or out of order."""

    def poll(self) -> list[tuple[str, bytes]]:
        """Take the messages that came, as (sender, payload)."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Context:
    """
    Everything a component may need that is not a message.

    `state_dir` is where journals live, `:memory:` for none on disk. `link` opens the link of a
    named party (`robot-1`, `locker-a`). `name` is the party's own name.
    """

    site: Site
    robot: Any
    """`lastmile.vehicle.description.RobotDescription`."""
    rng: np.random.Generator
    name: str
    state_dir: str
    link: Callable[[str], Link]
