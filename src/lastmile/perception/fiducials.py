"""
AprilTag 36h11 markers in a camera image, with their poses.

Pixel centres lie at integers, as in OpenCV: the outer edge of the first pixel is at -0.5. The
detector follows the centres of dark pixels, which draws its corners inwards by half a pixel; the
fit of the edges takes that out, and a test on a rendered marker holds it so.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.perception.config import FiducialsConfig
from lastmile.perception.marker_edges import refine_corners
from lastmile.types import CameraImage, Marker

ALIKE_RAD = 0.1
"""Two poses whose normals differ by less need no choice."""

THRESHOLD_PX = 13
"""
Window of the threshold. One finds borders from 17 to 240 px as three windows of 5 to 33 px do, in
4 to 8 ms of a 1280 x 720 image in place of 10 to 17.
"""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Poses that explain one marker, best first, with their mean corner errors [px]."""

    id: int
    poses: tuple[np.ndarray, ...]
    errors_px: tuple[float, ...]


class FiducialFinder:
    """Finds markers; made once, for the detector is costly to make."""

    def __init__(self, config: FiducialsConfig):
        self.config = config
        parameters = cv2.aruco.DetectorParameters()
        parameters.adaptiveThreshWinSizeMin = parameters.adaptiveThreshWinSizeMax = THRESHOLD_PX
        self._detector = cv2.aruco.ArucoDetector(
            cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11), parameters
        )
        h = 0.5 * config.marker_side_m
        self._corners_marker = np.array([[-h, h, 0], [h, h, 0], [h, -h, 0], [-h, -h, 0]])

    def find(self, image: CameraImage) -> tuple[Marker, ...]:
        """
        Find the markers of a checked image, by rising id.

        A marker whose two poses explain its corners about as well is kept only if another marker
        of the same locker, which hangs on the same plane, decides between them.
        """
        corners, ids, _ = self._detector.detectMarkers(image.pixels)
        if ids is None:
            return ()
        candidates: dict[int, _Candidate] = {}
        for quad, marker_id in zip(corners, np.ravel(ids), strict=True):
            candidate = self._solve(int(marker_id), quad.reshape(4, 2), image)
            if candidate is None:
                continue
            known = candidates.get(candidate.id)
            if known is None or candidate.errors_px[0] < known.errors_px[0]:
                candidates[candidate.id] = candidate
        return tuple(self._choose(candidates))

    def _solve(self, marker_id: int, quad: np.ndarray, image: CameraImage) -> _Candidate | None:
        """Both poses of one quadrilateral, or None where it is too small or fits none."""
        sides = np.hypot(*(np.roll(quad, -1, axis=0) - quad).T)
        if sides.min() < self.config.side_min_px:
            return None
        flat = refine_corners(image.pixels, quad.astype(float), image.model)
        if flat is None:
            return None
        focal = float(image.model.K[0][0])
        count, rvecs, tvecs, _ = cv2.solvePnPGeneric(
            self._corners_marker, flat, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE_SQUARE
        )
        found = []
        for rvec, tvec in zip(rvecs[:count], tvecs[:count], strict=True):
            seen, _ = cv2.projectPoints(self._corners_marker, rvec, tvec, np.eye(3), None)
            error = focal * float(np.hypot(*(seen.reshape(4, 2) - flat).T).mean())
            T = np.eye(4)
            T[:3, :3] = cv2.Rodrigues(rvec)[0]
            T[:3, 3] = np.ravel(tvec)
            if np.isfinite(T).all() and error <= self.config.reprojection_max_px and T[2, 3] > 0:
                found.append((error, T))
        if not found:
            return None
        found.sort(key=lambda pair: pair[0])
        return _Candidate(marker_id, tuple(T for _, T in found), tuple(e for e, _ in found))

    def _choose(self, candidates: dict[int, _Candidate]) -> list[Marker]:
        markers = []
        for marker_id in sorted(candidates):
            candidate = candidates[marker_id]
            partner = candidates.get(marker_id ^ 1)
            best = 0
            if self._ambiguous(candidate):
                if partner is None:
                    continue
                best = _agree(candidate, partner)
            markers.append(Marker(marker_id, candidate.poses[best], candidate.errors_px[best]))
        return markers

    def _ambiguous(self, candidate: _Candidate) -> bool:
        if len(candidate.poses) < 2:
            return False
        first, second = (T[:3, 2] for T in candidate.poses[:2])
        apart = float(np.arccos(np.clip(first @ second, -1.0, 1.0)))
        # Errors below a tenth of a pixel are noise and say nothing about their ratio.
        e0, e1 = (max(e, 0.1) for e in candidate.errors_px[:2])
        return apart > ALIKE_RAD and e1 < self.config.ambiguity_ratio * e0


def _agree(candidate: _Candidate, partner: _Candidate) -> int:
    """Index of the pose that lies best on one plane with any pose of the partner."""
    costs = []
    for T in candidate.poses:
        best = np.inf
        for T_partner in partner.poses:
            across = T_partner[:3, 3] - T[:3, 3]
            across = across / max(float(np.linalg.norm(across)), 1e-9)
            turned = np.arccos(np.clip(T[:3, 2] @ T_partner[:3, 2], -1.0, 1.0))
            lifted = np.arcsin(np.clip(across @ T[:3, 2], -1.0, 1.0))
            best = min(best, float(turned**2 + lifted**2))
        costs.append(best)
    return int(np.argmin(costs))
