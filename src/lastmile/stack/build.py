"""Make components out of the node table: find their code, read their configuration."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from lastmile import config
from lastmile.stack.component import Component
from lastmile.stack.context import Context
from lastmile.stack.table import NodeSpec


def resolve(reference: str) -> Any:
    """Import what "module:name" names."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def read_node_config(spec: NodeSpec, config_dir: Path | None) -> Any:
    """
    Read the configuration of a node: `<config_dir>/<node>.yaml`, or its defaults without a folder.

    Raises
    ------
    ConfigError
        If the file is missing or breaks a rule.

    """
    config_class = resolve(spec.config)
    if config_dir is None:
        return config_class()
    return config.load(config_class, config_dir / f"{spec.name}.yaml")


def build_component(spec: NodeSpec, node_config: Any, context: Context) -> Component:
    """Make one component."""
    return resolve(spec.component)(node_config, context)
