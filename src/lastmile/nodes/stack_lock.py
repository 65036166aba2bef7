"""One stack per ROS domain and namespace."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import time
from pathlib import Path

from lastmile.errors import UserError

# How long to look for nodes before it is taken that there are none.
DISCOVERY_S = 1.0
LOOK_S = 0.05
# Domains whose ports lie below those that systems hand out by themselves.
DOMAINS = range(1, 102)


class StackLock:
    """
    A lock file that the kernel lets go when its holder dies.

    Raises
    ------
    UserError
        From `take`, if another process holds the lock, which the message names, or the lock file
        cannot be written.

    """

    def __init__(self, domain: int, namespace: str) -> None:
        self.domain = domain
        self.namespace = namespace
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        # No word of a namespace holds a dash: each namespace has a name of its own.
        name = namespace.rstrip("/").replace("/", "-")
        self.path = folder / f"lastmile-{os.getuid()}-domain-{domain}{name}.lock"
        self._file = None

    def take(self, what: str) -> None:
        """Take the lock and write down who has it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+")
        except OSError as error:
            raise UserError(
                f"lock file {self.path} cannot be written: {error.strerror}; XDG_RUNTIME_DIR may"
                " name another folder"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise UserError(self._refusal(holder)) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} ({what})")
        file.flush()
        self._file = file

    def refuse_running(self, names: set[str]) -> None:
        """Raise if nodes of these names are on the graph already, whoever started them."""
        running = sorted(self._find_on_graph(names))
        if running:
            raise UserError(self._refusal(f"node {running[0]}"))

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _refusal(self, holder: str) -> str:
        return (
            f"a stack runs already in ROS domain {self.domain}, namespace {self.namespace}:"
            f" {holder}; end it, or choose another domain (ROS_DOMAIN_ID) or namespace"
        )

    def _find_on_graph(self, names: set[str]) -> set[str]:
        """Tell which of these nodes are on the graph."""
        import rclpy

        context = rclpy.Context()
        rclpy.init(context=context, domain_id=self.domain)
        try:
            node = rclpy.create_node(f"lookout_{os.getpid()}", context=context)
            try:
                return self._look_for(names, node)
            finally:
                # Left to the end of the interpreter, it holds that up for seconds.
                node.destroy_node()
        finally:
            rclpy.shutdown(context=context)

    def _look_for(self, names: set[str], node) -> set[str]:
        """Look around until one of the nodes is seen, or for as long as discovery takes."""
        deadline = time.monotonic() + DISCOVERY_S
        found: set[str] = set()
        while not found and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            found = {
                name
                for name, namespace in node.get_node_names_and_namespaces()
                if name in names and namespace.rstrip("/") == self.namespace.rstrip("/")
            }
        return found


def free_domain() -> int:
    """
    Find a ROS domain in which nobody on this machine is.

    The first participant of a domain listens on the UDP port 7410 + 250 x domain (DDSI-RTPS 2.2,
    section 9.6.1.1). The search begins anywhere, so that two who look at once find different ones.

    Raises
    ------
    UserError
        If all are taken.

    """
    first = random.randrange(len(DOMAINS))
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    raise UserError("no ROS domain from 1 to 101 is free on this machine")
