"""Parameter files: `config/<node>.yaml`, written from the config dataclasses with their texts."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lastmile.stack.build import resolve
from lastmile.stack.table import NODES, NodeSpec


@dataclass(frozen=True, slots=True)
class Configured:
    """A program outside the table, configured like a node of it but without a component."""

    name: str
    config: str
    """Reference "module:class" of the config dataclass."""
    text: str


RECORDER = Configured(
    "recorder", "lastmile.nodes.recorder_node:RecorderConfig", "All topics into one MCAP file."
)
FILES: dict[str, NodeSpec | Configured] = {**NODES, RECORDER.name: RECORDER}
"""Everything that has a parameter file."""


def parameter_file(spec: NodeSpec | Configured) -> str:
    """Write the defaults of a node as YAML; each value is told by text, unit and range."""
    config_class = resolve(spec.config)
    head = [f"# {spec.name}: {spec.text}", "# Written from the defaults; change what you need.", ""]
    return "\n".join([*head, *_lines(config_class(), "")]) + "\n"


def write_parameter_files(config_dir: Path) -> list[Path]:
    """Write the files of all nodes of the table and of the recorder."""
    config_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for spec in FILES.values():
        path = config_dir / f"{spec.name}.yaml"
        path.write_text(parameter_file(spec), encoding="utf-8")
        paths.append(path)
    return paths


def describe_range(f: dataclasses.Field) -> str:
    """Say unit and range of a field in a few words, empty where it has neither."""
    metadata = f.metadata
    low, high, unit = metadata.get("low"), metadata.get("high"), metadata.get("unit", "")
    if metadata.get("choices"):
        return "one of " + ", ".join(metadata["choices"])
    words = []
    if low is not None and high is not None:
        words.append(f"{low:g} to {high:g}")
    elif low is not None:
        words.append(f"at least {low:g}")
    elif high is not None:
        words.append(f"at most {high:g}")
    return " ".join([*words, unit]).strip()


def _lines(config: Any, indent: str) -> list[str]:
    types = typing.get_type_hints(type(config))
    lines = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(types[f.name]):
            lines += [f"{indent}# {f.metadata['text']}", f"{indent}{f.name}:"]
            lines += _lines(value, indent + "  ")
        else:
            about = describe_range(f)
            text = f.metadata["text"] + (f" [{about}]" if about else "")
            lines += [f"{indent}# {text}", f"{indent}{f.name}: {_scalar(value)}"]
    return lines


def _scalar(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
    )
