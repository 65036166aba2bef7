"""Markers drawn as a camera would see them, by super-sampling; pixel centres at integers."""

from __future__ import annotations

import cv2
import numpy as np

from lastmile.types import CameraImage, CameraModel

DICTIONARY = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
MODEL = CameraModel(
    1280,
    720,
    np.array([[914.0, 0.0, 639.5], [0.0, 914.0, 359.5], [0.0, 0.0, 1.0]]),
    np.array([-0.05, 0.02, 0.0005, -0.0003, 0.0]),
)


def marker_pose(distance, yaw, x=0.0, y=0.0):
    """T_camera_marker of an upright marker that looks at the camera, turned by yaw."""
    c, s = np.cos(yaw), np.sin(yaw)
    T = np.eye(4)
    T[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.diag([1.0, -1.0, -1.0])
    T[:3, 3] = [x, y, distance]
    return T


def render(markers, side=0.16, model=MODEL, samples=5, rng=None, noise=0.0, blur=0.0):
    """Grey image of markers, given as {id: T_camera_marker}, on a white wall."""
    pixels = np.full((model.height_px, model.width_px), 200.0)
    for marker_id, T in markers.items():
        _draw(pixels, marker_id, T, side, model, samples)
    if blur > 0.0:
        pixels = cv2.GaussianBlur(pixels, (0, 0), blur)
    if rng is not None:
        pixels = pixels + rng.normal(0.0, noise, pixels.shape)
    return CameraImage(
        1.0, "camera_optical_frame", np.clip(np.round(pixels), 0, 255).astype(np.uint8), model
    )


def _draw(pixels, marker_id, T, side, model, samples):
    h = side / 2
    corners = np.array([[-h, h, 0], [h, h, 0], [h, -h, 0], [-h, -h, 0]]) * 1.3
    seen, _ = cv2.projectPoints(corners, cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], model.K, model.D)
    seen = seen.reshape(4, 2)
    x0, y0 = np.maximum(np.floor(seen.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(
        np.ceil(seen.max(axis=0)).astype(int) + 3, [model.width_px, model.height_px]
    )
    sub = (np.arange(samples) + 0.5) / samples - 0.5
    u = (np.arange(x0, x1)[:, None] + sub).ravel()
    v = (np.arange(y0, y1)[:, None] + sub).ravel()
    uv = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(uv, model.K, model.D).reshape(-1, 2)
    rays = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    normal = T[:3, 2]
    hits = rays * ((normal @ T[:3, 3]) / (rays @ normal))[:, None]
    local = (hits - T[:3, 3]) @ T[:3, :3]
    bits = cv2.aruco.generateImageMarker(DICTIONARY, marker_id, 8)
    column = np.floor((local[:, 0] / side + 0.5) * 8).astype(int)
    row = np.floor((0.5 - local[:, 1] / side) * 8).astype(int)
    on = (column >= 0) & (column < 8) & (row >= 0) & (row < 8)
    value = np.where(on, bits[row * on, column * on] * (200.0 / 255.0), 200.0)
    shape = (y1 - y0, samples, x1 - x0, samples)
    pixels[y0:y1, x0:x1] = value.reshape(shape).mean(axis=(1, 3))
