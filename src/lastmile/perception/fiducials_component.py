"""The node `fiducials`: camera images in, markers of lockers out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from lastmile.checks import is_set_back
from lastmile.perception.config import FiducialsConfig
from lastmile.perception.fiducials import FiducialFinder
from lastmile.types import CameraImage, Diagnostic, DiagnosticLevel, MarkerArray

FUTURE_MAX_S = 0.1


class ImageError(ValueError):
    """An image that must not be used; the message gives the value and the rule."""


def build(config: FiducialsConfig, context: Any) -> FiducialsComponent:
    """Make the component of the node `fiducials`."""
    return FiducialsComponent(config)


class FiducialsComponent:
    """Checks images and finds the markers in them."""

    def __init__(self, config: FiducialsConfig):
        self.config = config
        self._finder = FiducialFinder(config)
        self._waiting: CameraImage | None = None
        self._last_s = -np.inf
        self._now_s = -np.inf
        self._counts: Counter[str] = Counter()
        self._reason = ""

    def receive(self, topic: str, value: Any) -> None:
        """Take an image; `step` works on it."""
        if topic != "camera/image":
            raise ValueError(f"fiducials does not read topic {topic!r}")
        self._waiting = value

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Find markers in the image that waits; an image without any gives an empty array."""
        if is_set_back(self._now_s, stamp_s):
            self._last_s = -np.inf
            self._counts["clock set back"] += 1
        self._now_s = stamp_s
        image = self._waiting
        if image is None:
            return []
        self._waiting = None
        try:
            self._check(image, stamp_s)
        except ImageError as error:
            self._counts["refused"] += 1
            self._reason = str(error)
            return []
        # A tenth of slack, or jitter of the stamps would halve the rate.
        if image.stamp_s - self._last_s < 0.9 / self.config.rate_max_hz:
            return []
        self._last_s = image.stamp_s
        self._reason = ""
        markers = self._finder.find(image)
        self._counts["images"] += 1
        self._counts["markers"] += len(markers)
        return [("markers", MarkerArray(image.stamp_s, image.frame_id, markers))]

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell how many images and markers came; no image is no fault, the camera may rest."""
        level = DiagnosticLevel.WARN if self._reason else DiagnosticLevel.OK
        values = {name: str(n) for name, n in sorted(self._counts.items())}
        return [Diagnostic("fiducials/image", level, self._reason or "images are used", values)]

    def close(self) -> None:
        """Nothing is held."""

    def _check(self, image: CameraImage, stamp_s: float) -> None:
        if not np.isfinite(image.stamp_s) or image.stamp_s <= self._last_s:
            raise ImageError(
                f"image has stamp {image.stamp_s}, it must be later than {self._last_s}"
            )
        age = stamp_s - image.stamp_s
        if not -FUTURE_MAX_S <= age <= self.config.age_max_s:
            raise ImageError(
                f"image is {age:.3f} s old, it must be from {-FUTURE_MAX_S:g} to "
                f"{self.config.age_max_s:g} s"
            )
        model = image.model
        shape = (model.height_px, model.width_px)
        pixels = image.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
            raise ImageError(
                f"image has shape {np.shape(pixels)}, it must be uint8 of shape {shape}"
            )
        if np.shape(model.K) != (3, 3) or np.shape(model.D) != (5,):
            raise ImageError(
                f"camera has K {np.shape(model.K)} and D {np.shape(model.D)}, "
                "they must be (3, 3) and (5,)"
            )
        if not (np.isfinite(model.K).all() and np.isfinite(model.D).all()):
            raise ImageError("camera model is not finite")
        if not (model.K[0][0] > 0.0 and model.K[1][1] > 0.0):
            raise ImageError(f"camera has focal length {model.K[0][0]}, it must be positive")
