"""Gazebo's messages as arrays."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.simulation.gazebo.fake import cloud, vector

from lastmile.simulation.config import DepthConfig
from lastmile.simulation.gazebo import messages


def pose(quaternion, position=(1.0, 2.0, 3.0)):
    x, y, z, w = quaternion
    return SimpleNamespace(
        position=vector(*position), orientation=SimpleNamespace(x=x, y=y, z=z, w=w)
    )


def test_transform_is_that_of_the_quaternion():
    rotation = Rotation.from_euler("xyz", [0.3, -0.2, 2.0])
    T = messages.transform_of(pose(rotation.as_quat()))
    assert T[:3, :3] == pytest.approx(rotation.as_matrix())
    assert T[:3, 3] == pytest.approx([1.0, 2.0, 3.0])


def test_orientation_that_is_no_rotation_is_refused():
    with pytest.raises(ValueError, match="is no rotation"):
        messages.transform_of(pose((0.0, 0.0, 0.0, 0.0)))


def test_joint_that_is_not_told_is_named():
    model = SimpleNamespace(
        joint=[SimpleNamespace(name="left", axis1=SimpleNamespace(position=0.5))]
    )
    assert messages.joint_positions(model, ("left",)) == pytest.approx([0.5])
    with pytest.raises(ValueError, match="'right' is not among left"):
        messages.joint_positions(model, ("left", "right"))


def test_cloud_is_read_by_its_fields():
    points = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)
    assert messages.cloud_points(cloud(0, points)) == pytest.approx(points)


def test_cloud_without_floats_or_cut_short_is_refused():
    good = cloud(0, np.zeros((2, 2, 3)))
    good.data = good.data[:-1]
    with pytest.raises(ValueError, match="95 bytes for 4 points of 24"):
        messages.cloud_points(good)
    good.field = good.field[:2]
    with pytest.raises(ValueError, match="without x, y, z"):
        messages.cloud_points(good)


def image(pixels, number):
    height, width = pixels.shape[:2]
    return SimpleNamespace(
        width=width, height=height, pixel_format_type=number, data=pixels.tobytes()
    )


def test_images_come_as_grey_levels():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert messages.image_pixels(image(grey, 1)) == pytest.approx(grey)
    red = np.zeros((3, 4, 3), np.uint8)
    red[..., 0] = 200
    assert messages.image_pixels(image(red, 3))[0, 0] == 60
    assert messages.image_pixels(image(red[..., ::-1], 8))[0, 0] == 60
    with pytest.raises(ValueError, match="pixel format 99"):
        messages.image_pixels(image(grey, 99))


def test_depth_of_a_slanted_plane_is_looked_up_to_half_a_pixel():
    config = DepthConfig()
    width, height = 128, 76
    focal = 0.5 * width / np.tan(0.5 * np.radians(config.horizontal_deg))
    v = (np.arange(height) - 0.5 * (height - 1)) / focal
    # A plane z = 1 + 0.5 y in the optical frame.
    depths = np.repeat((1.0 / (1.0 - 0.5 * v))[:, None], width, axis=1).astype(np.float32)
    half = np.tan(0.5 * np.radians(config.vertical_deg))
    y = np.linspace(-half, half, 48)
    rays = np.stack([np.zeros(48), y, np.ones(48)], axis=-1)[:, None]
    found = messages.depth_along_rays(depths, rays, config)[:, 0]
    truth = 1.0 / (1.0 - 0.5 * y)
    assert found == pytest.approx(truth, abs=0.5 / focal * 0.5 * truth.max() ** 2 + 1e-6)


def test_depth_without_return_lies_beyond_the_farthest():
    config = DepthConfig()
    rays = np.array([[[0.0, 0.0, 1.0]]])
    for nothing in (np.inf, -np.inf, np.nan):
        depths = np.full((76, 128), nothing, np.float32)
        assert messages.depth_along_rays(depths, rays, config)[0, 0] == 6.0


def test_contacts_name_the_other_model():
    pairs = [("robot::base_link::body", "bin::link::bin"), ("ground::link::ground", "robot::a::b")]
    contacts = SimpleNamespace(
        contact=[
            SimpleNamespace(collision1=SimpleNamespace(name=a), collision2=SimpleNamespace(name=b))
            for a, b in pairs
        ]
    )
    assert messages.touched_kinds(contacts) == {"bin", "ground"}
