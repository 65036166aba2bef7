"""What one scan shows, in odom, as the tracker takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import se2
from lastmile.perception.clusters import Thing

SMALL_M = 1.2
"""Things up to this size are measured by the mean of their points, longer ones by their box."""


@dataclass(frozen=True, slots=True)
class Detections:
    """
    Things of one scan in odom, as arrays of N rows.

    `fresh` is the share that stands on ground that was free before, NaN where unknown; `range_m`
    the distance from the robot; `tall` (bool) things go on overhead, `hidden` ones end
    behind something nearer. `outline` holds one polygon (K, 2) each, about the position in odom
    axes. `thing` is the number of the cluster.
    """

    position: np.ndarray
    length_m: np.ndarray
    width_m: np.ndarray
    height_m: np.ndarray
    range_m: np.ndarray
    fresh: np.ndarray
    tall: np.ndarray
    hidden: np.ndarray
    outline: list[np.ndarray]
    thing: np.ndarray


def to_detections(things: list[Thing], fresh: np.ndarray, pose_odom_base: np.ndarray) -> Detections:
    """Bring things from base to odom."""
    position_base = np.array(
        [t.mean if t.length_m < SMALL_M else t.centre for t in things], float
    ).reshape(-1, 2)
    position = se2.transform(pose_odom_base, position_base)
    index = np.array([t.index for t in things], int)
    return Detections(
        position,
        np.array([t.length_m for t in things]),
        np.array([t.width_m for t in things]),
        np.array([t.height_m for t in things]),
        np.hypot(position_base[:, 0], position_base[:, 1]),
        np.asarray(fresh, float)[index],
        np.array([t.tall for t in things], bool),
        np.array([t.hidden for t in things], bool),
        _outlines_about(position, [t.outline for t in things], pose_odom_base),
        index,
    )


def _outlines_about(
    position: np.ndarray, outlines: list[np.ndarray], pose_odom_base: np.ndarray
) -> list[np.ndarray]:
    """Bring polygons (K, 2) from base to odom axes about positions (N, 2), all at once."""
    if not outlines:
        return []
    counts = [len(outline) for outline in outlines]
    about = se2.transform(pose_odom_base, np.concatenate(outlines))
    about -= np.repeat(position, counts, axis=0)
    ends = np.cumsum(counts).tolist()
    return [about[end - count : end] for end, count in zip(ends, counts, strict=True)]
