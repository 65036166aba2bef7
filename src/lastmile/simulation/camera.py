"""
The front camera, as far as it matters: a locker's front with its markers, drawn without OpenGL.

Each pixel's ray, lens distortion included, meets the plane of the locker's front; the texture there
is looked up. Everything else is a plain background.
"""

from __future__ import annotations

import cv2
import numpy as np

from lastmile.maps.site import Locker
from lastmile.simulation.config import CameraConfig
from lastmile.simulation.rays import STILL
from lastmile.types import CameraImage, CameraModel

FRAME = "camera_optical_frame"
TEXEL_M = 0.002
NEAR_M = 0.02
BACKGROUND, BODY, DOOR, DOOR_OPEN = 120, 165, 140, 35
DOOR_SIZE_M = (0.5, 0.4)
DOOR_MIDDLE_M = 0.55
MARKER_CELLS = 8
"""Cells across a 36h11 tag with its black border; the stated side is that of the border."""


class Camera:
    """The front camera; `take` gives an image, or None far from all lockers."""

    def __init__(
        self,
        T_base_optical: np.ndarray,
        lockers: tuple[Locker, ...],
        config: CameraConfig,
        rng: np.random.Generator,
    ) -> None:
        """Draw the lockers' fronts and prepare the lens."""
        self.config = config
        self.model = camera_model(config)
        self._T_base_optical = T_base_optical
        self._lockers = lockers
        self._rng = rng
        self._fronts = {
            (locker.id, is_open): _mipmaps(front_texture(locker, is_open))
            for locker in lockers
            for is_open in (False, True)
        }
        self._rays: tuple[np.ndarray, np.ndarray] | None = None
        self._noise: np.ndarray | None = None
        self._seen: list[tuple[str, bool]] = []
        self._seen_from = np.zeros((4, 4))
        self._seen_pixels = np.empty(0, np.uint8)

    def take(
        self, stamp_s: float, T_map_base: np.ndarray, doors_open: dict[str, bool]
    ) -> CameraImage | None:
        """Take an image if a locker is near and ahead."""
        near = [locker for locker in self._lockers if self._concerns(locker, T_map_base)]
        if not near:
            return None
        T_map_camera = T_map_base @ self._T_base_optical
        pixels = self._view(T_map_camera, [(k, doors_open.get(k.id, False)) for k in near])
        return CameraImage(stamp_s, FRAME, self._add_noise(pixels), self.model)

    def _view(self, T_map_camera: np.ndarray, near: list[tuple[Locker, bool]]) -> np.ndarray:
        """Draw lockers with their doors open or not; drawn once while the robot stands."""
        seen = [(locker.id, is_open) for locker, is_open in near]
        if seen == self._seen and np.abs(T_map_camera - self._seen_from).max() < STILL:
            return self._seen_pixels
        shape = (self.config.height_px, self.config.width_px)
        pixels = np.full(shape, BACKGROUND, dtype=np.uint8)
        for locker, is_open in near:
            self._draw(pixels, locker, T_map_camera, is_open)
        if self.config.blur_sigma_px > 0.0:
            pixels = cv2.GaussianBlur(pixels, (0, 0), self.config.blur_sigma_px)
        self._seen, self._seen_from, self._seen_pixels = seen, T_map_camera, pixels
        return pixels

    def _concerns(self, locker: Locker, T_map_base: np.ndarray) -> bool:
        """Tell whether a locker is near and not behind the robot."""
        away = locker.pose_map_port[:2] - T_map_base[:2, 3]
        ahead = float(away @ T_map_base[:2, 0])
        return bool(ahead > 0.0 and np.hypot(*away) < self.config.locker_range_m)

    def _draw(
        self, pixels: np.ndarray, locker: Locker, T_map_camera: np.ndarray, is_open: bool
    ) -> None:
        T_camera_port = np.linalg.inv(T_map_camera) @ _matrix(locker.pose_map_port)
        outward, middle = T_camera_port[:3, 0], T_camera_port[:3, 3]
        # Seen from behind, or the camera in the plane.
        if outward @ middle > -NEAR_M:
            return
        region = self._region(locker, T_camera_port)
        if region is None:
            return
        x0, y0, x1, y1 = region
        levels = self._fronts[locker.id, is_open]
        texels_per_pixel = max(1e-3, -outward @ middle) / self.model.K[0, 0] / TEXEL_M
        level = int(np.clip(np.floor(np.log2(max(1.0, texels_per_pixel))), 0, len(levels) - 1))
        height, width = levels[level].shape
        H = _texels_of_rays(T_camera_port, locker, TEXEL_M * 2**level)
        x, y = (plane[y0:y1, x0:x1] for plane in self._lens())
        u, v, w = (cv2.addWeighted(x, row[0], y, row[1], row[2]) for row in H)
        u, v = cv2.divide(u, w), cv2.divide(v, w)
        # Depth is 1 / w; rays that run away from the plane meet it behind the camera.
        seen = cv2.inRange(w, 1e-6, 1.0 / NEAR_M)
        seen &= cv2.inRange(u, -0.5, width - 0.5) & cv2.inRange(v, -0.5, height - 0.5)
        drawn = cv2.remap(levels[level], u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.copyTo(drawn, seen, pixels[y0:y1, x0:x1])

    def _region(
        self, locker: Locker, T_camera_port: np.ndarray
    ) -> tuple[int, int, int, int] | None:
        """Window of the image that the front may cover, or None."""
        half = 0.5 * locker.width_m
        corners = np.array([[0, y, z, 1.0] for y in (-half, half) for z in (0.0, locker.height_m)])
        in_camera = (T_camera_port @ corners.T).T[:, :3]
        width, height = self.config.width_px, self.config.height_px
        if (in_camera[:, 2] < 0.3).any():
            ahead = (in_camera[:, 2] > 0.0).any() or T_camera_port[2, 3] > 0.0
            return (0, 0, width, height) if ahead else None
        image, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), self.model.K, None)
        # Barrel distortion only pulls inwards, and by far less than a third.
        x0, y0 = image.reshape(-1, 2).min(axis=0)
        x1, y1 = image.reshape(-1, 2).max(axis=0)
        margin = 0.05 * width
        x0, y0 = max(0, int(x0 - margin)), max(0, int(y0 - margin))
        x1, y1 = min(width, int(x1 + margin)), min(height, int(y1 + margin))
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def _lens(self) -> tuple[np.ndarray, np.ndarray]:
        """Undistorted ray of each pixel, x and y where z is 1; worked out at the first image."""
        if self._rays is None:
            width, height = self.config.width_px, self.config.height_px
            # Every eighth pixel, then interpolated: the lens is smooth to 1e-3 px over 8 px.
            u, v = np.meshgrid(
                np.arange(0, width + 8, 8, dtype=float), np.arange(0, height + 8, 8, dtype=float)
            )
            grid = np.column_stack([u.ravel(), v.ravel()])[:, None]
            rays = cv2.undistortPoints(grid, self.model.K, self.model.D)
            rays = rays.reshape(*u.shape, 2).astype(np.float32)
            x, y = np.meshgrid(
                np.arange(width, dtype=np.float32) / 8.0, np.arange(height, dtype=np.float32) / 8.0
            )
            self._rays = tuple(cv2.remap(rays[..., i], x, y, cv2.INTER_LINEAR) for i in range(2))
        return self._rays

    def _add_noise(self, pixels: np.ndarray) -> np.ndarray:
        """Add noise from a bank drawn once, shifted by chance: drawing it anew costs 10 ms."""
        if self.config.noise_sigma <= 0.0:
            return pixels
        height, width = pixels.shape
        if self._noise is None:
            bank = self._rng.normal(0.0, self.config.noise_sigma, (height + 256, width + 256))
            self._noise = np.round(bank).astype(np.int16)
        y, x = self._rng.integers(256, size=2)
        noise = self._noise[y : y + height, x : x + width]
        return cv2.add(pixels, noise, dtype=cv2.CV_8U)


