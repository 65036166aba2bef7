from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.perception import rendering

from lastmile.perception import fiducials
from lastmile.perception.config import FiducialsConfig
from lastmile.perception.fiducials import FiducialFinder
from lastmile.perception.fiducials_component import build
from lastmile.perception.marker_edges import _fit_line, refine_corners
from lastmile.types import DiagnosticLevel, MarkerArray

CONFIG = FiducialsConfig()


def errors(found, wanted):
    lateral = np.hypot(*(found[:2, 3] - wanted[:2, 3]))
    turn = found[:3, :3].T @ wanted[:3, :3]
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    return lateral, abs(found[2, 3] - wanted[2, 3]), np.rad2deg(angle)


@pytest.mark.parametrize("yaw_deg", [-40, 25, 40])
def test_pose_of_a_marker_at_one_metre(yaw_deg):
    T = rendering.marker_pose(1.0, np.deg2rad(yaw_deg), 0.03, 0.02)
    image = rendering.render({7: T}, rng=np.random.default_rng(1), noise=2.0, blur=0.7)
    (marker,) = FiducialFinder(CONFIG).find(image)
    lateral, depth, angle = errors(marker.T_camera_marker, T)
    assert marker.id == 7
    assert lateral < 2e-4
    assert depth < 6e-4
    assert angle < 0.3
    assert marker.reprojection_px < 0.3


def test_pixel_centres_lie_at_integers():
    # A fronto-parallel square drawn between known pixel edges: corners at n - 0.5.
    pixels = np.full((200, 300), 220, np.uint8)
    pixels[50:130, 100:180] = 20
    model = replace(
        rendering.MODEL, width_px=300, height_px=200, K=np.diag([100.0, 100.0, 1.0]), D=np.zeros(5)
    )
    rough = np.array([[100.4, 50.6], [178.8, 50.2], [179.3, 129.4], [100.2, 128.7]])
    corners = refine_corners(pixels, rough, model) * 100.0
    wanted = np.array([[99.5, 49.5], [179.5, 49.5], [179.5, 129.5], [99.5, 129.5]])
    assert np.abs(corners - wanted).max() < 0.06


@pytest.mark.parametrize("turn", [0.0, 0.7, np.pi / 2, 2.5])
def test_line_is_that_of_total_least_squares(turn):
    rng = np.random.default_rng(3)
    along = np.array([np.cos(turn), np.sin(turn)])
    points = rng.uniform(-0.2, 0.2, (30, 1)) * along + rng.normal(0.0, 1e-4, (30, 2)) + [0.1, 0.3]
    line = _fit_line(points, 1.0)
    centre = points.mean(axis=0)
    normal = np.linalg.svd(points - centre)[2][1]
    sign = np.sign(normal @ line[:2])
    assert sign * line == pytest.approx([*normal, normal @ centre], abs=1e-9)


def test_pair_decides_which_of_two_poses_is_right():
    finder = FiducialFinder(CONFIG)
    for seed in range(4):
        yaw = np.deg2rad(8.0)
        across = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
        poses = {}
        for marker_id, side in ((4, -0.35), (5, 0.35)):
            poses[marker_id] = rendering.marker_pose(3.0, yaw)
            poses[marker_id][:3, 3] += side * across
        image = rendering.render(poses, rng=np.random.default_rng(seed), noise=3.0, blur=0.8)
        found = finder.find(image)
        assert [m.id for m in found] == [4, 5]
        for marker in found:
            assert errors(marker.T_camera_marker, poses[marker.id])[2] < 5.0


def test_small_markers_and_bare_walls_give_nothing():
    finder = FiducialFinder(CONFIG)
    far = rendering.render({3: rendering.marker_pose(14.0, 0.0)})
    assert finder.find(far) == ()
    assert finder.find(rendering.render({})) == ()


