"""The `docking` node: serves `dock`, drives the last metres by the locker's markers."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from lastmile.checks import (
    Rejected,
    check_cost_map,
    check_localization,
    check_obstacles,
    check_odometry,
    is_fresh,
    is_set_back,
    odometry_breaks,
)
from lastmile.geometry.se2 import advance, between, compose, invert, wrap_angle
from lastmile.handoff.config import DockingConfig
from lastmile.handoff.docking_motion import DockingMotion
from lastmile.handoff.docking_scene import Scene
from lastmile.handoff.docking_task import DockingTask, Move
from lastmile.handoff.port_estimate import PortFilter, see_port
from lastmile.handoff.stamps import StampGuard
from lastmile.maps.site import Locker
from lastmile.types import (
    Diagnostic,
    DiagnosticLevel,
    DockGoal,
    LocalizationState,
    MarkerArray,
    OdometryEstimate,
    TaskCancel,
    TaskFeedback,
    TaskOutcome,
    TaskResult,
    Trajectory,
    TrajectorySource,
)

FEEDBACK_PERIOD_S = 0.5
HISTORY_S = 2.0
AGE_MAX_S = {
    "obstacles": 0.5, "cost_map": 0.6, "bay/state": 0.5, "localization/status": 1.0,
    "base/state": 0.5,
}  # fmt: skip
IN_ODOM = ("localization/status", "obstacles", "cost_map")
"""Topics whose values hold in the odom of their stamp."""
CHECKS = {
    "odometry": check_odometry,
    "localization/status": check_localization,
    "obstacles": check_obstacles,
    "cost_map": check_cost_map,
}


def build(config: DockingConfig, context) -> DockingComponent:
    """Make the component."""
    return DockingComponent(config, context)


class DockingComponent:
    """Docking as a component: inputs in, a trajectory at each step while a goal runs."""

    def __init__(self, config: DockingConfig, context) -> None:
        self._config = config
        self._lockers: dict[str, Locker] = {locker.id: locker for locker in context.site.lockers}
        mounts = context.robot.mounts
        self._T_base_camera = mounts["camera_optical_frame"]
        self._docked_x_m = float(mounts["port_link"][0, 3]) + config.stand_off_m
        self._motion = DockingMotion(config, context.robot)
        self._guard = StampGuard()
        self._latest: dict[str, Any] = {}
        self._odometry: deque[OdometryEstimate] = deque(maxlen=int(HISTORY_S * 100))
        self._images: list[MarkerArray] = []
        self._orders: list[tuple[str, Any]] = []
        self._port = PortFilter(config.images_kept, config.port_gate_m)
        self._task: DockingTask | None = None
        self._pose_odom_touched: np.ndarray | None = None
        self._feedback_s = -np.inf
        self._odom_since_s = -np.inf
        self._unfit_images = 0

    def receive(self, topic: str, value: Any) -> None:
        """Take a value."""
        if topic in ("dock/goal", "dock/cancel"):
            self._orders.append((topic, value))
        else:
            self._guard.put(topic, value)

    def _keep(self, topic: str, value: Any) -> None:
        """Take over a value with a good stamp, if it holds what its topic promises."""
        try:
            CHECKS.get(topic, _nothing)(value)
        except Rejected as error:
            self._guard.refuse(topic, "bad_value", str(error))
            return
        if topic in IN_ODOM and value.stamp_s < self._odom_since_s:
            self._guard.refuse(topic, "old", "stamp is before the break of odometry")
        elif topic == "odometry":
            if self._odometry and odometry_breaks(self._odometry[-1], value):
                self._begin_anew(value.stamp_s)
            self._odometry.append(value)
        elif topic == "markers":
            self._images = [*self._images[-9:], value]
        elif topic != "cost_map":
            self._latest[topic] = value
        elif self._odometry:
            self._latest[topic] = value
            self._motion.ground.update(value, self._odometry[-1].pose_odom_base)

    def _begin_anew(self, stamp_s: float) -> None:
        """Forget what is known in an odom that holds no more; the task looks for the port again."""
        self._odom_since_s = stamp_s
        self._odometry.clear()
        self._images.clear()
        self._port.clear()
        self._pose_odom_touched = None
        self._motion.forget()
        self._motion.ground.forget()
        for topic in IN_ODOM:
            self._latest.pop(topic, None)
        if self._task is not None:
            self._task.begin_anew(stamp_s)

    def _follow_clock(self, stamp_s: float) -> None:
        """Go on with new inputs alone when the clock was set back."""
        if not is_set_back(self._guard.now_s, stamp_s):
            return
        if self._task is not None:
            self._task.follow_clock(stamp_s - self._guard.now_s)
        self._guard.begin_anew()
        self._begin_anew(stamp_s)
        self._latest.clear()
        self._odom_since_s = self._feedback_s = -np.inf

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Take orders and images, then move on the goal."""
        self._follow_clock(stamp_s)
        for topic, value in self._guard.take(stamp_s):
            self._keep(topic, value)
        outputs = self._take_orders(stamp_s)
        self._look()
        task = self._task
        if task is None:
            return outputs
        scene = self._scene(stamp_s)
        if scene is None:
            # Nothing is sent: the gate brakes for want of a fresh plan.
            self._motion.forget()
            task.text = "odometry is silent"
            return outputs + self._feedback(stamp_s, task)
        answer = task.step(scene)
        if isinstance(answer, Move):
            plan = self._motion.plan
            if answer.law is None:
                plan = self._motion.stop(scene, self._lockers[task.goal.locker_id], answer.reason)
            outputs.append(("docking/plan", plan))
            return outputs + self._feedback(stamp_s, task)
        outcome, text, data = answer
        self._task = None
        self._motion.forget()
        outputs.append(("docking/plan", _stand(scene, text)))
        result = TaskResult(task.goal.goal_id, stamp_s, outcome, text, data)
        return [*outputs, ("dock/result", result)]

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell what docking does and which inputs are missing."""
        task = self._task
        values = {name: str(count) for name, count in sorted(self._guard.rejected.items())}
        values |= self._guard.last | {"unfit_images": str(self._unfit_images)}
        values["clock set back"] = str(self._guard.times_set_back)
        if task is None:
            return [Diagnostic("docking", DiagnosticLevel.OK, "idle", values)]
        level = DiagnosticLevel.WARN if task.text else DiagnosticLevel.OK
        return [Diagnostic("docking", level, task.text or str(task.phase), values)]

    def close(self) -> None:
        """Nothing to let go of."""

    # -------------------------------------------------------------------------------------- goals

    def _take_orders(self, stamp_s: float) -> list[tuple[str, Any]]:
        results = []
        for topic, value in self._orders:
            if topic == "dock/cancel" and isinstance(value, TaskCancel):
                if self._task is not None and self._task.goal.goal_id == value.goal_id:
                    self._task.canceled = True
            elif topic == "dock/goal" and isinstance(value, DockGoal):
                results += self._begin(stamp_s, value)
        self._orders.clear()
        return results

    def _begin(self, stamp_s: float, goal: DockGoal) -> list[tuple[str, Any]]:
        if self._task is not None and self._task.goal.goal_id == goal.goal_id:
            return []
        locker = self._lockers.get(goal.locker_id)
        if locker is None:
            known = ", ".join(sorted(self._lockers)) or "none"
            text = f"locker {goal.locker_id!r} is not on the site's list: {known}"
            return [_failed(stamp_s, goal.goal_id, text)]
        results = []
        if self._task is not None:
            text = f"replaced by goal {goal.goal_id!r}"
            results.append(_failed(stamp_s, self._task.goal.goal_id, text))
        self._port.clear()
        self._images.clear()
        self._pose_odom_touched = None
        self._motion.forget()
        self._task = DockingTask(
            goal,
            stamp_s,
            self._config,
            self._docked_x_m,
            float(self._T_base_camera[0, 3]),
            self._port,
            lambda scene, law: self._motion.try_law(scene, locker, law),
        )
        return results

    def _feedback(self, stamp_s: float, task: DockingTask) -> list[tuple[str, Any]]:
        if stamp_s - self._feedback_s < FEEDBACK_PERIOD_S:
            return []
        self._feedback_s = stamp_s
        feedback = TaskFeedback(
            task.goal.goal_id, stamp_s, str(task.phase), task.travelled_m, 0.0, task.text
        )
        return [("dock/feedback", feedback)]

    # ------------------------------------------------------------------------------------- inputs

    def _look(self) -> None:
        """Fit the port to new images and average it in odom, by the pose at each image."""
        waiting = []
        for image in self._images:
            if self._task is None or self._task.goal.undock:
                continue
            pose_odom_base = self._pose_at(image.stamp_s)
            if pose_odom_base is None:
                if self._odometry and image.stamp_s > self._odometry[-1].stamp_s:
                    waiting.append(image)
                continue
            locker = self._lockers[self._task.goal.locker_id]
            sight = see_port(image, self._T_base_camera, locker)
            if sight is not None:
                self._port.add(sight, pose_odom_base)
            elif any(marker.id in locker.markers for marker in image.markers):
                self._unfit_images += 1
        self._images = waiting

    def _pose_at(self, stamp_s: float) -> np.ndarray | None:
        """Pose of base in odom at a past moment, None where odometry has a hole there."""
        after = next((o for o in self._odometry if o.stamp_s >= stamp_s), None)
        before = next((o for o in reversed(self._odometry) if o.stamp_s <= stamp_s), None)
        if before is None or after is None or after.stamp_s - before.stamp_s > 0.2:
            return None
        if after is before:
            return before.pose_odom_base
        share = (stamp_s - before.stamp_s) / (after.stamp_s - before.stamp_s)
        a, b = before.pose_odom_base, after.pose_odom_base
        pose = a + share * (b - a)
        pose[2] = a[2] + share * float(wrap_angle(b[2] - a[2]))
        return pose

    def _scene(self, stamp_s: float) -> Scene | None:
        if not self._odometry:
            return None
        odometry = self._odometry[-1]
        if not is_fresh(odometry.stamp_s, stamp_s, self._config.input_age_max_s):
            return None
        age_s = stamp_s - odometry.stamp_s
        pose_odom_base = advance(odometry.pose_odom_base, odometry.twist_base, max(age_s, 0.0))
        bay = self._fresh("bay/state", stamp_s)
        if bay is not None and bay.docked:
            ahead = np.array([self._docked_x_m, 0.0, np.pi])
            self._pose_odom_touched = compose(pose_odom_base, ahead)
        by_map = self._port_by_map(stamp_s)
        base = self._fresh("base/state", stamp_s)
        held = "e-stop" if base is not None and base.estop else ""
        held = held or ("bumper" if base is not None and base.bumper else "")
        return Scene(
            stamp_s=stamp_s,
            pose_odom_base=pose_odom_base,
            twist_base=np.asarray(odometry.twist_base, dtype=float),
            bay=bay,
            obstacles=self._fresh("obstacles", stamp_s),
            cost_map=self._fresh("cost_map", stamp_s),
            pose_odom_port=self._best_port(pose_odom_base, by_map),
            pose_odom_port_map=by_map,
            held=held,
        )

    def _fresh(self, topic: str, stamp_s: float) -> Any:
        value = self._latest.get(topic)
        if value is None or not is_fresh(value.stamp_s, stamp_s, AGE_MAX_S[topic]):
            return None
        return value

    def _best_port(
        self, pose_odom_base: np.ndarray, pose_odom_port_map: np.ndarray | None
    ) -> np.ndarray | None:
        """
        Give the port by touch, else by its markers.

        Facades stand up to a metre off the map, so that the map's port counts only for a robot that
        leaves and has it ahead: what it then takes for the locker lies on the other side.
        """
        if self._pose_odom_touched is not None:
            return self._pose_odom_touched
        by_markers, _ = self._port.estimate()
        if by_markers is not None or pose_odom_port_map is None or not self._task.leaves:
            return by_markers
        ahead_m = float(between(pose_odom_base, pose_odom_port_map)[0])
        return pose_odom_port_map if ahead_m > self._config.front_ignore_m else None

    def _port_by_map(self, stamp_s: float) -> np.ndarray | None:
        status = self._fresh("localization/status", stamp_s)
        trusted = (LocalizationState.TRACKING, LocalizationState.DEGRADED)
        if status is None or status.state not in trusted or self._task is None:
            return None
        locker = self._lockers[self._task.goal.locker_id]
        return compose(invert(status.pose_map_odom), locker.pose_map_port)


def _stand(scene: Scene, reason: str) -> Trajectory:
    """Make the last plan of a task: one that asks for no motion and may grow old."""
    return Trajectory(
        stamp_s=scene.stamp_s,
        source=TrajectorySource.DOCKING,
        dt_s=0.1,
        poses=scene.pose_odom_base[None, :].copy(),
        twists=np.zeros((1, 2)),
        certified=scene.standing,
        reason=reason,
    )


def _nothing(value: Any) -> None:
    """Nothing but the stamp, which the guard checks for every topic."""


def _failed(stamp_s: float, goal_id: str, text: str) -> tuple[str, TaskResult]:
    return "dock/result", TaskResult(goal_id, stamp_s, TaskOutcome.FAILED, text, {"retry": 0.0})
