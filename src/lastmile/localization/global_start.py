"""
Search for the pose from one scan, without a prediction but for an area.

Correlative, coarse to fine (Olson 2009; the maximum-pooled levels are those of Hess, Kohler, Rapp
and Andor 2016): all headings and places of the area are scored on a coarse likelihood grid whose
cells hold the best of what they cover, the better ones are split, and the last are refined by the
scan matcher.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.geometry.se2 import transform, wrap_angle
from lastmile.localization import _correlation
from lastmile.localization.config import StartConfig
from lastmile.localization.scan import PlanarScan
from lastmile.localization.scan_matching import ScanMatcher
from lastmile.maps.site import OccupancyMap

CELL_M = 0.4
LEVELS = 3
"""Cells of 0.4, 0.8, 1.6 and 3.2 m."""
HEADINGS = 180
SAME_PLACE_M, SAME_HEADING_RAD = 1.5, 0.3
SCAN_REACH_M = 50.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A pose that a scan fits; `score` in [0, 1] is how well, by likelihood and lines of sight."""

    pose_map_base: np.ndarray
    score: float


class GlobalSearch:
    """Finds poses on one map."""

    def __init__(self, occupancy: OccupancyMap, matcher: ScanMatcher, config: StartConfig) -> None:
        self._occupancy = occupancy
        self._matcher = matcher
        self._config = config

    def search(self, scan: PlanarScan, centre_map: np.ndarray, radius_m: float) -> list[Hypothesis]:
        """
        Find the poses within a square where a scan fits the map, best first.

        Places nearer than SAME_PLACE_M and SAME_HEADING_RAD count as one.
        """
        points = self._pick(scan)
        if len(points) < 10:
            return []
        corner, levels = self._likelihood_levels(centre_map, radius_m)
        yaws = np.linspace(-np.pi, np.pi, HEADINGS, endpoint=False)
        c, s = np.cos(yaws)[:, None], np.sin(yaws)[:, None]
        turned = np.stack(
            [c * points[:, 0] - s * points[:, 1], s * points[:, 0] + c * points[:, 1]], axis=-1
        )
        cells = np.ascontiguousarray(np.floor(turned / CELL_M + 0.5), dtype=np.int32)
        candidates, _ = self._descend(levels, cells, centre_map - corner, radius_m)
        poses = np.column_stack(
            [corner + (candidates[:, 1:] + 0.5) * CELL_M, yaws[candidates[:, 0]]]
        )
        return self._refine(scan, _distinct(poses, 4 * self._config.hypotheses))

    def score(self, scan: PlanarScan, pose_map_base: np.ndarray) -> float:
        """
        Mean likelihood of the scan's points, less the share of its rays that cross a wall.

        A scan without points fits nowhere: 0.
        """
        if not len(scan.points_base):
            return 0.0
        distances = self._matcher.distances(scan, pose_map_base)
        sigma = self._config.likelihood_sigma_m
        likelihood = float(np.exp(-0.5 * np.square(distances / sigma)).mean())
        return max(likelihood - 0.5 * self._blocked_share(scan, pose_map_base), 0.0)

    def _pick(self, scan: PlanarScan) -> np.ndarray:
        points = scan.points_base[np.hypot(*scan.points_base.T) < SCAN_REACH_M]
        count = min(len(points), self._config.points)
        return points[np.linspace(0, len(points) - 1, count).astype(int)] if count else points

    def _likelihood_levels(
        self, centre_map: np.ndarray, radius_m: float
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Likelihood in 0..255 around a place, and its maxima over 2, 4, 8 cells to the right."""
        field = self._matcher.field
        count = int(np.ceil(2.0 * (radius_m + SCAN_REACH_M) / CELL_M))
        corner = centre_map - 0.5 * count * CELL_M
        middles = corner[:, None] + (np.arange(count) + 0.5) * CELL_M
        columns, rows = np.round((middles - field.centre[:, None]) / field.resolution_m).astype(int)
        height, width = field.distance.shape
        distance = np.full((count, count), field.limit_m, np.float32)
        inside = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
        distance[inside] = field.distance[
            np.ix_(rows[(rows >= 0) & (rows < height)], columns[(columns >= 0) & (columns < width)])
        ]
        sigma = self._config.likelihood_sigma_m
        base = (255.0 * np.exp(-0.5 * np.square(distance / sigma))).astype(np.uint8)
        levels = [base]
        for level in range(1, LEVELS + 1):
            side = 1 << level
            levels.append(cv2.dilate(base, np.ones((side, side), np.uint8), anchor=(0, 0)))
        return corner, levels

    def _descend(
        self,
        levels: list[np.ndarray],
        cells: np.ndarray,
        centre: np.ndarray,
        radius_m: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Split the better candidates level by level; the last are sorted, best first."""
        side = 1 << LEVELS
        low = np.floor((centre - radius_m) / CELL_M).astype(int)
        steps = np.arange(0, int(2.0 * radius_m / CELL_M) + 1, side)
        grid = np.meshgrid(np.arange(len(cells)), low[0] + steps, low[1] + steps, indexing="ij")
        candidates = np.stack([axis.ravel() for axis in grid], axis=-1).astype(np.int32)
        for level in range(LEVELS, -1, -1):
            candidates = np.ascontiguousarray(candidates, dtype=np.int32)
            scores = np.empty(len(candidates), np.int32)
            _correlation.score_candidates(levels[level], cells, candidates, scores)
            best = np.argsort(-scores, kind="stable")[: self._config.beam]
            candidates, scores = candidates[best], scores[best]
            if level:
                candidates = _split(candidates, 1 << (level - 1))
        return candidates, scores

    def _refine(self, scan: PlanarScan, poses: np.ndarray) -> list[Hypothesis]:
        matched = [self._matcher.match(scan, pose).pose_map_base for pose in poses]
        found = [Hypothesis(pose, self.score(scan, pose)) for pose in matched]
        found.sort(key=lambda hypothesis: -hypothesis.score)
        return keep_distinct(found)[: self._config.hypotheses]

    def _blocked_share(self, scan: PlanarScan, pose_map_base: np.ndarray) -> float:
        """Share of the scan's rays that pass well inside of what is not free."""
        points = scan.points_base[:: max(1, len(scan.points_base) // 60)]
        reach = np.hypot(*points.T)[:, None]
        fractions = np.linspace(0.1, 1.0, 12)[None, :]
        along = np.where(fractions * reach < reach - 2.0, fractions, np.nan)
        samples = transform(pose_map_base, (along[..., None] * points[:, None, :]).reshape(-1, 2))
        occupancy = self._occupancy
        with np.errstate(invalid="ignore"):
            cells = np.floor((samples - occupancy.origin) / occupancy.resolution_m)
            rows, columns = occupancy.cells.shape
            inside = (cells >= 0).all(axis=1) & (cells[:, 0] < columns) & (cells[:, 1] < rows)
        at = np.where(inside[:, None], cells, 0).astype(int)
        distances = self._matcher.field.distance[at[:, 1], at[:, 0]]
        solid = inside & (occupancy.cells[at[:, 1], at[:, 0]] != 0) & (distances > 1.0)
        return float(solid.reshape(len(points), -1).any(axis=1).mean())


def keep_distinct(found: list[Hypothesis]) -> list[Hypothesis]:
    """Drop every hypothesis that repeats a better one; the list is sorted, best first."""
    kept: list[Hypothesis] = []
    for hypothesis in found:
        if not any(_same(hypothesis.pose_map_base, other.pose_map_base) for other in kept):
            kept.append(hypothesis)
    return kept


def _same(pose_a: np.ndarray, pose_b: np.ndarray) -> bool:
    apart_m = np.hypot(*(pose_a[:2] - pose_b[:2]))
    return bool(
        apart_m < SAME_PLACE_M and abs(wrap_angle(pose_a[2] - pose_b[2])) < SAME_HEADING_RAD
    )


def _distinct(poses: np.ndarray, count: int) -> np.ndarray:
    """Keep the first of poses (m, 3) that lie together, at most `count`."""
    kept = []
    left = poses
    while len(left) and len(kept) < count:
        kept.append(left[0])
        apart = np.hypot(*(left[:, :2] - left[0, :2]).T)
        turn = np.abs(wrap_angle(left[:, 2] - left[0, 2]))
        left = left[(apart >= SAME_PLACE_M) | (turn >= SAME_HEADING_RAD)]
    return np.array(kept)


def _split(candidates: np.ndarray, side: int) -> np.ndarray:
    """Four children (yaw, column, row) of each candidate."""
    shifts = np.array([[0, i * side, j * side] for i in (0, 1) for j in (0, 1)])
    return (candidates[:, None, :] + shifts).reshape(-1, 3)
