"""What holds for every test: a ROS domain of its own, repeatable examples, signals given back."""

import os
import signal

import pytest
from hypothesis import settings

from lastmile.nodes.stack_lock import free_domain

# Nodes of the tests meet neither those of another run of the tests nor those of a demo.
os.environ["ROS_DOMAIN_ID"] = str(free_domain())
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

# No example is timed, which fails on a busy machine, and each run draws the same ones.
settings.register_profile("lastmile", deadline=None, derandomize=True)
settings.load_profile("lastmile")


@pytest.fixture(autouse=True)
def handlers():
    """Give back the signals that a command or node under test took, so that Ctrl-C ends pytest."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
