from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.localization.street import ROBOT, Drive, example_street, pose_error

from lastmile.localization.component import build
from lastmile.localization.config import LocalizationConfig, MappingConfig
from lastmile.localization.mapping import LidarMapper
from lastmile.localization.ray_map import map_from_scans
from lastmile.maps.example import example_site
from lastmile.types import LocalizationState, PoseEstimate

START = (-50.0, -4.75, 0.0)


def run(part, drive, seconds, twist, mapper=None) -> np.ndarray:
    """Drive, feed the mapper with what the stack sees; give errors [m, rad] at each step."""
    errors = []
    for k in range(round(seconds * 100)):
        for topic, value in drive.tick(twist):
            part.receive(topic, value)
            if mapper and topic == "lidar/points":
                mapper.receive(topic, value)
        if k % 2 == 0:
            continue
        for topic, value in part.step(drive.stamp_s):
            if mapper:
                mapper.receive(topic, value)
            if isinstance(value, PoseEstimate) and value.state is LocalizationState.TRACKING:
                errors.append(pose_error(value.pose_map_base, drive.pose))
    return np.array(errors)


def test_lidar_map_of_one_drive_makes_the_next_more_exact():
    site, street = example_street(5, 0.5)
    config = LocalizationConfig()
    config = replace(config, start=replace(config.start, use_start_pose=True, start_pose=START))
    mapper = LidarMapper(config, site, ROBOT.mounts)

    def drive_with(occupancy, seed, mapper=None):
        at = SimpleNamespace(site=replace(site, occupancy=occupancy), robot=ROBOT)
        part, drive = build(config, at), Drive(site, street, START, seed)
        standing = run(part, drive, 2.0, (0.0, 0.0), mapper)
        if mapper:
            mapper.receive("lidar/points", street.cloud(drive.pose, drive.stamp_s, drive._rng))
            mapper.anchor(drive.stamp_s, drive.pose, 0.02, 0.005)
        return np.concatenate([standing, run(part, drive, 22.0, (1.3, 0.0), mapper)])

    rough = drive_with(site.occupancy, 1, mapper)
    lidar_map = mapper.build()
    exact = drive_with(lidar_map.occupancy, 2)
    assert len(exact) > 0.9 * len(rough)
    assert np.median(exact[:, 0]) < 0.10
    assert np.quantile(exact[:, 0], 0.95) < 0.25
    assert np.quantile(exact[:, 1], 0.95) < np.deg2rad(1.0)


def test_map_of_a_drive_on_which_localization_was_started_again_is_not_bent():
    site, street = example_street(5, 0.5)
    mapper = LidarMapper(LocalizationConfig(), site, ROBOT.mounts)
    drive = Drive(site, street, START, 1)
    for _ in range(2):
        config = LocalizationConfig()
        start = replace(config.start, use_start_pose=True, start_pose=tuple(map(float, drive.pose)))
        at = SimpleNamespace(site=site, robot=ROBOT)
        part = build(replace(config, start=start), at)
        run(part, drive, 2.0, (0.0, 0.0), mapper)
        run(part, drive, 6.0, (1.3, 0.0), mapper)
    # The first of each of the two runs.
    assert sum(not frame.joined for frame in mapper.keyframes) == 2
    assert not mapper.keyframes[0].joined
    # The drive's own poses are some decimetres off at most; odometry began anew after 8 m.
    assert mapper.build().largest_correction_m < 1.0


def test_people_who_walk_through_leave_no_trace_in_the_map():
    wall = np.column_stack([np.full(81, 5.0), np.linspace(-4.0, 4.0, 81)])
    scans = []
    for k in range(20):
        person = np.array([[3.0, -2.0 + 0.2 * k]])
        shadow = np.abs(wall[:, 1] - person[0, 1] * 5.0 / 3.0) < 0.3
        scans.append(np.concatenate([wall[~shadow], person]))
    config = MappingConfig(margin_m=10.0)
    occupancy = map_from_scans(scans, np.zeros((20, 3)), config)
    column = round((3.0 - occupancy.origin[0]) / 0.1)
    assert (occupancy.cells[:, column - 1 : column + 2] != 100).all()
    assert (occupancy.cells[:, round((5.0 - occupancy.origin[0]) / 0.1)] == 100).sum() > 60


def test_map_of_no_drive_is_refused():
    mapper = LidarMapper(LocalizationConfig(), example_site(), ROBOT.mounts)
    with pytest.raises(ValueError, match="0 keyframes"):
        mapper.build()
    with pytest.raises(ValueError, match="needs a keyframe"):
        mapper.anchor(0.0, np.zeros(3), 0.1, 0.1)
