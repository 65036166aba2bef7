"""
The whole stack as processes: what `lastmile up`, the demo and the system tests start.

Nodes come from the node table, each with one parameter file in the run folder:

    runs/<time>/parameters/<node>.yaml   what each node was started with
    runs/<time>/logs/<node>.log          what it said
    runs/<time>/state/                   journals in simulation; a robot's outlive its runs
    runs/<time>/events.jsonl             what happened to the processes
    runs/<time>/run.mcap                 the recording
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

from lastmile.errors import UserError
from lastmile.handoff.broker import free_port
from lastmile.handoff.config import LinkConfig
from lastmile.nodes.domain import ros_domain
from lastmile.nodes.environment import clean_stale_shared_memory, ros_environment
from lastmile.nodes.process_group import Event, ProcessGroup, Program
from lastmile.nodes.stack_lock import StackLock
from lastmile.nodes.stack_plan import (
    RECORDER,
    PlannedNode,
    StackSettings,
    node_names,
    plan_nodes,
    read_broker,
)

BROKER_READY_S = 15.0
# The order of the end: what asks for motion, what carries it out, what keeps the books.
LATE, LAST = 1, 2
PHASES = {"command_gate": LATE, "simulator": LATE, "locker": LATE, RECORDER: LAST}


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
        If the environment names no ROS domain that there is.
        From `start`, if a parameter breaks a rule, the run folder cannot be written, or a stack
        runs already in this ROS domain and namespace.

    """

    def __init__(
        self, settings: StackSettings, on_event: Callable[[Event], None] = lambda _: None
    ) -> None:
        self.settings = settings
        self._on_event = on_event
        self._group: ProcessGroup | None = None
        self._lock = StackLock(ros_domain(), settings.namespace)

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
        self._lock.take(f"run folder {self.settings.run_dir}")
        try:
            self._lock.refuse_running(set(node_names(self.settings)))
            clean_stale_shared_memory()
            self._group = self._start_group()
        except BaseException:
            self.stop()
            raise

    def wait_ready(
        self, timeout_s: float = 120.0, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """
        Wait until every node is active; `meanwhile` is called while this waits.

        Raises
        ------
        UserError
            If the stack ended or a node did not come up in time.

        """
        if not self._group.wait_ready(timeout_s, meanwhile):
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

    def _start_group(self) -> ProcessGroup:
        run_dir = self.settings.run_dir
        try:
            (run_dir / "logs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"run folder {run_dir} cannot be written: {error.strerror}") from error
        link, broker = self._link()
        programs = [self._program(node) for node in plan_nodes(self.settings, link)]
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
            return read_broker(self.settings.broker), None
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

    def _program(self, node: PlannedNode) -> Program:
        names = ("-r", f"__node:={node.name}", "-r", f"__ns:={self.settings.namespace}")
        parameters = ("--params-file", str(node.parameters))
        return Program(
            node.name,
            ("-m", node.module, "--ros-args", *names, *parameters),
            phase=PHASES.get(node.executable, 0),
            respawn=node.respawn,
            essential=node.executable != RECORDER,
        )

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
