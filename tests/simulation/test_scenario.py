"""Scenario files are read strictly."""

import pytest
from tests.simulation.worlds import ROOT

from lastmile.config import ConfigError
from lastmile.simulation.scenario import read_scenario, scenario_from_mapping


@pytest.mark.parametrize("path", sorted((ROOT / "sim" / "scenarios").glob("*.yaml")))
def test_own_scenarios_are_valid(path):
    read_scenario(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"poeple": {}}, "poeple: unknown key"),
        ({"people": {"cuont": 3}}, "people.cuont: unknown key"),
        ({"people": {"count": -3}}, "people.count: -3 is below"),
        ({"people": {"count": "many"}}, "people.count: expected int"),
        ({"faults": [{"kind": "earthquake"}]}, r"faults\[0\].kind: 'earthquake' is not one of"),
        ({"faults": [{"when": 3.0}]}, r"faults\[0\].when: unknown key"),
        ({"faults": {"kind": "estop"}}, "faults: expected a list"),
        ({"start_pose": [1.0, 2.0]}, "start_pose"),
        ({"parcels": [{"id": "p"}, {"id": "p"}]}, "not unique"),
        ([1, 2], "expected a mapping"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        scenario_from_mapping(values)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        read_scenario(tmp_path / "nowhere.yaml")


def test_broken_yaml_is_named(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("people: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_scenario(path)
