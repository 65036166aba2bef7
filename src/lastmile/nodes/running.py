"""
Running a node as a process: signals, exit codes, the loop.

Exit codes: 0 after SIGINT or SIGTERM, 1 when the node failed, 2 for bad usage (unknown argument,
unknown parameter, a value outside its range). Messages go to standard error.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from lastmile.errors import UserError
from lastmile.nodes.environment import ros_environment

OK, FAILED, BAD_USAGE = 0, 1, 2
# Names the file descriptor on which a node says that it is active.
READY_PIPE = "LASTMILE_READY_PIPE"


class StopRequest:
    """Set by SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.asked = True


def run_node(
    name: str,
    make_node: Callable[[], Any],
    loop: Callable[[Any, StopRequest], None],
    arguments: list[str] | None = None,
) -> int:
    """
    Make a node, bring it up unless told not to, run its loop, and take it down again.

    Parameters
    ----------
    name : str
        For messages.
    make_node : callable
        Makes the node; ConfigError means bad usage.
    loop : callable
        Runs until the stop request is set.
    arguments : list of str, optional
        The command line, of this process unless given.

    Returns
    -------
    int
        The exit code.

    """
    stop = StopRequest()
    arguments = sys.argv if arguments is None else arguments
    try:
        ros_environment()
        foreign = remove_ros_args(arguments)[1:]
        if foreign:
            return _complain(name, f"unknown argument {foreign[0]!r}; only --ros-args", BAD_USAGE)
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except (UserError, RuntimeError, OSError) as error:
        return _complain(name, str(error), BAD_USAGE)
    try:
        try:
            node = make_node()
        except UserError as error:
            return _complain(name, str(error), BAD_USAGE)
        return _run(name, node, loop, stop)
    finally:
        rclpy.try_shutdown()


def _run(name: str, node: Any, loop: Callable[[Any, StopRequest], None], stop: StopRequest) -> int:
    try:
        if node.host.autostart:
            succeeded = TransitionCallbackReturn.SUCCESS
            if node.trigger_configure() != succeeded or node.trigger_activate() != succeeded:
                return _complain(name, node.failure or "cannot be activated", FAILED)
            tell_ready()
        # The site and the modules stay for good; the collector need not look at them again.
        gc.collect()
        gc.freeze()
        loop(node, stop)
        return OK
    except (UserError, OSError) as error:
        return _complain(name, str(error), FAILED)
    except Exception:
        return _complain(name, traceback.format_exc(), FAILED)
    finally:
        _take_down(name, node)


def _take_down(name: str, node: Any) -> None:
    """Close a node; what cannot be written any more, as on a full disk, is only told."""
    try:
        node.close()
    except (UserError, OSError) as error:
        _complain(name, f"not closed cleanly: {error}", FAILED)
    finally:
        node.destroy_node()


def tell_ready() -> None:
    """Tell the process that started this one, if it left a pipe for that."""
    if pipe := os.environ.pop(READY_PIPE, ""):
        with os.fdopen(int(pipe), "wb") as file:
            file.write(b"ready")


def poll_loop(node: Any, stop: StopRequest) -> None:
    """Let a node do what is due, with its pause in between."""
    while not stop.asked:
        node.spin_some()
        time.sleep(node.pause_s)


def _complain(name: str, message: str, code: int) -> int:
    print(f"{name}: {message}", file=sys.stderr, flush=True)
    return code
