"""Strict reading of configuration: each broken rule is named with key and value."""

from dataclasses import dataclass

import pytest

from lastmile import config
from lastmile.config import ConfigError, param, section


@dataclass(frozen=True)
class Inner:
    """Nested values."""

    gain: float = param(0.5, "Gain.", low=0.0, high=1.0)
    mode: str = param("fast", "Mode.", choices=("fast", "slow"))


@dataclass(frozen=True)
class Outer:
    """Values at the top."""

    count: int = param(3, "Count.", low=1)
    on: bool = param(True, "Switch.")
    offsets_m: tuple[float, ...] = param((0.0, 1.0), "Offsets.", unit="m", low=-2.0)
    inner: Inner = section(Inner, "Nested.")


def test_an_empty_mapping_gives_the_defaults():
    assert config.from_mapping(Outer, {}) == Outer()


def test_mapping_and_back_is_the_same():
    given = Outer(count=7, inner=Inner(gain=0.25))
    assert config.from_mapping(Outer, config.to_mapping(given)) == given


def test_integers_are_taken_for_floats():
    assert config.from_mapping(Outer, {"inner": {"gain": 1}}).inner.gain == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cuont": 1}, "cuont: unknown key; known keys are count, inner, offsets_m, on"),
        ({"count": 0}, "count: 0 is below the least allowed 1"),
        ({"count": 1.5}, "count: expected int, got 1.5"),
        ({"on": 1}, "on: expected bool, got 1"),
        ({"count": True}, "count: expected int, got True"),
        ({"inner": {"gain": 1.5}}, "inner.gain: 1.5 is above the most allowed 1"),
        ({"inner": {"gain": float("nan")}}, "inner.gain: nan is not finite"),
        ({"inner": {"mode": "odd"}}, "inner.mode: 'odd' is not one of fast, slow"),
        ({"inner": 3}, "inner: expected a mapping, got 3"),
        ({"offsets_m": [0.0, -3.0]}, r"offsets_m\[1\]: -3.0 is below the least allowed -2 m"),
        ({"offsets_m": 1.0}, "offsets_m: expected a list, got 1.0"),
    ],
)
def test_a_broken_rule_names_key_and_value(values, message):
    with pytest.raises(ConfigError, match=message):
        config.from_mapping(Outer, values)


def test_load_names_the_file(tmp_path):
    path = tmp_path / "planner.yaml"
    path.write_text("count: many\n")
    with pytest.raises(ConfigError, match=r"planner.yaml: count: expected int, got 'many'"):
        config.load(Outer, path)


def test_load_tells_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read: No such file"):
        config.load(Outer, tmp_path / "none.yaml")


def test_load_tells_broken_yaml(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1, 2\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        config.load(Outer, path)


def test_flatten_lists_leaves_by_dotted_name():
    assert list(config.flatten(Outer)) == ["count", "on", "offsets_m", "inner.gain", "inner.mode"]
