"""The context of a component, read from what its host is told."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lastmile.errors import UserError
from lastmile.handoff.link import MqttLink
from lastmile.maps.bundle import read_site
from lastmile.maps.site import Site
from lastmile.nodes.parameters import HostConfig
from lastmile.share import find_share
from lastmile.simulation.setting import named_site
from lastmile.stack.context import Context
from lastmile.vehicle.description import read_robot

MEMORY = ":memory:"
ROBOT = "sim/robot/lastmile.urdf"


class OnDemand:
    """
    Stands for a value that is read when somebody looks into it.

    Half of the nodes never look at the site; they need not spend time and memory on it.

    """

    def __init__(self, read: Any) -> None:
        self._read = read

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._read()
        # What was read answers from now on, without coming here again.
        self.__dict__.update({field: getattr(value, field) for field in value.__slots__})
        return getattr(value, name)


def make_context(host: HostConfig, node_name: str) -> Context:
    """
    Read what a component gets besides messages.

    Raises
    ------
    UserError
        If the robot's description or the state folder cannot be used; a site that cannot be used
        raises when the component looks at it.

    """
    if host.state_dir != MEMORY:
        try:
            Path(host.state_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"state folder {host.state_dir}: {error.strerror}") from error
    return Context(
        site=OnDemand(lambda: read_named_site(host.site)),
        robot=read_robot(host.robot or find_share(ROBOT)),
        # Nodes that share a seed must not share their numbers.
        rng=np.random.default_rng([host.seed, zlib.crc32(node_name.encode())]),
        name=host.party,
        state_dir=host.state_dir,
        link=lambda party: MqttLink(party, host.link),
    )


def read_named_site(name: str) -> Site:
    """Read a site by its name or by the folder of its bundle."""
    return read_site(Path(name)) if "/" in name else named_site(name)
