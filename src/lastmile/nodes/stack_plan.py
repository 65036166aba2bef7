"""
What to start for a robot: nodes of the table, each with its parameter file.

`lastmile up` and the launch files start the same plan, the one as processes of its own, the others
through `ros2 launch`.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastmile import config as configs
from lastmile.config import ConfigError
from lastmile.errors import UserError
from lastmile.handoff.config import LinkConfig
from lastmile.nodes.domain import checked_namespace
from lastmile.nodes.parameters import HostConfig, write_parameter_file
from lastmile.nodes.recorder_node import RecorderConfig
from lastmile.nodes.surroundings import MEMORY, read_named_site
from lastmile.simulation.beginning import find_locker
from lastmile.simulation.delivery import order_of
from lastmile.simulation.engines import require_engine
from lastmile.simulation.scenario import read_scenario
from lastmile.simulation.setting import find_scenario
from lastmile.stack.build import read_node_config
from lastmile.stack.table import NODES

RECORDER = "recorder"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """
    What to start.

    `broker` is "host:port" of one that runs, empty for one of the stack's own. `changes` maps a
    node's name to fields of its config that differ from its file.

    `namespace` has its leading slash and no other at its end, however it was given.

    `state_dir` holds journals and keys. A robot that is started again must know what it carries,
    so on a robot it outlives the run: `~/.local/state/lastmile/<party>` if empty. In simulation it
    is the run folder's, or `:memory:`.

    `engine` moves the robot and senses in simulation; empty for that of the simulator's file.

    Raises
    ------
    UserError
        If the state of a robot were kept in memory, the seed is negative, the namespace is none,
        or what the engine needs is missing.

    """

    run_dir: Path
    site: str = "helsinki"
    lockers: tuple[str, ...] = ()
    simulation: bool = True
    scenario: str = ""
    seed: int = 0
    rate: float = 1.0
    patience_s: float = HostConfig.simulation_patience_s
    config_dir: Path | None = None
    namespace: str = "/"
    broker: str = ""
    record: bool = True
    party: str = "robot-1"
    state_dir: str = ""
    engine: str = ""
    changes: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "namespace", checked_namespace(self.namespace))
        if self.seed < 0:
            raise ConfigError(f"seed: {self.seed} is below the least allowed 0")
        if self.state_dir == MEMORY and not self.simulation:
            raise UserError(
                f"state folder {MEMORY}: allowed in simulation only, a robot that is started again"
                " must know which parcel it carries"
            )
        if self.simulation:
            require_engine(self.engine)

    @property
    def state_path(self) -> str:
        """Folder of journals and keys, absolute, or `:memory:`."""
        if self.state_dir == MEMORY:
            return MEMORY
        if self.state_dir:
            return str(Path(self.state_dir).expanduser().resolve())
        if self.simulation:
            return str((self.run_dir / "state").resolve())
        return str(robot_state_dir(self.party))


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """One node to start: its name, its program, its parameter file."""

    name: str
    executable: str
    """Console script, and `<executable>_node` the module in lastmile.nodes."""
    parameters: Path
    respawn: bool

    @property
    def module(self) -> str:
        """Module that `python -m` runs."""
        return f"lastmile.nodes.{self.executable}_node"


def settings_of_scenario(
    run_dir: Path,
    scenario: str = "demo",
    seed: int | None = None,
    site: str = "",
    lockers: tuple[str, ...] = (),
    simulation: bool = True,
    **rest: Any,
) -> StackSettings:
    """
    Complete settings by what a scenario says: its site, its seed, the lockers of its order.

    Raises
    ------
    UserError
        If the scenario, its site or one of its lockers cannot be used.

    """
    if not simulation:
        return StackSettings(run_dir, site or "helsinki", lockers, False, seed=seed or 0, **rest)
    path = find_scenario(scenario)
    read = read_scenario(path)
    site = site or read.site
    bundle = read_named_site(site)
    if not lockers:
        order = order_of(read, bundle)
        lockers = (order.from_locker_id, order.to_locker_id)
    for locker in lockers:
        find_locker(bundle, locker)
    seed = read.seed if seed is None else seed
    return StackSettings(run_dir, site, lockers, True, str(path), seed, **rest)


def robot_state_dir(party: str) -> Path:
    """Give the folder where a robot keeps its journals and keys unless told otherwise."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "lastmile" / party


def node_names(settings: StackSettings) -> dict[str, str]:
    """Map node names to lines of the table: one locker node per locker."""
    names = {}
    for name in NODES:
        if name == "locker":
            names |= {locker_node(locker): name for locker in settings.lockers}
        elif name != "simulator" or settings.simulation:
            names[name] = name
    return names


def plan_nodes(settings: StackSettings, link: LinkConfig) -> list[PlannedNode]:
    """
    Plan all nodes and write their parameter files into the run folder.

    Raises
    ------
    UserError
        If a config file breaks a rule or the run folder cannot be written.

    """
    folder = settings.run_dir / "parameters"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        nodes = [_plan(settings, link, *item) for item in node_names(settings).items()]
        if settings.record:
            nodes.append(_plan_recorder(settings, link))
    except OSError as error:
        raise UserError(
            f"run folder {settings.run_dir} cannot be written: {error.strerror}"
        ) from error
    return nodes


def read_broker(broker: str) -> LinkConfig:
    """Read "host:port"; ConfigError if it is not of that form."""
    host, _, port = broker.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ConfigError(f"broker {broker!r}: expected host:port")
    return LinkConfig(host=host, port=int(port))


def locker_node(locker_id: str) -> str:
    """Give the node name of a locker; ROS allows letters, digits and underscores."""
    return "locker_" + "".join(c if c.isalnum() else "_" for c in locker_id)


def _plan(settings: StackSettings, link: LinkConfig, name: str, node: str) -> PlannedNode:
    spec, party = NODES[node], settings.party
    changes = dict(settings.changes.get(name, {}))
    if node == "locker":
        party = next(locker for locker in settings.lockers if locker_node(locker) == name)
        changes["locker_id"] = party
    if node == "simulator":
        changes = {"scenario": settings.scenario, "seed": settings.seed} | changes
        changes |= {"engine": settings.engine} if settings.engine else {}
    config = dataclasses.replace(read_node_config(spec, settings.config_dir), **changes)
    follows_clock = settings.simulation and node != "simulator"
    path = _write(settings, name, config, _host(settings, party, link), follows_clock)
    return PlannedNode(name, node, path, spec.respawn)


def _plan_recorder(settings: StackSettings, link: LinkConfig) -> PlannedNode:
    config = RecorderConfig()
    if settings.config_dir is not None:
        config = configs.load(RecorderConfig, settings.config_dir / f"{RECORDER}.yaml")
    config = dataclasses.replace(config, **settings.changes.get(RECORDER, {}))
    output = str((settings.run_dir / config.output).resolve())
    config = dataclasses.replace(config, output=output)
    host = _host(settings, settings.party, link)
    path = _write(settings, RECORDER, config, host, settings.simulation)
    return PlannedNode(RECORDER, RECORDER, path, respawn=True)


def _host(settings: StackSettings, party: str, link: LinkConfig) -> HostConfig:
    return HostConfig(
        site=settings.site,
        state_dir=settings.state_path,
        party=party,
        link=link,
        seed=settings.seed,
        simulation_rate=settings.rate,
        simulation_patience_s=settings.patience_s,
    )


def _write(
    settings: StackSettings, name: str, config: Any, host: HostConfig, follows_clock: bool
) -> Path:
    path = settings.run_dir / "parameters" / f"{name}.yaml"
    write_parameter_file(path, config, host, follows_clock)
    return path.resolve()
