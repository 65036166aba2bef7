"""
Pictures of one scan that a person can judge: bird's eye view and range image.

Both return BGR images (uint8), as `cv2.imwrite` takes them.
"""

from __future__ import annotations

import cv2
import numpy as np

from lastmile.geometry import se2
from lastmile.perception.pipeline import Scan
from lastmile.perception.sweep import BODY, GROUND, OBSTACLE, OVERHEAD, TOO_FAR
from lastmile.types import Cell, LocalCostMap, ObstacleArray, ObstacleKind

CELL_COLOURS = {
    Cell.UNKNOWN: (70, 70, 70),
    Cell.FREE: (235, 235, 235),
    Cell.CURB: (0, 140, 255),
    Cell.DROP_OFF: (200, 0, 200),
    Cell.OCCUPIED: (30, 30, 30),
}
LABEL_COLOURS = {
    TOO_FAR: (60, 40, 40),
    BODY: (200, 200, 0),
    GROUND: (90, 160, 90),
    OBSTACLE: (60, 60, 230),
    OVERHEAD: (200, 130, 60),
}
KIND_COLOURS = {
    ObstacleKind.PERSON: (40, 40, 230),
    ObstacleKind.CYCLIST: (200, 40, 200),
    ObstacleKind.VEHICLE: (220, 90, 20),
    ObstacleKind.STATIC: (120, 100, 0),
    ObstacleKind.UNKNOWN: (20, 150, 150),
}


def draw_birds_eye(
    scan: Scan,
    cost_map: LocalCostMap,
    obstacles: ObstacleArray,
    footprint: np.ndarray,
    half_size_m: float = 15.0,
    pixels_per_m: int = 30,
) -> np.ndarray:
    """Draw grid, points and tracks in odom about the robot, x to the right, y up."""
    centre = scan.pose_odom_base[:2]
    side = int(2 * half_size_m * pixels_per_m)
    image = np.full((side, side, 3), 110, np.uint8)

    def pixel(points):
        """Whole pixels (..., 2) of points in odom."""
        local = (np.asarray(points, float) - centre) * [1.0, -1.0] * pixels_per_m + side / 2
        return np.round(local).astype(np.int32)

    _draw_cells(image, cost_map, pixel)
    clusters = scan.clusters
    for label, size in ((GROUND, 1), (OBSTACLE, 2)):
        points = clusters.points[clusters.label == label, :2]
        places = pixel(se2.transform(scan.pose_odom_base, points))
        inside = ((places >= 0) & (places < side - size)).all(axis=1)
        for dx in range(size):
            for dy in range(size):
                image[places[inside, 1] + dy, places[inside, 0] + dx] = LABEL_COLOURS[label]
    for obstacle in obstacles.obstacles:
        _draw_obstacle(image, obstacle, pixel)
    outline = pixel(se2.transform(scan.pose_odom_base, footprint))
    cv2.polylines(image, [outline], True, (0, 120, 0), 2, cv2.LINE_AA)
    nose = se2.transform(scan.pose_odom_base, np.array([[0.0, 0.0], [0.6, 0.0]]))
    cv2.line(image, *(tuple(map(int, p)) for p in pixel(nose)), (0, 120, 0), 2, cv2.LINE_AA)
    return image


def draw_range_image(scan: Scan) -> np.ndarray:
    """Draw the labels of the lidar's range image, top ring on top."""
    label = scan.pairs[0][1].label[::-1]
    image = np.zeros((*label.shape, 3), np.uint8)
    for value, colour in LABEL_COLOURS.items():
        image[label == value] = colour
    return np.repeat(image, 6, axis=0)


def _draw_cells(image: np.ndarray, cost_map: LocalCostMap, pixel) -> None:
    cells = cost_map.cells
    colours = np.zeros((*cells.shape, 3), np.uint8)
    for value, colour in CELL_COLOURS.items():
        colours[cells == value] = colour
    extent = np.array(cells.shape[::-1]) * cost_map.resolution_m
    low, high = pixel(cost_map.origin), pixel(cost_map.origin + extent)
    size = (int(high[0] - low[0]), int(low[1] - high[1]))
    drawn = cv2.resize(colours[::-1], size, interpolation=cv2.INTER_NEAREST)
    x, y = int(low[0]), int(high[1])
    a, b = max(0, -y), max(0, -x)
    part = drawn[a : a + image.shape[0] - max(0, y), b : b + image.shape[1] - max(0, x)]
    image[max(0, y) : max(0, y) + part.shape[0], max(0, x) : max(0, x) + part.shape[1]] = part


def _draw_obstacle(image: np.ndarray, obstacle, pixel) -> None:
    colour = KIND_COLOURS[obstacle.kind]
    cv2.polylines(image, [pixel(obstacle.footprint)], True, colour, 2, cv2.LINE_AA)
    at = pixel(obstacle.position)
    speed = float(np.hypot(*obstacle.velocity))
    if speed > 0.0:
        path = pixel(np.concatenate([obstacle.position[None], obstacle.predicted_path]))
        cv2.polylines(image, [path], False, colour, 1, cv2.LINE_AA)
        tip = pixel(obstacle.position + obstacle.velocity)
        cv2.arrowedLine(image, tuple(map(int, at)), tuple(map(int, tip)), colour, 2, cv2.LINE_AA)
    text = f"{obstacle.id} {obstacle.kind.value[:3]}"
    text += f" {speed:.1f}" if speed > 0.0 else ""
    text += "" if obstacle.observed else " ?"
    place = (int(at[0]) + 8, int(at[1]) - 8)
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
