"""
Ground, curbs and drop-offs in a range image.

Each column is walked outwards from the robot. The next ground is expected along a running slope
within a tolerance that grows with the distance since the last ground. A step that stays up or
down is a curb, one that is too deep a drop-off; what rises and falls again is a thing. Steps also
show between neighbouring columns, where a ring falls off an edge that runs along the robot's way.
Missing returns over several columns, where their row meets ground elsewhere, are a drop-off.

The idea of a growing uncertainty per column follows the terrain test of Moosmann, Pink and Stiller
(2009) and of Steinhauser, Ruepp and Burschka (2008); the rules for steps are this project's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.perception import _ground
from lastmile.perception.config import GroundConfig
from lastmile.perception.sweep import Sweep

CURB, DROP_OFF = 1, 2
EDGES_MAX = 16384


@dataclass(frozen=True, slots=True)
class Terrain:
    """
    What the ground of one sweep is.

    `label` is uint8 (rows, columns) of the numbers in sweep.py, `height` float32 (rows, columns)
    above the expected ground. `edges` is float32 (E, 3): x, y in base and CURB or DROP_OFF.
    """

    label: np.ndarray
    height: np.ndarray
    edges: np.ndarray


def find_ground(sweep: Sweep, config: GroundConfig, missing_range_m: float) -> Terrain:
    """
    Sort the points of a sweep into ground and things, and find steps.

    Parameters
    ----------
    sweep : Sweep
        Points in base with labels NOTHING, TOO_FAR, BODY or UNSORTED.
    missing_range_m : float
        Rows that meet ground nearer than this tell of drop-offs by missing returns.

    Returns
    -------
    Terrain
        No point is UNSORTED any more.

    """
    rows, columns = sweep.label.shape
    label = sweep.label.copy()
    height = np.empty((rows, columns), np.float32)
    edges = np.empty((EDGES_MAX, 3), np.float32)
    count = _ground.sort_points(
        sweep.points,
        label,
        height,
        edges,
        sweep.wraps,
        _rules(config, missing_range_m, float(sweep.origin[2])),
        np.empty(rows),
        np.empty(columns, np.intp),
    )
    return Terrain(label, height, edges[:count])


def _rules(config: GroundConfig, missing_range_m: float, sensor_height_m: float) -> np.ndarray:
    """Line the settings up as the kernel reads them."""
    return np.array(
        [
            config.tolerance_m,
            config.tolerance_slope,
            config.tolerance_max_m,
            config.start_slope_max,
            config.slope_max,
            config.slope_memory_m,
            config.step_min_m,
            config.step_max_m,
            config.step_grade_min,
            config.plateau_m,
            config.feet_m,
            config.feet_height_m,
            config.overhang_m,
            config.step_range_max_m,
            missing_range_m,
            sensor_height_m,
            float(config.missing_columns_min),
        ]
    )