def camera_model(config: CameraConfig) -> CameraModel:
    """Make the pinhole model of a config, with the middle of the image as principal point."""
    focal = 0.5 * config.width_px / np.tan(0.5 * np.radians(config.horizontal_deg))
    K = np.array(
        [
            [focal, 0.0, 0.5 * (config.width_px - 1)],
            [0.0, focal, 0.5 * (config.height_px - 1)],
            [0.0, 0.0, 1.0],
        ]
    )
    return CameraModel(config.width_px, config.height_px, K, np.array(config.distortion))


def front_texture(locker: Locker, is_open: bool) -> np.ndarray:
    """Draw a locker's front, left to right as seen from ahead, with door and markers."""
    width, height = round(locker.width_m / TEXEL_M), round(locker.height_m / TEXEL_M)
    texture = np.full((height, width), BODY, dtype=np.uint8)
    half_y, half_z = 0.5 * DOOR_SIZE_M[0], 0.5 * DOOR_SIZE_M[1]
    x0, x1 = (round((0.5 * locker.width_m + s * half_y) / TEXEL_M) for s in (-1, 1))
    y0, y1 = (round((locker.height_m - DOOR_MIDDLE_M + s * half_z) / TEXEL_M) for s in (-1, 1))
    texture[y0:y1, x0:x1] = DOOR_OPEN if is_open else DOOR
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    side = round(locker.marker_side_m / TEXEL_M)
    quiet = side // MARKER_CELLS
    for marker_id, (_, y, z) in locker.markers.items():
        marker = cv2.aruco.generateImageMarker(dictionary, marker_id, side)
        # The port's y axis runs to the right of whoever stands before the locker.
        u = round((0.5 * locker.width_m + y) / TEXEL_M - 0.5 * side)
        v = round((locker.height_m - z) / TEXEL_M - 0.5 * side)
        texture[v - quiet : v + side + quiet, u - quiet : u + side + quiet] = 255
        texture[v : v + side, u : u + side] = marker
    return texture


def _texels_of_rays(T_camera_port: np.ndarray, locker: Locker, texel_m: float) -> np.ndarray:
    """
    Homography from rays (x, y, 1) to texels of a front (u w, v w, w), w one over the depth.

    The point of the plane on a ray r is r / (n . r) with n = outward / (outward . middle).
    """
    outward, left, up, middle = (T_camera_port[:3, i] for i in range(4))
    w = outward / (outward @ middle)
    u = (left + (0.5 * locker.width_m - left @ middle) * w) / texel_m - 0.5 * w
    v = (-up + (locker.height_m + up @ middle) * w) / texel_m - 0.5 * w
    return np.stack([u, v, w])


def _mipmaps(texture: np.ndarray) -> list[np.ndarray]:
    levels = [texture]
    for _ in range(3):
        height, width = levels[-1].shape
        levels.append(
            cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        )
    return levels


def _matrix(pose: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    c, s = np.cos(pose[2]), np.sin(pose[2])
    T[:2, :2] = [[c, -s], [s, c]]
    T[:2, 3] = pose[:2]
    return T
