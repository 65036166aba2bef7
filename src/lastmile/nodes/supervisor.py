"""
The whole stack as processes: what `lastmile up`, the demo and the system tests start.

Nodes come from the node table, each with one parameter file in the run folder:

    runs/<time>/parameters/<node>.yaml   what each node was started with
    runs/<time>/logs/<node>.log          what it said
    runs/<time>/state/                   journals
    runs/<time>/events.jsonl             what happened to the processes
    runs/<time>/run.mcap                 the recording
"""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lastmile.errors import UserError
from lastmile.handoff.broker import free_port
from lastmile.handoff.config import LinkConfig
from lastmile.nodes.environment import clean_stale_shared_memory, ros_environment
from lastmile.nodes.parameters import HostConfig, write_parameter_file
from lastmile.nodes.process_group import Event, ProcessGroup, Program
from lastmile.nodes.stack_lock import StackLock
from lastmile.nodes.surroundings import read_named_site
from lastmile.simulation.delivery import order_of
from lastmile.simulation.scenario import read_scenario
from lastmile.simulation.setting import find_scenario
from lastmile.stack.build import read_node_config
from lastmile.stack.table import NODES

BROKER_READY_S = 15.0
# The order of the end: what asks for motion, what carries it out, what keeps the books.
LATE, LAST = 1, 2
PHASES = {"command_gate": LATE, "simulator": LATE, "locker": LATE}


@dataclass(frozen=True, slots=True)
class StackSettings:
    """
    What to start.

    `broker` is "host:port" of one that runs, empty for one of the stack's own. `changes` maps a
    node's name to fields of its config that differ from its file.
    """

    run_dir: Path
    site: str = "helsinki"
    lockers: tuple[str, ...] = ()
    simulation: bool = True
    scenario: str = ""
    seed: int = 0
    rate: float = 1.0
    config_dir: Path | None = None
    namespace: str = "/"
    broker: str = ""
    record: bool = True
    party: str = "robot-1"
    changes: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)


