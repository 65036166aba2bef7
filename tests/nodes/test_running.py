import types as kinds

import pytest

from lastmile.errors import UserError
from lastmile.nodes.running import BAD_USAGE, FAILED, OK, _run, run_node


class Node:
    """Stands for a node whose books cannot be closed."""

    def __init__(self, error):
        self.host = kinds.SimpleNamespace(autostart=False)
        self.error, self.destroyed = error, False

    def close(self):
        raise self.error

    def destroy_node(self):
        self.destroyed = True


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), UserError("disk full")])
def test_a_node_that_cannot_be_closed_tells_so_and_keeps_its_exit_code(error, capsys):
    node = Node(error)
    assert _run("handoff", node, lambda *_: None, None) == OK
    assert node.destroyed
    assert "handoff: not closed cleanly: " in capsys.readouterr().err


def test_a_node_in_a_ros_domain_that_there_is_not_is_bad_usage(monkeypatch, capsys):
    monkeypatch.setenv("ROS_DOMAIN_ID", "abc")
    assert run_node("handoff", Node, lambda *_: None, []) == BAD_USAGE
    said = capsys.readouterr().err
    assert said == "handoff: ROS_DOMAIN_ID 'abc': expected a whole number from 0 to 232\n"


def test_the_first_error_decides_the_exit_code(capsys):
    def loop(node, stop):
        raise UserError("the journal cannot be written")

    assert _run("handoff", Node(OSError(28, "No space left on device")), loop, None) == FAILED
    said = capsys.readouterr().err
    assert said.index("the journal cannot be written") < said.index("No space left on device")
