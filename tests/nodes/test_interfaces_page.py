from pathlib import Path

from lastmile.nodes.interfaces_page import interfaces_page
from lastmile.stack.table import NODES
from lastmile.stack.topics import ACTIONS, TOPICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interfaces.md"


def test_committed_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == interfaces_page(), (
        "docs/interfaces.md is out of date; write it by `lastmile docs interfaces`"
    )


def test_page_names_every_topic_action_and_node():
    page = interfaces_page()
    for name in (*TOPICS, *ACTIONS, *NODES):
        assert f"| `{name}` |" in page
