"""Ground on recorded, labelled range images: a floor under which a change has broken something."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.perception import scenes

from lastmile.perception.config import GroundConfig, InputConfig
from lastmile.perception.ground import find_ground
from lastmile.perception.sweep import GROUND, UNSORTED, make_sweep
from lastmile.types import PointGrid

DATA = Path(os.environ.get("LASTMILE_DATA", Path(__file__).parents[3] / "shared" / "data"))
IMAGES = DATA / "perception" / "ika_rangeimg"
# Sensor height [m], ground and person labels, ignored labels.
SETS = {
    "nuscenes_*": (1.84, (0, 1), (5, 6), (4, 10)),
    "semantic_kitti_*": (1.723, (9, 10, 11, 12, 17), (6, 7, 8), (0, 15)),
}

pytestmark = pytest.mark.skipif(
    not IMAGES.is_dir(), reason=f"no recorded range images in {IMAGES}; set LASTMILE_DATA"
)


def counts(path, height, ground, people, ignored):
    """True, false and missed ground; non-ground; people's points, and those not called ground."""
    with np.load(path) as data:
        xyz, distance, truth = data["xyzid"][..., :3], data["xyzid"][..., 4], data["label"]
    points = np.where(distance[..., None] > 2.7, xyz, np.nan).astype(np.float32)
    columns = truth.shape[1]
    grid = PointGrid(0.0, "lidar_link", points, distance, np.zeros(columns, np.float32))
    mount = np.eye(4)
    mount[2, 3] = height
    inputs = replace(InputConfig(), body_height_m=0.1)
    made = make_sweep(grid, mount, np.zeros(2), scenes.FOOTPRINT, inputs, True)
    terrain = find_ground(made, GroundConfig(), 7.0)
    truth = truth[::-1]
    used = (made.label == UNSORTED) & ~np.isin(truth, ignored)
    called = (terrain.label == GROUND)[used]
    truth = truth[used]
    is_ground, person = np.isin(truth, ground), np.isin(truth, people)
    return np.array(
        [
            (called & is_ground).sum(),
            (called & ~is_ground).sum(),
            (~called & is_ground).sum(),
            (~is_ground).sum(),
            person.sum(),
            (person & ~called).sum(),
        ]
    )


@pytest.mark.parametrize(
    ("images", "f1_min", "kept_min", "people_min"),
    [("nuscenes_*", 0.97, 0.95, 0.87), ("semantic_kitti_*", 0.98, 0.97, 0.94)],
)
def test_ground_of_recorded_images(images, f1_min, kept_min, people_min):
    paths = sorted(IMAGES.glob(f"{images}/*.npz"))
    assert paths
    hit, false, missed, others, people, people_kept = sum(counts(p, *SETS[images]) for p in paths)
    f1 = 2 * hit / (2 * hit + false + missed)
    kept = 1.0 - false / others
    print(f"{images}: F1 {f1:.4f}, non-ground kept {kept:.4f}, people {people_kept / people:.4f}")
    assert f1 > f1_min
    assert kept > kept_min
    assert people_kept / max(people, 1) > people_min
