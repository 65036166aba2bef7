"""
A scenario: what happens in the simulated world besides the robot.

Scenarios are YAML files, read strictly: an unknown key, a wrong type or a value outside its range
is an error that names file, key and rule.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lastmile.config import ConfigError, from_mapping, param, section

FAULTS = (
    "lidar_dropout",
    "lidar_stuck",
    "lidar_nan",
    "depth_dropout",
    "depth_nan",
    "imu_dropout",
    "imu_nan",
    "wheel_dropout",
    "wheel_slip",
    "gnss_outage",
    "gnss_spike",
    "camera_dropout",
    "signals_dropout",
    "estop",
    "bumper",
    "conveyor_jam",
    "gap_sensor_stuck",
    "occupancy_stuck",
    "door_stuck",
)


@dataclass(frozen=True)
class PeopleScenario:
    """People on the sidewalks."""

    count: int = param(0, "People kept within 70 m of the robot.", low=0, high=300)
    encounters: int = param(0, "People sent to meet the robot on its way.", low=0, high=200)
    ignoring_ratio: float = param(0.3, "People who take no notice of the robot.", low=0, high=1)
    speed_mps: float = param(1.34, "Mean walking speed.", unit="m/s", low=0.2, high=2.5)
    speed_sigma_mps: float = param(0.2, "Its spread.", unit="m/s", low=0.0, high=1.0)


@dataclass(frozen=True)
class TrafficScenario:
    """Cars and cyclists on the roads."""

    cars: int = param(0, "Cars kept within 150 m of the robot.", low=0, high=100)
    cyclists: int = param(0, "Cyclists kept within 150 m of the robot.", low=0, high=100)
    yielding_ratio: float = param(
        0.9, "Drivers who give way at crossings without signals.", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class SignalScenario:
    """Pedestrian signals."""

    cycle_s: float = param(70.0, "Mean cycle.", unit="s", low=20.0, high=300.0)
    green_s: float = param(22.0, "Green for pedestrians.", unit="s", low=5.0, high=120.0)
    feed_ratio: float = param(1.0, "Signals that the city's feed covers.", low=0.0, high=1.0)


@dataclass(frozen=True)
class SurroundingsScenario:
    """How the world differs from the map."""

    facade_shift_min_m: float = param(0.2, "Least shift of a building.", unit="m", high=5.0)
    facade_shift_max_m: float = param(1.0, "Greatest shift of a building.", unit="m", high=5.0)
    facade_changed_ratio: float = param(0.15, "Facades with an unmapped bay or scaffold.", high=1)
    missing_ratio: float = param(0.1, "Mapped poles, trees and furniture that are gone.", high=1)
    clutter_per_100m: float = param(
        1.2, "Unmapped bins, bicycles and boxes on 100 m of sidewalk.", low=0.0, high=30.0
    )
    parked_ratio: float = param(0.3, "Share of the kerbs with parked vehicles.", low=0, high=1)
    day: int = param(
        0, "Clutter and parked vehicles are those of this day; all else stays.", low=0, high=365
    )


@dataclass(frozen=True)
class WeatherScenario:
    """What the weather does to the sensors."""

    lidar_dropout_ratio: float = param(0.0, "More lidar returns lost (rain).", low=0, high=0.9)
    ghost_ratio: float = param(0.0, "Returns from drops or flakes near the lidar.", high=0.2)
    friction_ratio: float = param(1.0, "Grip over that of dry paving.", low=0.1, high=1.0)


@dataclass(frozen=True)
class ParcelPlacement:
    """A parcel that waits in a locker when the run begins."""

    id: str = param("parcel-1", "Parcel id.")
    locker: str = param("", "Locker id; empty for that of the start.")
    compartment: str = param("", "Compartment id; empty for the first of the locker.")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for a while."""

    kind: str = param("gnss_outage", "What goes wrong.", choices=FAULTS)
    start_s: float = param(0.0, "When it begins.", unit="s", low=0.0)
    duration_s: float = param(1.0, "How long it lasts.", unit="s", low=0.0)
    size: float = param(1.0, "Size where it has one: metres of a gnss_spike.")


@dataclass(frozen=True)
class Scenario:
    """One scenario; see the classes of its sections."""

    site: str = param("example", "Site bundle, by name.")
    seed: int = param(1, "Seed of everything by chance.", low=0)
    start: str = param("", "Locker near which the robot starts; empty for the first.")
    goal: str = param("", "Locker that it is expected to go to; empty for the last.")
    start_distance_m: float = param(8.0, "Way from the start to that locker.", unit="m", low=1.5)
    start_pose: tuple[float, ...] = param((), "x, y, yaw in map instead of a locker; or empty.")
    people: PeopleScenario = section(PeopleScenario, "People on the sidewalks.")
    traffic: TrafficScenario = section(TrafficScenario, "Cars and cyclists.")
    signals: SignalScenario = section(SignalScenario, "Pedestrian signals.")
    surroundings: SurroundingsScenario = section(SurroundingsScenario, "World against map.")
    weather: WeatherScenario = section(WeatherScenario, "Weather of the sensors.")
    parcels: tuple[ParcelPlacement, ...] = field(
        default=(ParcelPlacement(),), metadata={"text": "Parcels in lockers."}
    )
    faults: tuple[Fault, ...] = field(default=(), metadata={"text": "Schedule of faults."})

    def __post_init__(self) -> None:
        if len(self.start_pose) not in (0, 3):
            raise ConfigError(f"start_pose: {list(self.start_pose)} must hold x, y, yaw or nothing")
        shifts = self.surroundings
        if shifts.facade_shift_min_m > shifts.facade_shift_max_m:
            raise ConfigError(
                f"surroundings.facade_shift_min_m: {shifts.facade_shift_min_m} is above "
                f"facade_shift_max_m {shifts.facade_shift_max_m}"
            )
        ids = [parcel.id for parcel in self.parcels]
        if len(set(ids)) != len(ids):
            raise ConfigError(f"parcels: ids {ids} are not unique")


def read_scenario(path: Path | str) -> Scenario:
    """
    Read a scenario file.

    Raises
    ------
    ConfigError
        If the file is missing, not YAML, or breaks a rule; the message names file, key and rule.

    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    try:
        return scenario_from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def scenario_from_mapping(values: dict | None) -> Scenario:
    """Read a scenario from nested mappings, strictly; errors name the dotted key."""
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"expected a mapping, got {values!r}")
    values = dict(values)
    lists = {
        name: _read_list(item_class, values.pop(name), name)
        for name, item_class in (("parcels", ParcelPlacement), ("faults", Fault))
        if name in values
    }
    return dataclasses.replace(from_mapping(Scenario, values), **lists)


def _read_list(item_class: type, items: object, where: str) -> tuple:
    if not isinstance(items, list):
        raise ConfigError(f"{where}: expected a list, got {items!r}")
    return tuple(from_mapping(item_class, v, f"{where}[{i}]") for i, v in enumerate(items))
