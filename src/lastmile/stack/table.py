"""
The node table: every process of the stack, what it reads, writes and serves.

`lastmile up`, the launch files, lockstep runs and the docs all read it. A component is named by
"module:function"; the function is called with its config and the `Context`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """
    One node.

    `period_s` is how often its component steps; with a `trigger` it also steps at once when a
    value of that topic came. `critical` nodes are needed to drive: without them the gate stops the
    robot. `respawn` says that it is started again when it ended by itself.
    """

    name: str
    component: str
    config: str
    period_s: float
    subscribes: tuple[str, ...]
    publishes: tuple[str, ...]
    text: str
    trigger: str = ""
    serves: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    critical: bool = False
    respawn: bool = False


NODES = {
    spec.name: spec
    for spec in (
        NodeSpec(
            name="simulator",
            component="lastmile.simulation.component:build",
            config="lastmile.simulation.config:SimulatorConfig",
            period_s=0.01,
            subscribes=("cmd_vel", "bay/command", "lockers/command"),
            publishes=(
                "imu",
                "wheel/odometry",
                "gnss/fix",
                "lidar/points",
                "depth/front/points",
                "depth/rear/points",
                "camera/image",
                "base/state",
                "signals",
                "bay/state",
                "lockers/state",
                "ground_truth",
            ),
            text="The embedded world in place of the robot's drivers; also gives /clock.",
        ),
        NodeSpec(
            name="localization",
            component="lastmile.localization.component:build",
            config="lastmile.localization.config:LocalizationConfig",
            period_s=0.02,
            subscribes=("imu", "wheel/odometry", "gnss/fix", "lidar/points", "initialpose"),
            publishes=("odometry", "localization/status"),
            text="Where the robot is: wheels, IMU and GNSS, corrected by lidar against the map.",
            critical=True,
            respawn=True,
        ),
        NodeSpec(
            name="perception",
            component="lastmile.perception.component:build",
            config="lastmile.perception.config:PerceptionConfig",
            period_s=0.1,
            trigger="lidar/points",
            subscribes=(
                "lidar/points",
                "depth/front/points",
                "depth/rear/points",
                "odometry",
            ),
            publishes=("obstacles", "cost_map"),
            text="What is around: ground, curbs, drop-offs, tracked obstacles, local cost map.",
            critical=True,
            respawn=True,
        ),
        NodeSpec(
            name="fiducials",
            component="lastmile.perception.fiducials_component:build",
            config="lastmile.perception.config:FiducialsConfig",
            period_s=0.1,
            trigger="camera/image",
            subscribes=("camera/image",),
            publishes=("markers",),
            text="The markers of lockers in the front camera.",
            respawn=True,
        ),
        NodeSpec(
            name="planner",
            component="lastmile.planning.component:build",
            config="lastmile.planning.config:PlannerConfig",
            period_s=0.1,
            subscribes=(
                "odometry",
                "localization/status",
                "obstacles",
                "cost_map",
                "signals",
                "base/state",
            ),
            trigger="obstacles",
            publishes=("plan", "planner/status", "route"),
            text="How to follow the route among what is around.",
            serves=("follow_route",),
            critical=True,
            respawn=True,
        ),
        NodeSpec(
            name="command_gate",
            component="lastmile.control.component:build",
            config="lastmile.control.config:GateConfig",
            period_s=0.02,
            subscribes=(
                "plan",
                "docking/plan",
                "teleop/cmd_vel",
                "odometry",
                "localization/status",
                "obstacles",
                "base/state",
                "bay/command",
            ),
            publishes=("cmd_vel", "safety_state"),
            text="The only publisher of motion: limits, staleness, stop.",
            critical=True,
            respawn=True,
        ),
        NodeSpec(
            name="docking",
            component="lastmile.handoff.docking:build",
            config="lastmile.handoff.config:DockingConfig",
            period_s=0.05,
            subscribes=(
                "odometry",
                "localization/status",
                "markers",
                "obstacles",
                "cost_map",
                "bay/state",
                "base/state",
            ),
            publishes=("docking/plan",),
            text="The last two metres to a locker's port, by its fiducials.",
            serves=("dock",),
            respawn=True,
        ),
        NodeSpec(
            name="handoff",
            component="lastmile.handoff.component:build",
            config="lastmile.handoff.config:HandoffConfig",
            period_s=0.1,
            subscribes=("bay/state", "odometry"),
            publishes=("bay/command", "custody"),
            text="Custody of the parcel: protocol with the locker, journal, receipts.",
            serves=("hand_over",),
            respawn=True,
        ),
        NodeSpec(
            name="mission",
            component="lastmile.mission.component:build",
            config="lastmile.mission.config:MissionConfig",
            period_s=0.2,
            subscribes=("localization/status", "planner/status", "custody"),
            publishes=("mission/state",),
            text="The delivery from order to receipt, durable and resumable.",
            serves=("deliver",),
            calls=("follow_route", "dock", "hand_over"),
            respawn=True,
        ),
        NodeSpec(
            name="locker",
            component="lastmile.handoff.locker:build",
            config="lastmile.handoff.config:LockerConfig",
            period_s=0.1,
            subscribes=("lockers/state",),
            publishes=("lockers/command",),
            text="A smart locker's controller; one process per locker, talks MQTT to the robot.",
            respawn=True,
        ),
    )
}
