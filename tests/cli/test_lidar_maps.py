"""A recorded drive becomes a site bundle with a lidar map."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.localization.street import ROBOT, Drive, example_street
from typer.testing import CliRunner

from lastmile.cli.lidar_maps import TOPICS
from lastmile.cli.map_commands import app
from lastmile.localization.component import build
from lastmile.localization.config import LocalizationConfig
from lastmile.maps.bundle import read_site, write_site
from lastmile.nodes.conversions import to_message
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.recording import Recording
from lastmile.stack.topics import TOPICS as TABLE

ros_environment()

from rclpy.serialization import serialize_message  # noqa: E402

START = (-50.0, 4.75, 0.0)


def drive_outputs(site, street, seconds):
    """Drive along the street; what sensors and localization publish, by time."""
    config = LocalizationConfig()
    config = replace(config, start=replace(config.start, use_start_pose=True, start_pose=START))
    part = build(config, SimpleNamespace(site=site, robot=ROBOT))
    drive = Drive(site, street, START, 3)
    for tick in range(round(100 * seconds)):
        values = drive.tick((1.2, 0.0) if tick > 100 else (0.0, 0.0))
        for topic, value in values:
            part.receive(topic, value)
        if tick % 2 == 1:
            values += part.step(drive.stamp_s)
        yield from ((drive.stamp_s, topic, value) for topic, value in values if topic in TOPICS)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder of a site, and those of two runs: one with all clouds, one without any."""
    folder = tmp_path_factory.mktemp("scan")
    site, street = example_street(3, 0.3)
    write_site(site, folder / "site")
    files = []
    for name in ("run", "blind"):
        files.append(Recording(folder / name / "run.mcap", "zstd", 0))
        for topic in TOPICS:
            files[-1].add_channel(f"/{topic}", TABLE[topic].message, "")
    for stamp_s, topic, value in drive_outputs(site, street, 6.0):
        data = serialize_message(to_message(value))
        for file in files[: 1 if topic == "lidar/points" else 2]:
            file.write(f"/{topic}", data, stamp_s, stamp_s)
    for file in files:
        file.close()
    return folder


def scan(folder, run, output):
    arguments = ["scan", folder / run, "--site", folder / "site", "-o", output]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_scan_writes_a_bundle_whose_map_is_that_of_the_drive(recorded, tmp_path):
    result = scan(recorded, "run", tmp_path / "scanned")
    assert result.exit_code == 0, result.output
    assert "no locker's markers were seen" in result.output
    before, after = read_site(recorded / "site"), read_site(tmp_path / "scanned")
    assert after.lockers[0].id == before.lockers[0].id
    assert after.occupancy.resolution_m == pytest.approx(0.1)
    assert (after.occupancy.cells == 100).sum() > 300
    assert np.abs(after.occupancy.origin - (np.array(START[:2]) - 50.0)).max() < 2.0


def test_scan_of_a_recording_without_clouds_says_what_is_missing(recorded, tmp_path):
    result = scan(recorded, "blind", tmp_path / "scanned")
    assert result.exit_code == 1
    assert "no map was made: drive has 0 keyframes" in result.output
    assert not (tmp_path / "scanned").exists()
