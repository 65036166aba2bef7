import numpy as np
import pytest

from lastmile.geometry.se2 import between, compose
from lastmile.localization.pose_graph import PoseGraph, relative_residuals


def circle(n: int = 40) -> np.ndarray:
    a = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    return np.stack([10.0 * np.cos(a), 10.0 * np.sin(a), a + np.pi / 2 - 2 * np.pi], axis=-1)


def test_loop_takes_the_drift_out_of_a_circle():
    rng, truth = np.random.default_rng(0), circle()
    graph, guess = PoseGraph(), [truth[0]]
    graph.add_prior(0, truth[0], np.eye(3) * 1e6)
    for k in range(1, len(truth)):
        measured = between(truth[k - 1], truth[k]) + rng.normal(0.0, [0.02, 0.02, 0.01])
        graph.add_edge(k - 1, k, measured, np.diag([2500.0, 2500.0, 10000.0]))
        guess.append(compose(guess[-1], measured))
    graph.add_edge(0, len(truth) - 1, between(truth[0], truth[-1]), np.eye(3) * 1e6)
    before = np.hypot(*(np.array(guess) - truth)[:, :2].T).max()
    after = np.hypot(*(graph.solve(np.array(guess)) - truth)[:, :2].T).max()
    assert before > 0.4
    assert after < 0.25


def test_wrong_loop_bends_little():
    truth, graph = circle(), PoseGraph()
    graph.add_prior(0, truth[0], np.eye(3) * 1e6)
    for k in range(1, len(truth)):
        graph.add_edge(k - 1, k, between(truth[k - 1], truth[k]), np.eye(3) * 1e4)
    graph.add_edge(0, 20, np.zeros(3), np.eye(3) * 1e4, doubted=True)
    assert np.hypot(*(graph.solve(truth) - truth)[:, :2].T).max() < 0.15


def test_jacobians_are_the_derivatives_of_the_residual():
    rng, step = np.random.default_rng(1), 1e-6
    i, j, z = rng.normal(0, 1, (1, 3)), rng.normal(0, 1, (1, 3)), rng.normal(0, 0.1, (1, 3))
    residual, A, B = relative_residuals(i, j, z)
    for k, d in enumerate(step * np.eye(3)):
        by_i = (relative_residuals(i + d, j, z)[0] - residual) / step
        by_j = (relative_residuals(i, j + d, z)[0] - residual) / step
        np.testing.assert_allclose(A[0, :, k], by_i[0], atol=1e-5)
        np.testing.assert_allclose(B[0, :, k], by_j[0], atol=1e-5)


def test_graph_without_a_prior_is_refused():
    with pytest.raises(ValueError, match="0 priors"):
        PoseGraph().solve(np.zeros((2, 3)))
