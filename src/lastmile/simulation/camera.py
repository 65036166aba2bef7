"""
The front camera, as far as it matters: a locker's front with its markers, drawn without OpenGL.

Front and door are plain polygons. Where a marker may be, each pixel's ray, lens distortion
included, meets the plane of the locker's front, and the marker's texture there is looked up.
Everything else is a plain background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.maps.site import Locker
from lastmile.simulation.config import CameraConfig
from lastmile.simulation.rays import STILL
from lastmile.types import CameraImage, CameraModel

FRAME = "camera_optical_frame"
TEXEL_M = 0.002
NEAR_M, FAR_PX = 0.02, 16000.0
SIDE_PIECES = 8
"""Of each side of a panel, which the lens bends."""
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
        self._markers = {
            (locker.id, marker_id): _mipmaps(marker_texture(locker, marker_id))
            for locker in lockers
            for marker_id in locker.markers
        }
        self._rays: tuple[np.ndarray, np.ndarray] | None = None
        self._noise: tuple[np.ndarray, np.ndarray] | None = None
        self._seen: list[tuple[str, bool]] = []
        self._seen_from = np.zeros((4, 4))
        self._seen_pixels = np.empty(0, np.uint8)

    def take(
        self, stamp_s: float, T_map_base: np.ndarray, doors_open: dict[str, bool]
    ) -> CameraImage | None:
        """Take an image if a locker is near and ahead."""
        near = lockers_in_view(self._lockers, T_map_base, self.config.locker_range_m)
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

    def _draw(
        self, pixels: np.ndarray, locker: Locker, T_map_camera: np.ndarray, is_open: bool
    ) -> None:
        T_camera_port = np.linalg.inv(T_map_camera) @ _matrix(locker.pose_map_port)
        outward, middle = T_camera_port[:3, 0], T_camera_port[:3, 3]
        # Seen from behind, or the camera in the plane.
        if outward @ middle > -NEAR_M:
            return
        front = Panel(0.0, 0.5 * locker.height_m, locker.width_m, locker.height_m)
        self._fill(pixels, T_camera_port, front, BODY)
        door = Panel(0.0, DOOR_MIDDLE_M, *DOOR_SIZE_M)
        self._fill(pixels, T_camera_port, door, DOOR_OPEN if is_open else DOOR)
        for marker_id, (_, y, z) in locker.markers.items():
            levels = self._markers[locker.id, marker_id]
            side = TEXEL_M * len(levels[0])
            self._paste(pixels, T_camera_port, Panel(y, z, side, side), levels)

    def _fill(
        self, pixels: np.ndarray, T_camera_port: np.ndarray, panel: Panel, grey: int
    ) -> None:
        """Paint a plain panel of the front."""
        outline = _part_ahead(panel.outline(SIDE_PIECES) @ T_camera_port[:3].T)
        if len(outline) < 3:
            return
        image = self._project(outline).clip(-FAR_PX, FAR_PX)
        cv2.fillPoly(pixels, [np.round(16.0 * image).astype(np.int32)], grey, shift=4)

    def _paste(
        self,
        pixels: np.ndarray,
        T_camera_port: np.ndarray,
        panel: Panel,
        levels: list[np.ndarray],
    ) -> None:
        """Paste a texture, given in halving sizes, onto a panel of the front."""
        region = self._region(panel, T_camera_port)
        if region is None:
            return
        x0, y0, x1, y1 = region
        distance = -T_camera_port[:3, 0] @ T_camera_port[:3, 3]
        texels_per_pixel = max(1e-3, distance) / self.model.K[0, 0] / TEXEL_M
        level = int(np.clip(np.floor(np.log2(max(1.0, texels_per_pixel))), 0, len(levels) - 1))
        texture = levels[level]
        H = _texels_of_rays(T_camera_port, panel, panel.width_m / len(texture))
        x, y = (plane[y0:y1, x0:x1] for plane in self._lens())
        u, v, w = (cv2.addWeighted(x, row[0], y, row[1], row[2]) for row in H)
        u, v = cv2.divide(u, w), cv2.divide(v, w)
        # Depth is 1 / w; rays that run away from the plane meet it behind the camera.
        last = len(texture) - 0.5
        seen = cv2.inRange(w, 1e-6, 1.0 / NEAR_M)
        seen &= cv2.inRange(u, -0.5, last) & cv2.inRange(v, -0.5, last)
        drawn = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.copyTo(drawn, seen, pixels[y0:y1, x0:x1])

    def _region(
        self, panel: Panel, T_camera_port: np.ndarray
    ) -> tuple[int, int, int, int] | None:
        """Window of the image that a panel may cover, or None."""
        in_camera = panel.outline(SIDE_PIECES) @ T_camera_port[:3].T
        width, height = self.config.width_px, self.config.height_px
        behind = in_camera[:, 2] < NEAR_M
        if behind.any():
            return None if behind.all() else (0, 0, width, height)
        image = self._project(in_camera).clip(-FAR_PX, FAR_PX)
        x0, y0 = np.floor(image.min(axis=0)).astype(int) - 1
        x1, y1 = np.ceil(image.max(axis=0)).astype(int) + 2
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def _project(self, in_camera: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) of points (N, 3) ahead of the camera."""
        image, _ = cv2.projectPoints(
            in_camera, np.zeros(3), np.zeros(3), self.model.K, self.model.D
        )
        return image.reshape(-1, 2)

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
            grey = np.round(bank)
            # What brightens and what darkens apart: bytes are added ten times as fast.
            self._noise = tuple(np.clip(s * grey, 0.0, 255.0).astype(np.uint8) for s in (1, -1))
        y, x = self._rng.integers(256, size=2)
        lighter, darker = (bank[y : y + height, x : x + width] for bank in self._noise)
        noisy = cv2.add(pixels, lighter)
        return cv2.subtract(noisy, darker, dst=noisy)


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle on a locker's front: middle and size, y and z of the port frame."""

    y_m: float
    z_m: float
    width_m: float
    height_m: float

    def outline(self, pieces: int) -> np.ndarray:
        """Points (4 pieces, 4) around it, homogeneous in the port frame."""
        share = np.arange(pieces) / pieces - 0.5
        half = np.full(pieces, 0.5)
        y = self.y_m + self.width_m * np.concatenate([share, half, -share, -half])
        z = self.z_m + self.height_m * np.concatenate([-half, share, half, -share])
        return np.column_stack([np.zeros_like(y), y, z, np.ones_like(y)])


