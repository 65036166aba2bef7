"""
Maneuvers out of places that the controller's plans cannot leave.

Short moves ahead, back and on the spot, searched with the robot's real outline (hybrid A*, Dolgov,
Thrun, Montemerlo and Diebel 2010) to a point of the guide a little ahead; where no way leads there,
to one behind, from which more may be seen. Each motion is certified like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from lastmile.geometry import polyline
from lastmile.planning import _grid
from lastmile.planning.guide import Guide
from lastmile.planning.stopping import STANDING_MPS, Start
from lastmile.vehicle.certificate import Certifier, Surroundings
from lastmile.vehicle.motion_plan import Motion, integrate, turn_on_spot

AFTER_S = 1.5
LASTS_S = 20.0
REST_S = 3.0
"""Between one attempt and the next; the world may have changed."""
AIM_M = 1.2
BACK_M = 0.6
NEAR_M, NEAR_RAD = 0.2, 0.3
REACH_M = 2.5
BIN_M, YAW_BINS = 0.1, 24
EXPANSIONS = 4000
SPEED_MPS, ACCELERATION_MPS2 = 0.25, 0.5
TURN_RATE, TURN_ACCELERATION = 0.6, 1.2
SPARE_M = 0.01
"""More room than the certificate wants, for what rounding takes."""
WANTED_M = 0.12
CHANGE_COST = 0.2

AHEAD, BACK, TURN = 0, 1, 2
STEP_M, TURN_RAD = 0.15, 2.0 * np.pi / YAW_BINS
_BENDS = (0.0, 0.13, -0.13, 0.26, -0.26)
MOVES = np.array(
    [(STEP_M, bend, STEP_M, AHEAD) for bend in _BENDS]
    + [(-STEP_M, bend, 2.0 * STEP_M, BACK) for bend in _BENDS[:3]]
    + [(0.0, turn, 0.08, TURN) for turn in (TURN_RAD, -TURN_RAD)]
)
"""Way [m], turn [rad], cost, sense."""


class Maneuvering:
    """Begins when the robot is stuck; `find` gives its motion while it goes on."""

    def __init__(self, step_s: float, certifier: Certifier):
        self._step_s = step_s
        self._certifier = certifier
        self._targets: list[np.ndarray] = []
        self._motion: Motion | None = None
        self._stamp_s = -np.inf
        self._until_s = -np.inf
        self._rested_s = -np.inf

    @property
    def going(self) -> bool:
        """Tell whether it has begun and is not over."""
        return bool(self._targets)

    def begin(self, stuck_s: float, start: Start, guide: Guide | None) -> bool:
        """Begin when stuck for long enough and the last attempt is long enough ago."""
        if stuck_s < AFTER_S or start.stamp_s < self._rested_s:
            return False
        x, y, yaw = start.pose
        behind = np.array([x - BACK_M * np.cos(yaw), y - BACK_M * np.sin(yaw), yaw])
        leads = guide is not None and guide.moves_nearer
        self._targets = [_ahead(guide), behind] if leads else [behind]
        self._motion = None
        self._until_s = start.stamp_s + LASTS_S
        return True

    def find(self, start: Start, around: Surroundings) -> Motion | None:
        """Give the motion from here; None ends the maneuver."""
        motion = self._rest(start)
        if motion is None and start.stamp_s < self._until_s:
            motion = self._next(start, around)
        if motion is None or self._certifier.check(motion, around):
            self._end(start.stamp_s)
            return None
        self._motion, self._stamp_s = motion, start.stamp_s
        return motion

    def _rest(self, start: Start) -> Motion | None:
        """Give what is left of the motion under way, from where the robot is."""
        if self._motion is None:
            return None
        rest = self._motion.after(start.stamp_s - self._stamp_s)
        if not rest.moves:
            return None
        return integrate(start.pose, rest.twists, self._step_s)

    def _next(self, start: Start, around: Surroundings) -> Motion | None:
        """Search on from a stand; the first motion of the way that is found."""
        if np.abs(start.twist).max() > STANDING_MPS:
            return None
        while self._targets:
            moves = self._search(start, around, self._targets[0])
            if moves is not None:
                # The target behind only serves while there is no way to the one ahead.
                self._targets = self._targets[:1]
                return self._first_motion(start, moves) if len(moves) else None
            self._targets.pop(0)
        return None

    def _search(
        self, start: Start, around: Surroundings, target: np.ndarray
    ) -> Sequence[int] | None:
        ground, certifier = around.local_map, self._certifier
        clearance, known = ground.clearance, ground.known
        here_m = float(certifier.clearance(start.pose[None], ground)[0])
        return _grid.shortest_maneuver(
            np.ascontiguousarray(clearance.distance_m, np.float32),
            np.ascontiguousarray(known.distance_m, np.float32),
            *(float(v) for v in clearance.origin),
            float(clearance.resolution_m),
            certifier.outline,
            certifier.keep_off(start.pose, around.discs),
            certifier.middles_m,
            min(certifier.margin_m + SPARE_M, here_m),
            -0.5 * known.resolution_m,
            WANTED_M,
            MOVES,
            np.asarray(start.pose, float),
            target,
            NEAR_M,
            NEAR_RAD,
            REACH_M,
            BIN_M,
            YAW_BINS,
            CHANGE_COST,
            EXPANSIONS,
        )

    def _first_motion(self, start: Start, moves: Sequence[int]) -> Motion:
        """Make one motion of all moves until the sense changes."""
        sense, indices = next(iter(groupby(moves, key=lambda i: MOVES[i, 3])))
        run = MOVES[list(indices)]
        if sense == TURN:
            angle = float(run[:, 1].sum())
            rate = float(start.twist[1])
            return turn_on_spot(
                start.pose, rate, angle, self._step_s, TURN_RATE, TURN_ACCELERATION
            )
        return self._drive(start.pose, run)

    def _drive(self, pose: np.ndarray, run: np.ndarray) -> Motion:
        """Drive the moves at a creeping speed, the ramps included."""
        sign, length_m = np.sign(run[0, 0]), float(np.abs(run[:, 0]).sum())
        arcs_m = np.concatenate([[0.0], np.abs(run[:, 0]).cumsum()])
        speeds = _ramped(length_m, self._step_s)
        gone_m = np.concatenate([[0.0], (0.5 * self._step_s * (speeds[1:] + speeds[:-1])).cumsum()])
        which = np.clip(np.searchsorted(arcs_m, gone_m, side="right") - 1, 0, len(run) - 1)
        bends = run[which, 1] / np.abs(run[which, 0])
        return integrate(pose, np.stack([sign * speeds, speeds * bends], axis=-1), self._step_s)

    def _end(self, stamp_s: float) -> None:
        self._targets, self._motion = [], None
        self._rested_s = stamp_s + REST_S


def _ahead(guide: Guide) -> np.ndarray:
    """Pose on the guide a little ahead."""
    at_m = min(AIM_M, float(guide.arcs_m[-1]))
    points = polyline.sample(guide.points, np.array([max(at_m - 0.3, 0.0), at_m]))
    d = points[1] - points[0]
    return np.array([*points[1], np.arctan2(d[1], d[0])])


def _ramped(length_m: float, step_s: float) -> np.ndarray:
    """Speeds at steps, up from zero and down to it, that cover a length."""
    change = ACCELERATION_MPS2 * step_s
    top = min(SPEED_MPS, np.sqrt(length_m * ACCELERATION_MPS2))
    rise = np.arange(0.0, top, change)
    covered_m = step_s * (2.0 * rise.sum() + top) - step_s * rise[0]
    hold = max(int(np.ceil((length_m - covered_m) / (top * step_s))), 0)
    speeds = np.concatenate([rise, np.full(hold + 1, top), rise[::-1]])
    return speeds * length_m / (step_s * 0.5 * (speeds[1:] + speeds[:-1]).sum())
