"""What stands in the way of docking: obstacles before the robot, unknown ground behind it."""

from __future__ import annotations

import numpy as np
import shapely

from lastmile.geometry.se2 import transform
from lastmile.types import Cell, LocalCostMap, Obstacle, ObstacleArray

PREDICTED_S = 1.5
MOVING_MPS = 0.2
ROW_M = 0.05
WINDOW_ROWS = 6


def corridor(
    pose_odom_base: np.ndarray,
    pose_odom_port: np.ndarray,
    footprint: np.ndarray,
    margin_m: float,
    front_ignore_m: float,
) -> shapely.Polygon:
    """
    Outline in odom of what must be free between robot and port.

    The hull of the footprint where it is and where it docks, widened by the margin, without the
    robot itself and without the stretch directly at the locker's front, which is the locker.
    """
    left, right = footprint[:, 1].max(), footprint[:, 1].min()
    here = shapely.Polygon(transform(pose_odom_base, footprint))
    reach = float(footprint[:, 0].max())
    at_port = np.array(
        [[front_ignore_m, right], [front_ignore_m + 0.1, right],
         [front_ignore_m + 0.1, left], [front_ignore_m, left]]
    )  # fmt: skip
    front = np.array([[reach - 0.05, right], [reach, right], [reach, left], [reach - 0.05, left]])
    way = shapely.MultiPolygon(
        [
            shapely.Polygon(transform(pose_odom_base, front)),
            shapely.Polygon(transform(pose_odom_port, at_port)),
        ]
    ).convex_hull.buffer(margin_m)
    locker = np.array(
        [[front_ignore_m, -3.0], [-3.0, -3.0], [-3.0, 3.0], [front_ignore_m, 3.0]]
    )  # fmt: skip
    return way.difference(here).difference(shapely.Polygon(transform(pose_odom_port, locker)))


def blocking_obstacle(obstacles: ObstacleArray, way: shapely.Polygon) -> Obstacle | None:
    """Find an obstacle in the way, or one that is about to walk into it."""
    for obstacle in obstacles.obstacles:
        outline = obstacle.footprint
        if len(outline) >= 3 and shapely.Polygon(outline).intersects(way):
            return obstacle
        if shapely.Point(obstacle.position).intersects(way):
            return obstacle
        moving = np.hypot(*obstacle.velocity) > MOVING_MPS
        count = int(PREDICTED_S / obstacle.prediction_dt_s) if obstacle.prediction_dt_s > 0 else 0
        path = obstacle.predicted_path[:count]
        if moving and len(path) and shapely.MultiPoint(path).intersects(way):
            return obstacle
    return None


def near_obstacle(
    obstacles: ObstacleArray, pose_odom_base: np.ndarray, radius_m: float
) -> Obstacle | None:
    """Find something that moves within a circle about the robot; walls do not count."""
    for obstacle in obstacles.obstacles:
        distance = np.hypot(*(obstacle.position - pose_odom_base[:2]))
        if distance < radius_m and np.hypot(*obstacle.velocity) > MOVING_MPS:
            return obstacle
    return None


def free_behind_m(
    cost_map: LocalCostMap,
    pose_odom_base: np.ndarray,
    footprint: np.ndarray,
    wanted_m: float,
    unknown_share_max: float,
) -> float:
    """
    How far the ground behind the footprint was seen free, at most `wanted_m`.

    A row of cells with anything on it ends the way, and so does a stretch of 0.3 m of which more
    than the given share was never seen.
    """
    rear = float(footprint[:, 0].min())
    half = float(np.abs(footprint[:, 1]).max()) + 0.05
    count = int(np.ceil(wanted_m / ROW_M)) + WINDOW_ROWS
    xs = rear - 0.1 - ROW_M * np.arange(count)
    ys = np.arange(-half, half + 1e-9, ROW_M)
    grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1)
    cells = _cells_at(cost_map, transform(pose_odom_base, grid))
    blocked = (cells >= Cell.CURB).any(axis=1)
    unseen = (cells == Cell.UNKNOWN).mean(axis=1)
    free_m = 0.0
    for k in range(count - WINDOW_ROWS):
        ahead = slice(k, k + WINDOW_ROWS)
        if blocked[ahead].any() or unseen[ahead].mean() > unknown_share_max:
            break
        free_m = ROW_M * (k + 1)
    return min(free_m, wanted_m)


def _cells_at(cost_map: LocalCostMap, points_odom: np.ndarray) -> np.ndarray:
    rows, columns = cost_map.cells.shape
    index = np.floor((points_odom - cost_map.origin) / cost_map.resolution_m).astype(int)
    inside = (
        (index[..., 0] >= 0) & (index[..., 0] < columns)
        & (index[..., 1] >= 0) & (index[..., 1] < rows)
    )  # fmt: skip
    cells = np.full(index.shape[:-1], Cell.UNKNOWN, dtype=np.int8)
    cells[inside] = cost_map.cells[index[..., 1][inside], index[..., 0][inside]]
    return cells