class Stack:
    """
    All processes of one robot, and in simulation of its world and lockers.

    Parameters
    ----------
    settings : StackSettings
        What to start.
    on_event : callable
        Called with each event of a process, from another thread.

    Raises
    ------
    UserError
        From `start`, if a parameter breaks a rule, the run folder cannot be written, or a stack
        runs already in this ROS domain and namespace.

    """

    def __init__(
        self, settings: StackSettings, on_event: Callable[[Event], None] = lambda _: None
    ) -> None:
        self.settings = settings
        self._on_event = on_event
        self._group: ProcessGroup | None = None
        domain = int(os.environ.get("ROS_DOMAIN_ID") or 0)
        self._lock = StackLock(domain, settings.namespace)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start all processes; returns before they are ready."""
        ros_environment()
        names = self._instances()
        self._lock.take(f"run folder {self.settings.run_dir}")
        try:
            self._lock.refuse_running(set(names))
            clean_stale_shared_memory()
            self._group = self._start_group(names)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout_s: float = 120.0) -> None:
        """
        Wait until every node is active.

        Raises
        ------
        UserError
            If the stack ended or a node did not come up in time.

        """
        if not self._group.wait_ready(timeout_s):
            raise UserError(self.reason or f"not all nodes came up within {timeout_s:g} s")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the stack ended by itself; tell whether it did. `reason` says why."""
        return self._group.wait(timeout_s)

    def stop(self) -> None:
        """End all processes in order; afterwards none is left."""
        if self._group is not None:
            self._group.stop()
        self._lock.release()

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a node (SIGSTOP and SIGCONT hang it and let it go on)."""
        self._group.send(name, number)

    def pid(self, name: str) -> int | None:
        """Give the process of a node, None while it does not run."""
        return self._group.pid(name)

    def names(self) -> list[str]:
        """Name all processes."""
        return self._group.names()

    @property
    def reason(self) -> str:
        """Why the stack ended by itself, empty if it did not."""
        return self._group.reason if self._group is not None else ""

    def _instances(self) -> dict[str, str]:
        """Map node names to lines of the table: one locker node per locker."""
        instances = {}
        for name in NODES:
            if name == "locker":
                instances |= {locker_node(locker): "locker" for locker in self.settings.lockers}
            elif name != "simulator" or self.settings.simulation:
                instances[name] = name
        return instances

    def _start_group(self, names: dict[str, str]) -> ProcessGroup:
        run_dir = self.settings.run_dir
        try:
            for folder in ("parameters", "logs", "state"):
                (run_dir / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"run folder {run_dir} cannot be written: {error.strerror}") from error
        link, broker = self._link()
        programs = [self._node(name, node, link) for name, node in names.items()]
        if self.settings.record:
            programs.append(self._recorder(link))
        group = ProcessGroup(
            self._environment(), run_dir / "logs", run_dir / "events.jsonl", self._on_event
        )
        if broker is not None:
            group.start([broker])
            if not group.wait_ready(BROKER_READY_S):
                group.stop()
                raise UserError(group.reason or f"no broker within {BROKER_READY_S:g} s")
        group.start(programs)
        return group

    def _link(self) -> tuple[LinkConfig, Program | None]:
        """Find the broker, or say how to start one."""
        if self.settings.broker:
            host, _, port = self.settings.broker.rpartition(":")
            if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
                raise UserError(f"broker {self.settings.broker!r}: expected host:port")
            return LinkConfig(host=host, port=int(port)), None
        port = free_port()
        folder = self.settings.run_dir / "state" / "broker"
        arguments = ("-m", "lastmile.nodes.broker_program", "--port", str(port))
        program = Program(
            "broker",
            (*arguments, "--folder", str(folder)),
            phase=LAST,
            # SIGTERM, so that it takes mosquitto with it.
            death_signal=signal.SIGTERM,
        )
        return LinkConfig(host="127.0.0.1", port=port), program

    def _host(self, party: str, link: LinkConfig) -> HostConfig:
        return HostConfig(
            site=self.settings.site,
            state_dir=str((self.settings.run_dir / "state").resolve()),
            party=party,
            link=link,
            seed=self.settings.seed,
            simulation_rate=self.settings.rate,
        )

    def _node(self, name: str, node: str, link: LinkConfig) -> Program:
        spec = NODES[node]
        changes = dict(self.settings.changes.get(name, {}))
        party = self.settings.party
        if node == "locker":
            party = changes["locker_id"] = self._locker_id(name)
        if node == "simulator":
            changes = {"scenario": self.settings.scenario, "seed": self.settings.seed} | changes
        config = dataclasses.replace(read_node_config(spec, self.settings.config_dir), **changes)
        return self._program(
            name,
            f"lastmile.nodes.{node}_node",
            self._parameters(name, config, self._host(party, link), node != "simulator"),
            phase=PHASES.get(node, 0),
            respawn=spec.respawn,
        )

    def _recorder(self, link: LinkConfig) -> Program:
        from lastmile.nodes.recorder_node import RecorderConfig

        changes = {"output": str((self.settings.run_dir / "run.mcap").resolve())}
        config = RecorderConfig(**(changes | self.settings.changes.get("recorder", {})))
        host = self._host(self.settings.party, link)
        return self._program(
            "recorder",
            "lastmile.nodes.recorder_node",
            self._parameters("recorder", config, host, True),
            phase=LAST,
            respawn=True,
            essential=False,
        )

    def _program(self, name: str, module: str, parameters: Path, **rest: Any) -> Program:
        ros = ("--ros-args", "-r", f"__node:={name}", "-r", f"__ns:={self.settings.namespace}")
        return Program(name, ("-m", module, *ros, "--params-file", str(parameters)), **rest)

    def _parameters(self, name: str, config: Any, host: HostConfig, follows_clock: bool) -> Path:
        path = self.settings.run_dir / "parameters" / f"{name}.yaml"
        write_parameter_file(path, config, host, follows_clock and self.settings.simulation)
        return path.resolve()

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        environment |= {
            "ROS_LOG_DIR": str((self.settings.run_dir / "logs" / "ros").resolve()),
            "PYTHONUNBUFFERED": "1",
            # Each node is one thread; on few cores, threads of BLAS would only take turns.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        return environment

    def _locker_id(self, name: str) -> str:
        return next(locker for locker in self.settings.lockers if locker_node(locker) == name)


def locker_node(locker_id: str) -> str:
    """Give the node name of a locker; ROS allows letters, digits and underscores."""
    return "locker_" + "".join(c if c.isalnum() else "_" for c in locker_id)


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
    known = [locker.id for locker in bundle.lockers]
    if not lockers:
        order = order_of(read, bundle)
        lockers = (order.from_locker_id, order.to_locker_id)
    for locker in lockers:
        if locker not in known:
            raise UserError(f"locker {locker!r} is not at site {site}: {', '.join(known)}")
    seed = read.seed if seed is None else seed
    return StackSettings(run_dir, site, lockers, True, str(path), seed, **rest)
