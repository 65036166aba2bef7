"""
People parted from the walls and benches that they brush past.

By distance alone somebody less than a hand's breadth from a wall is one cluster with it, and walls
are in no list of obstacles. The ground tells them apart: who walks covers ground that was free
before. Known walkers are looked for where they should be by now, since what stands so close to a
wall counts as such only with its own cell.
"""

from __future__ import annotations

import numpy as np

from lastmile.perception.clusters import Clusters, describe, number, order_points
from lastmile.perception.config import ClusterConfig
from lastmile.perception.cost_map import FREE_ALL_ROUND, Freshness
from lastmile.perception.ground import Terrain
from lastmile.perception.sweep import OBSTACLE, Sweep

WIDTH_MIN_M, WIDTH_MAX_M, TOP_MIN_M = 0.15, 1.0, 0.7
"""What was told apart is a person when it is that wide and its top that high."""
POINTS_MIN = 12
STANDING_SHARE = 0.1
"""A thing that shows less than this against what is told apart moved as a whole."""
WALKER_REACH_M = 0.45
"""How far from where a walker is expected its points are."""


def part_people(
    pairs: list[tuple[Sweep, Terrain]],
    found: Clusters,
    fresh: Freshness,
    walkers_base: np.ndarray,
    config: ClusterConfig,
) -> Clusters:
    """
    Give people who are one cluster with something longer a number of their own.

    Parameters
    ----------
    pairs : list of tuple
        Those that the clusters were found in.
    found : Clusters
        Left as they are.
    fresh : Freshness
        Of `found`.
    walkers_base : ndarray, shape (W, 2)
        Where known walkers are expected, in base.

    Returns
    -------
    Clusters
        `found` when there is nobody; else with the numbers of `found` and further ones.

    """
    apart = _told_apart(found, fresh, walkers_base)
    if apart.size == 0:
        return found
    members = np.sort(found.order[apart])
    label = np.zeros_like(found.label)
    label[members] = OBSTACLE
    piece, count = number(pairs, found.points, label, members, config)
    *_, box, _ = order_points(members, found.points, found.height, piece, count)
    width_m = np.maximum(box[:, 1] - box[:, 0], box[:, 3] - box[:, 2])
    person = (width_m > WIDTH_MIN_M) & (width_m < WIDTH_MAX_M) & (box[:, 4] > TOP_MIN_M)
    if not person.any():
        return found
    own = np.append(np.where(person, len(found.start) - 2 + np.cumsum(person), -1), -1)[piece]
    cluster = np.where(own < 0, found.cluster, own).astype(np.int32)
    count = len(found.start) - 1 + int(person.sum())
    return describe(pairs, found.points, found.label, found.height, cluster, count, config)


def _told_apart(found: Clusters, fresh: Freshness, walkers_base: np.ndarray) -> np.ndarray:
    """Give the rows of `xy` that moved while most of their cluster did not."""
    longer = np.ones(len(found.start) - 1, bool)
    longer[[t.index for t in found.things if t.length_m < WIDTH_MAX_M]] = False
    rows = np.flatnonzero(fresh.at)
    rows = rows[longer[found.cluster[found.order[rows]]]]
    if rows.size < POINTS_MIN:
        return rows[:0]
    gap_m = np.linalg.norm(found.xy[rows, None] - walkers_base, axis=2).min(axis=1, initial=np.inf)
    rows = rows[(fresh.at[rows] == FREE_ALL_ROUND) | (gap_m < WALKER_REACH_M)]
    cluster = found.cluster[found.order[rows]]
    apart = np.bincount(cluster, minlength=len(longer))
    mixed = (apart >= POINTS_MIN) & (fresh.known - apart >= STANDING_SHARE * apart)
    return rows[mixed[cluster]]
