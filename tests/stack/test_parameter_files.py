"""The parameter files in config/ and the config dataclasses are held to each other."""

from pathlib import Path

import pytest
import yaml

from lastmile import config
from lastmile.stack.build import resolve
from lastmile.stack.parameter_files import FILES, parameter_file

CONFIG_DIR = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("name", list(FILES))
def test_parameter_file_equals_the_dataclass(name):
    spec = FILES[name]
    text = (CONFIG_DIR / f"{name}.yaml").read_text(encoding="utf-8")
    assert text == parameter_file(spec), "run `lastmile docs parameters`"


@pytest.mark.parametrize("name", list(FILES))
def test_parameter_file_reads_back_as_the_defaults(name):
    spec = FILES[name]
    config_class = resolve(spec.config)
    values = yaml.safe_load(parameter_file(spec))
    assert config.from_mapping(config_class, values) == config_class()


@pytest.mark.parametrize("name", list(FILES))
def test_every_parameter_has_a_text(name):
    leaves = config.flatten(resolve(FILES[name].config))
    assert all(f.metadata["text"] for f in leaves.values())