def lockers_in_view(
    lockers: tuple[Locker, ...], T_map_base: np.ndarray, range_m: float
) -> list[Locker]:
    """Give the lockers that are near and not behind the robot."""
    near = []
    for locker in lockers:
        away = locker.pose_map_port[:2] - T_map_base[:2, 3]
        if float(away @ T_map_base[:2, 0]) > 0.0 and np.hypot(*away) < range_m:
            near.append(locker)
    return near


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


def marker_texture(locker: Locker, marker_id: int) -> np.ndarray:
    """Draw a marker in its quiet zone."""
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    side = round(locker.marker_side_m / TEXEL_M)
    marker = cv2.aruco.generateImageMarker(dictionary, marker_id, side)
    return np.pad(marker, side // MARKER_CELLS, constant_values=255)


def _part_ahead(outline: np.ndarray) -> np.ndarray:
    """Cut off what of a polygon (N, 3) lies behind the camera."""
    following = np.roll(outline, -1, axis=0)
    ahead, next_ahead = outline[:, 2] > NEAR_M, following[:, 2] > NEAR_M
    if ahead.all():
        return outline
    rise = following[:, 2] - outline[:, 2]
    share = (NEAR_M - outline[:, 2]) / np.where(rise == 0.0, 1.0, rise)
    cuts = outline + share[:, None] * (following - outline)
    both = np.stack([outline, cuts], axis=1)
    return both[np.column_stack([ahead, ahead != next_ahead])]


def _texels_of_rays(T_camera_port: np.ndarray, panel: Panel, texel_m: float) -> np.ndarray:
    """
    Homography from rays (x, y, 1) to texels of a panel (u w, v w, w), w one over the depth.

    The point of the plane on a ray r is r / (n . r) with n = outward / (outward . middle).
    """
    outward, left, up, middle = (T_camera_port[:3, i] for i in range(4))
    edge, top = 0.5 * panel.width_m - panel.y_m, 0.5 * panel.height_m + panel.z_m
    w = outward / (outward @ middle)
    u = (left + (edge - left @ middle) * w) / texel_m - 0.5 * w
    v = (-up + (top + up @ middle) * w) / texel_m - 0.5 * w
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
