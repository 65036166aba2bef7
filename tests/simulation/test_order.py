"""The order that a scenario stands for."""

from dataclasses import replace

import pytest

from lastmile.config import ConfigError
from lastmile.simulation.delivery import order_of
from lastmile.simulation.scenario import ParcelPlacement, Scenario
from lastmile.simulation.setting import named_site, read_setting


def order(**given):
    asked = order_of(Scenario(site="helsinki", **given), named_site("helsinki"))
    return asked.from_locker_id, asked.to_locker_id


def test_parcel_lies_at_the_start_unless_its_locker_is_named():
    parcel = ParcelPlacement(id="parcel-1")
    assert order(parcels=(parcel,), goal="h") == ("a", "h")
    assert order(parcels=(parcel,), start="c", goal="h") == ("c", "h")
    named = ParcelPlacement(id="parcel-1", locker="d")
    assert order(parcels=(named,), start="c", goal="h") == ("d", "h")


def test_locker_that_the_site_lacks_is_told_as_by_the_world():
    parcel = ParcelPlacement(id="parcel-1")
    words = "locker 'zz' is not at site helsinki: a, "
    for given in ({"start": "zz"}, {"goal": "zz"}, {"parcels": (replace(parcel, locker="zz"),)}):
        with pytest.raises(ConfigError, match=words):
            order(**({"parcels": (parcel,)} | given))


def test_scenario_without_parcels_is_told_also_where_a_start_is_asked_for(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("site: helsinki\nparcels: []\n", encoding="utf-8")
    setting = read_setting(str(path), start="c")
    with pytest.raises(ConfigError, match="no parcel"):
        order_of(setting.scenario, setting.site)
