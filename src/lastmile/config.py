"""
Configuration as frozen dataclasses whose fields carry unit, range and text.

The dataclass is the only place where a default is written. YAML files, ROS parameters and the
command line are read into it strictly: an unknown key, a wrong type or a value outside its range
is an error that names key, value and rule.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from pathlib import Path
from typing import Any

import yaml

from lastmile.errors import UserError


class ConfigError(UserError):
    """A configuration value that breaks a stated rule."""


def param(
    default: Any,
    text: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """
    Declare a field of a config dataclass.

    Parameters
    ----------
    default : bool, int, float, str, tuple or dataclass instance
        Value when nothing else is given; its type is the field's type.
    text : str
        What the value does, in one line.
    unit : str
        SI unit, empty for none.
    low, high : float, optional
        Inclusive range of a number, or of each number of a tuple.
    choices : tuple of str
        Allowed words of a string.

    """
    metadata = {"text": text, "unit": unit, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def section(config_class: type, text: str) -> Any:
    """Declare a nested config dataclass, made from its own defaults."""
    return dataclasses.field(default_factory=config_class, metadata={"text": text})


def from_mapping(config_class: type, values: Any, where: str = "") -> Any:
    """
    Read a nested mapping into a config dataclass, strictly.

    Raises
    ------
    ConfigError
        For an unknown key, a wrong type, or a value outside its range; the message names the
        dotted key, the value and the rule.

    """
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{where or config_class.__name__}: expected a mapping, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(config_class)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(
            f"{_dotted(where, unknown[0])}: unknown key; known keys are {', '.join(sorted(fields))}"
        )
    types = typing.get_type_hints(config_class)
    read = {
        name: _read_value(types[name], fields[name], value, _dotted(where, name))
        for name, value in values.items()
    }
    return config_class(**read)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; errors name the file."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping, got {values!r}")
    return values or {}


def load(config_class: type, path: Path | str) -> Any:
    """Read a YAML file into a config dataclass; errors name the file."""
    values = read_yaml(path)
    try:
        return from_mapping(config_class, values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def to_mapping(config: Any) -> dict[str, Any]:
    """Write a config as the nested mapping that `from_mapping` reads."""
    mapping = {}
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            mapping[f.name] = to_mapping(value)
        else:
            mapping[f.name] = list(value) if isinstance(value, tuple) else value
    return mapping


def flatten(config_class: type, prefix: str = "") -> dict[str, dataclasses.Field]:
    """List the leaf fields of a config dataclass by dotted name, in order."""
    types = typing.get_type_hints(config_class)
    leaves = {}
    for f in dataclasses.fields(config_class):
        name = _dotted(prefix, f.name)
        if dataclasses.is_dataclass(types[f.name]):
            leaves.update(flatten(types[f.name], name))
        else:
            leaves[name] = f
    return leaves


def _read_value(wanted: Any, f: dataclasses.Field, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        return from_mapping(wanted, value, where)
    if typing.get_origin(wanted) is tuple:
        return _read_tuple(wanted, f, value, where)
    return _read_scalar(wanted, f, value, where)


def _read_tuple(wanted: Any, f: dataclasses.Field, value: Any, where: str) -> tuple:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: expected a list, got {value!r}")
    kinds = typing.get_args(wanted)
    if kinds[-1] is not Ellipsis and len(kinds) != len(value):
        raise ConfigError(f"{where}: expected {len(kinds)} values, got {len(value)}: {value!r}")
    return tuple(_read_scalar(kinds[0], f, v, f"{where}[{i}]") for i, v in enumerate(value))


def _read_scalar(wanted: type, f: dataclasses.Field, value: Any, where: str) -> Any:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise ConfigError(f"{where}: expected {wanted.__name__}, got {value!r}")
    low, high = f.metadata.get("low"), f.metadata.get("high")
    unit = f.metadata.get("unit", "")
    if wanted is float and not math.isfinite(value):
        raise ConfigError(f"{where}: {value!r} is not finite")
    if low is not None and value < low:
        raise ConfigError(f"{where}: {value!r} is below the least allowed {low:g} {unit}".rstrip())
    if high is not None and value > high:
        raise ConfigError(f"{where}: {value!r} is above the most allowed {high:g} {unit}".rstrip())
    choices = f.metadata.get("choices")
    if choices and value not in choices:
        raise ConfigError(f"{where}: {value!r} is not one of {', '.join(choices)}")
    return value


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