@pytest.mark.parametrize(("distance", "contrast"), [(1.0, 32), (4.0, 26), (7.0, 60), (7.0, 200)])
def test_looking_only_where_there_is_contrast_finds_the_same(distance, contrast, monkeypatch):
    image = rendering.render({7: rendering.marker_pose(distance, 0.5, 0.3)}, blur=0.7)
    noise = np.random.default_rng(1).normal(0.0, 2.0, image.pixels.shape)
    pixels = 120.0 + contrast / 200.0 * (image.pixels.astype(float) - 120.0) + noise
    faint = replace(image, pixels=np.clip(np.round(pixels), 0, 255).astype(np.uint8))
    finder = FiducialFinder(CONFIG)
    found = finder.find(faint)
    monkeypatch.setattr(fiducials, "contrasting_region", lambda pixels: (0, 0, 1280, 720))
    everywhere = finder.find(faint)
    assert [m.id for m in found] == [m.id for m in everywhere]
    for marker, other in zip(found, everywhere, strict=True):
        assert np.array_equal(marker.T_camera_marker, other.T_camera_marker)
    assert distance > 4.0 or len(found) == 1


def test_region_bounds_what_differs_from_even_noise():
    pixels = 120.0 + np.random.default_rng(2).normal(0.0, 3.0, (720, 1280))
    assert fiducials.contrasting_region(pixels.astype(np.uint8)) == (0, 0, 0, 0)
    pixels[300:320, 500:530] -= 60.0
    x0, y0, x1, y1 = fiducials.contrasting_region(pixels.astype(np.uint8))
    assert 460 < x0 < 490
    assert 260 < y0 < 290
    assert 540 < x1 < 570
    assert 330 < y1 < 360


def test_marker_frame_is_right_up_and_out():
    T = rendering.marker_pose(0.8, 0.3)
    (marker,) = FiducialFinder(CONFIG).find(rendering.render({0: T}))
    # Seen from ahead, x of the marker points to the camera's right, y up, z to the camera.
    assert marker.T_camera_marker[0, 0] > 0.9
    assert marker.T_camera_marker[1, 1] < -0.9
    assert marker.T_camera_marker[2, 2] < -0.9


def test_component_answers_each_good_image_and_refuses_bad_ones():
    node = build(CONFIG, None)
    image = rendering.render({2: rendering.marker_pose(0.7, 0.4)})
    assert node.step(0.9) == []
    node.receive("camera/image", image)
    ((topic, value),) = node.step(1.05)
    assert topic == "markers"
    assert isinstance(value, MarkerArray)
    assert [m.id for m in value.markers] == [2]
    assert value.frame_id == "camera_optical_frame"
    bad = [
        replace(image, stamp_s=1.0),
        replace(image, stamp_s=np.nan),
        replace(image, stamp_s=1.5, pixels=image.pixels[:100]),
        replace(image, stamp_s=1.5, pixels=image.pixels.astype(float)),
        replace(image, stamp_s=1.5, model=replace(image.model, K=np.full((3, 3), np.nan))),
        replace(image, stamp_s=0.2 + 1.0, pixels=None),
        replace(image, stamp_s=9.0),
    ]
    for k, spoiled in enumerate(bad):
        node.receive("camera/image", spoiled)
        assert node.step(1.55) == []
        assert node.diagnose(1.55)[0].values["refused"] == str(k + 1)
        assert node.diagnose(1.55)[0].level == DiagnosticLevel.WARN
    blank = replace(image, stamp_s=1.6, pixels=np.full_like(image.pixels, 128))
    node.receive("camera/image", blank)
    assert node.step(1.62)[0][1].markers == ()


def test_images_beyond_the_rate_are_left_out():
    node = build(CONFIG, None)
    image = rendering.render({})
    count = 0
    for k in range(20):
        node.receive("camera/image", replace(image, stamp_s=1.0 + 0.05 * k))
        count += len(node.step(1.0 + 0.05 * k))
    assert count == 10


def test_markers_of_another_dictionary_give_nothing(monkeypatch):
    other = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_6X6_250)
    monkeypatch.setattr(rendering, "DICTIONARY", other)
    assert FiducialFinder(CONFIG).find(rendering.render({7: rendering.marker_pose(1.0, 0.3)})) == ()


def test_images_are_used_again_when_the_clock_was_set_back():
    node = build(CONFIG, None)
    image = rendering.render({2: rendering.marker_pose(0.7, 0.4)})
    told = []
    for now_s in (10.0, 10.2, 5.0, 5.2):
        node.receive("camera/image", replace(image, stamp_s=now_s))
        told.append(len(node.step(now_s + 0.02)))
    assert told == [1, 1, 1, 1]
    assert node.diagnose(5.2)[0].values["clock set back"] == "1"
