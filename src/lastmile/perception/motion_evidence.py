"""What speaks for and against motion of a thing, besides how its centre moved."""

from __future__ import annotations

import numpy as np

from lastmile.perception.config import TrackerConfig
from lastmile.perception.detections import SMALL_M, Detections
from lastmile.perception.motion_models import MotionState

FRESH_STANDING = 0.1
"""Freshness that noise alone gives to standing things."""
FRESH_LONG = 0.02
SLIDES = -3.0
"""Evidence against motion of long things that cover no free ground."""
HIDDEN_SMALL = -0.5
"""Evidence against motion of small things that come out from behind something."""
STANDS = -8.0
"""Evidence that decides against motion: for tall things that are no lorries (poles, and pieces of
walls, whose visible part slides along as the robot drives), and for new, long, half-hidden ones."""
SLIT_SPEED_MPS, SLIT_SPEED_WIDE_MPS, WIDE_M = 1.0, 0.4, 0.55
"""Half-hidden things that are faster and cover no free ground are parts of something that stands:
those wider than a walker at less speed."""
LORRY_MIN_M = 2.4
PROVEN_HITS = 6
"""Fewer detections do not carry a thing through an occlusion."""


def weigh_motion(
    seen: MotionState,
    hits: np.ndarray,
    detections: Detections,
    columns: np.ndarray,
    config: TrackerConfig,
) -> np.ndarray:
    """
    Give the log evidence for motion of tracks that were seen again.

    Parameters
    ----------
    seen : MotionState
        Of N tracks, at the time of the detections.
    hits : ndarray, shape (N,)
        How often each was seen.
    detections : Detections
        Of the scan.
    columns : ndarray, shape (N,)
        Which of them belong to the tracks.
    config : TrackerConfig
        Weights.

    Returns
    -------
    ndarray, shape (N,)
        Natural logarithm of the likelihood ratio of moving over standing.

    """
    fresh, hidden = detections.fresh[columns], detections.hidden[columns]
    length_m, tall = detections.length_m[columns], detections.tall[columns]
    long = length_m > SMALL_M
    evidence = np.where(np.isnan(fresh), 0.0, config.fresh_weight * (fresh - FRESH_STANDING))
    evidence = np.where(hidden & ~long, np.minimum(evidence, HIDDEN_SMALL), evidence)
    # Through the slit between two walkers a wall looks like a walker, on ground that was never
    # free; a thing so fast would by now stand beside the cells that it was entered in. The part
    # of a car that a walker's shadow leaves grows on and grows wider than a walker.
    speed = np.hypot(seen.moving[:, 2], seen.moving[:, 3])
    too_fast = speed > np.where(length_m > WIDE_M, SLIT_SPEED_WIDE_MPS, SLIT_SPEED_MPS)
    evidence = np.where(hidden & (fresh < FRESH_LONG) & too_fast, STANDS, evidence)
    # A long thing that moves covers some new ground with its front. A wall between the shadows
    # of people, or coming out from behind a corner, seems to move and covers none; worse, what
    # moves is not entered in the cost map, so that the wall would vanish from it.
    evidence = np.where(long & (fresh < FRESH_LONG), SLIDES, evidence)
    unproven = (hits < PROVEN_HITS) | (seen.p_moving < config.moving_probability)
    evidence = np.where(long & hidden & unproven, STANDS, evidence)
    return np.where(tall & (length_m < LORRY_MIN_M), STANDS, evidence)
