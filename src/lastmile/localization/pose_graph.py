"""
Pose graphs of the plane: relative and absolute measurements to the most probable poses.

Gauss-Newton on the sparse normal equations (Grisetti, Kummerle, Stachniss and Burgard 2010), with
Cauchy weights on what may be plainly wrong: loops and priors. Links from pose to pose keep their
full weight, for a first guess with a kink in it would otherwise cut the path there for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from lastmile.geometry.se2 import between, wrap_angle

CAUCHY_SCALE = 2.5
"""Residual, in standard deviations, where a measurement begins to lose weight."""


@dataclass(slots=True)
class PoseGraph:
    """
    Measurements between poses of a path.

    An edge measures pose `j` in pose `i`, a prior measures a pose in map; both come with their
    information (3, 3), a prior's in map.
    """

    _first: list[int] = field(default_factory=list)
    _second: list[int] = field(default_factory=list)
    _relative: list[np.ndarray] = field(default_factory=list)
    _edge_information: list[np.ndarray] = field(default_factory=list)
    _edge_doubted: list[bool] = field(default_factory=list)
    _node: list[int] = field(default_factory=list)
    _absolute: list[np.ndarray] = field(default_factory=list)
    _prior_information: list[np.ndarray] = field(default_factory=list)

    def add_edge(
        self, i: int, j: int, pose_i_j: np.ndarray, information: np.ndarray, doubted: bool = False
    ) -> None:
        """Add a measurement of pose j in pose i; a doubted one may turn out wrong."""
        self._first.append(i)
        self._second.append(j)
        self._relative.append(pose_i_j)
        self._edge_information.append(information)
        self._edge_doubted.append(doubted)

    def add_prior(self, i: int, pose_map: np.ndarray, information: np.ndarray) -> None:
        """Add a measurement of pose i in map."""
        self._node.append(i)
        self._absolute.append(pose_map)
        self._prior_information.append(information)

    def solve(self, poses: np.ndarray, iterations: int = 10) -> np.ndarray:
        """
        Find the most probable poses (n, 3), from a first guess.

        Raises
        ------
        ValueError
            If there is no prior: the whole graph could then move freely.

        """
        if not self._node:
            raise ValueError("pose graph has 0 priors, it needs at least one")
        poses = np.array(poses, dtype=float)
        for _ in range(iterations):
            step = self._step(poses)
            poses += step
            poses[:, 2] = wrap_angle(poses[:, 2])
            if np.abs(step).max() < 1e-5:
                break
        return poses

    def _step(self, poses: np.ndarray) -> np.ndarray:
        blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        gradient = np.zeros_like(poses)
        if self._first:
            self._add_edges(poses, blocks, gradient)
        self._add_priors(poses, blocks, gradient)
        size = poses.size
        offsets = np.arange(3)
        rows = [
            (3 * i[:, None, None] + offsets[:, None] + 0 * offsets).ravel() for i, _, _ in blocks
        ]
        columns = [
            (3 * j[:, None, None] + offsets + 0 * offsets[:, None]).ravel() for _, j, _ in blocks
        ]
        values = [block.ravel() for _, _, block in blocks]
        hessian = coo_matrix(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (size, size)
        ).tocsc()
        return spsolve(hessian, -gradient.ravel()).reshape(poses.shape)

    def _add_edges(self, poses: np.ndarray, blocks: list, gradient: np.ndarray) -> None:
        i, j = np.array(self._first), np.array(self._second)
        residual, A, B = relative_residuals(poses[i], poses[j], np.array(self._relative))
        W = np.array(self._edge_information)
        doubted = np.array(self._edge_doubted)
        W[doubted] = _weighted(residual[doubted], W[doubted])
        AW, BW = A.transpose(0, 2, 1) @ W, B.transpose(0, 2, 1) @ W
        blocks += [(i, i, AW @ A), (i, j, AW @ B), (j, i, BW @ A), (j, j, BW @ B)]
        np.add.at(gradient, i, (AW @ residual[..., None])[..., 0])
        np.add.at(gradient, j, (BW @ residual[..., None])[..., 0])

    def _add_priors(self, poses: np.ndarray, blocks: list, gradient: np.ndarray) -> None:
        i = np.array(self._node)
        residual = poses[i] - np.array(self._absolute)
        residual[:, 2] = wrap_angle(residual[:, 2])
        W = _weighted(residual, np.array(self._prior_information))
        blocks.append((i, i, W))
        np.add.at(gradient, i, (W @ residual[..., None])[..., 0])


def relative_residuals(
    pose_i: np.ndarray, pose_j: np.ndarray, measured: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals (m, 3) of measurements of j in i, and their Jacobians (m, 3, 3) by i and by j."""
    expected = between(pose_i, pose_j)
    residual = expected - measured
    residual[:, 2] = wrap_angle(residual[:, 2])
    c, s = np.cos(pose_i[:, 2]), np.sin(pose_i[:, 2])
    B = np.zeros((len(pose_i), 3, 3))
    B[:, 0, 0], B[:, 0, 1], B[:, 1, 0], B[:, 1, 1], B[:, 2, 2] = c, s, -s, c, 1.0
    A = -B
    A[:, 0, 2], A[:, 1, 2] = expected[:, 1], -expected[:, 0]
    return residual, A, B


def _weighted(residual: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Information (m, 3, 3), less for surprising residuals."""
    distance2 = np.einsum("mi,mij,mj->m", residual, information, residual)
    return information / (1.0 + distance2 / CAUCHY_SCALE**2)[:, None, None]
