"""The demo as a person starts it, in a process of its own."""

import pytest

from lastmile.cli.demo_process import DemoProcess


@pytest.fixture
def demo(tmp_path):
    """Start the demo with arguments; it is ended afterwards."""
    started = []

    def start(*arguments: str) -> DemoProcess:
        started.append(DemoProcess(tmp_path / "run", *arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()
