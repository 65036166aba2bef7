import types as kinds

import pytest

from lastmile.errors import UserError
from lastmile.nodes.running import FAILED, OK, _run


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


def test_the_first_error_decides_the_exit_code(capsys):
    def loop(node, stop):
        raise UserError("the journal cannot be written")

    assert _run("handoff", Node(OSError(28, "No space left on device")), loop, None) == FAILED
    said = capsys.readouterr().err
    assert said.index("the journal cannot be written") < said.index("No space left on device")
