"""Programs of the nodes of the table."""

from __future__ import annotations

from lastmile.nodes.component_node import ComponentNode
from lastmile.nodes.running import poll_loop, run_node
from lastmile.stack.table import NODES, NodeSpec


def run(name: str, steady: bool = False) -> int:
    """Run a node of the table as this process and return the exit code."""
    return run_spec(NODES[name], steady)


def run_spec(spec: NodeSpec, steady: bool = False, arguments: list[str] | None = None) -> int:
    """Run a node as this process and return the exit code."""
    return run_node(spec.name, lambda: ComponentNode(spec, steady), poll_loop, arguments)
