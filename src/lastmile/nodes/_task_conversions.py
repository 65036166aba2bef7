"""Conversions of routes, planner state, parcels, missions, actions and ground truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Pose2D, Vector3

from lastmile import types
from lastmile.nodes._fields import (
    header,
    point,
    pose_2d,
    pose_array,
    seconds,
    time_message,
    word,
)
from lastmile.nodes.message_types import message_class
from lastmile_msgs import msg as lm


def route_message(value: types.Route) -> lm.Route:
    """Write a route."""
    return lm.Route(
        header=header(0.0, "map"),
        id=value.id,
        points=[point(x, y) for x, y in value.points.tolist()],
        spans=[
            lm.RouteSpan(
                start=float(span.start_m),
                end=float(span.end_m),
                kind=span.kind.value,
                width=float(span.width_m),
                speed=float(span.speed_mps),
                crossing_id=span.crossing_id,
                signalled=bool(span.signalled),
                lanes=int(span.lanes),
                road_speed=float(span.road_speed_mps),
            )
            for span in value.spans
        ],
        goal_yaw=float(value.goal_yaw),
    )


def route_value(message: lm.Route) -> types.Route:
    """Read a route."""
    return types.Route(
        id=message.id,
        points=np.array([(p.x, p.y) for p in message.points], dtype=float).reshape(-1, 2),
        spans=tuple(
            types.RouteSpan(
                start_m=span.start,
                end_m=span.end,
                kind=word(types.EdgeKind, span.kind, "kind"),
                width_m=span.width,
                speed_mps=span.speed,
                crossing_id=span.crossing_id,
                signalled=span.signalled,
                lanes=span.lanes,
                road_speed_mps=span.road_speed,
            )
            for span in message.spans
        ),
        goal_yaw=message.goal_yaw,
    )


def planner_status_message(value: types.PlannerStatus) -> lm.PlannerStatus:
    """Write the planner's progress."""
    return lm.PlannerStatus(
        header=header(value.stamp_s, "map"),
        state=value.state.value,
        route_id=value.route_id,
        progress=float(value.progress_m),
        length=float(value.length_m),
        solve_time=float(value.solve_time_s),
        reason=value.reason,
    )


def planner_status_value(message: lm.PlannerStatus) -> types.PlannerStatus:
    """Read the planner's progress."""
    return types.PlannerStatus(
        stamp_s=seconds(message.header.stamp),
        state=word(types.PlannerState, message.state, "state"),
        route_id=message.route_id,
        progress_m=message.progress,
        length_m=message.length,
        solve_time_s=message.solve_time,
        reason=message.reason,
    )


def bay_state_message(value: types.BayState) -> lm.BayState:
    """Write the bay's sensors; `door_closed` is meant only while docked."""
    return lm.BayState(
        header=header(value.stamp_s, "port_link"),
        occupied_a=bool(value.occupied_a),
        occupied_b=bool(value.occupied_b),
        parcel_id=value.parcel_id,
        gap_clear=bool(value.gap_clear),
        docked=bool(value.docked),
        door_closed=bool(value.door_closed),
    )


def bay_state_value(message: lm.BayState) -> types.BayState:
    """Read the bay's sensors."""
    return types.BayState(
        stamp_s=seconds(message.header.stamp),
        occupied_a=message.occupied_a,
        occupied_b=message.occupied_b,
        parcel_id=message.parcel_id,
        gap_clear=message.gap_clear,
        docked=message.docked,
        door_closed=message.door_closed if message.docked else None,
    )


def bay_command_message(value: types.BayCommand) -> lm.BayCommand:
    """Write the bay's actuators."""
    return lm.BayCommand(
        header=header(value.stamp_s), conveyor=int(value.conveyor), busy=bool(value.busy)
    )


def bay_command_value(message: lm.BayCommand) -> types.BayCommand:
    """Read the bay's actuators."""
    return types.BayCommand(
        seconds(message.header.stamp), _conveyor(message.conveyor), message.busy
    )


def _conveyor(value: int) -> int:
    if value not in (-1, 0, 1):
        raise ValueError(f"conveyor {value} is not one of -1, 0, 1")
    return value


def locker_state_message(value: types.LockerHardwareState) -> lm.LockerHardwareState:
    """Write a locker's sensors; `busy` is meant only while docked."""
    return lm.LockerHardwareState(
        header=header(value.stamp_s),
        locker_id=value.locker_id,
        docked=bool(value.docked),
        busy=bool(value.busy),
        door_closed=bool(value.door_closed),
        door_open=bool(value.door_open),
        gap_clear=bool(value.gap_clear),
        compartments=[
            lm.CompartmentState(
                id=compartment.id,
                occupied_a=bool(compartment.occupied_a),
                occupied_b=bool(compartment.occupied_b),
                parcel_id=compartment.parcel_id,
                temperature=float(compartment.temperature_c),
            )
            for compartment in value.compartments
        ],
    )


def locker_state_value(message: lm.LockerHardwareState) -> types.LockerHardwareState:
    """Read a locker's sensors."""
    return types.LockerHardwareState(
        stamp_s=seconds(message.header.stamp),
        locker_id=message.locker_id,
        docked=message.docked,
        busy=message.busy if message.docked else None,
        door_closed=message.door_closed,
        door_open=message.door_open,
        gap_clear=message.gap_clear,
        compartments=tuple(
            types.CompartmentState(
                compartment.id,
                compartment.occupied_a,
                compartment.occupied_b,
                compartment.parcel_id,
                compartment.temperature,
            )
            for compartment in message.compartments
        ),
    )


def locker_command_message(value: types.LockerHardwareCommand) -> lm.LockerHardwareCommand:
    """Write a locker's actuators."""
    return lm.LockerHardwareCommand(
        header=header(value.stamp_s),
        locker_id=value.locker_id,
        open_door=bool(value.open_door),
        compartment_id=value.compartment_id,
        conveyor=int(value.conveyor),
    )


def locker_command_value(message: lm.LockerHardwareCommand) -> types.LockerHardwareCommand:
    """Read a locker's actuators."""
    return types.LockerHardwareCommand(
        stamp_s=seconds(message.header.stamp),
        locker_id=message.locker_id,
        open_door=message.open_door,
        compartment_id=message.compartment_id,
        conveyor=_conveyor(message.conveyor),
    )


def custody_message(value: types.CustodyState) -> lm.CustodyState:
    """Write who holds a parcel."""
    return lm.CustodyState(
        header=header(value.stamp_s),
        parcel_id=value.parcel_id,
        custodian=value.custodian,
        epoch=int(value.epoch),
        handoff_id=value.handoff_id,
        state=value.state,
        reason=value.reason,
    )


def custody_value(message: lm.CustodyState) -> types.CustodyState:
    """Read who holds a parcel."""
    return types.CustodyState(
        stamp_s=seconds(message.header.stamp),
        parcel_id=message.parcel_id,
        custodian=message.custodian,
        epoch=message.epoch,
        handoff_id=message.handoff_id,
        state=message.state,
        reason=message.reason,
    )


def mission_message(value: types.MissionState) -> lm.MissionState:
    """Write the phase of the delivery."""
    return lm.MissionState(
        header=header(value.stamp_s),
        order_id=value.order_id,
        parcel_id=value.parcel_id,
        phase=value.phase,
        text=value.text,
        remaining=float(value.remaining_m),
    )


def mission_value(message: lm.MissionState) -> types.MissionState:
    """Read the phase of the delivery."""
    return types.MissionState(
        stamp_s=seconds(message.header.stamp),
        order_id=message.order_id,
        parcel_id=message.parcel_id,
        phase=message.phase,
        text=message.text,
        remaining_m=message.remaining,
    )


def ground_truth_message(value: types.GroundTruth) -> lm.GroundTruth:
    """Write what is really so."""
    return lm.GroundTruth(
        header=header(value.stamp_s, "map"),
        pose=pose_2d(value.pose_map_base),
        speed=float(value.twist_base[0]),
        yaw_rate=float(value.twist_base[1]),
        people=[
            lm.SimulatedPerson(
                id=int(number), position=point(x, y), velocity=Vector3(x=vx, y=vy, z=0.0)
            )
            for number, x, y, vx, vy in value.people.tolist()
        ],
        vehicles=[
            lm.SimulatedVehicle(
                id=int(number), pose=Pose2D(x=x, y=y, theta=yaw), speed=v, length=length
            )
            for number, x, y, yaw, v, length in value.vehicles.tolist()
        ],
        clearance_people=float(value.clearance_people_m),
        clearance=float(value.clearance_m),
        contact=value.contact,
        parcels=[
            lm.ParcelPlace(parcel_id=parcel, place=place)
            for parcel, place in value.parcel_places.items()
        ],
    )


def ground_truth_value(message: lm.GroundTruth) -> types.GroundTruth:
    """Read what is really so."""
    people = [
        (p.id, p.position.x, p.position.y, p.velocity.x, p.velocity.y) for p in message.people
    ]
    vehicles = [
        (v.id, v.pose.x, v.pose.y, v.pose.theta, v.speed, v.length) for v in message.vehicles
    ]
    return types.GroundTruth(
        stamp_s=seconds(message.header.stamp),
        pose_map_base=pose_array(message.pose),
        twist_base=np.array([message.speed, message.yaw_rate]),
        people=np.array(people, dtype=float).reshape(-1, 5),
        vehicles=np.array(vehicles, dtype=float).reshape(-1, 6),
        clearance_people_m=message.clearance_people,
        clearance_m=message.clearance,
        contact=message.contact,
        parcel_places={parcel.parcel_id: parcel.place for parcel in message.parcels},
    )


# --------------------------------------------------------------------------------- actions


def goal_message(goal: Any) -> Any:
    """Write the goal of an action; the goal's id travels beside it."""
    if isinstance(goal, types.FollowRouteGoal):
        return _goal_class("FollowRoute")(route=route_message(goal.route))
    if isinstance(goal, types.DockGoal):
        return _goal_class("Dock")(locker_id=goal.locker_id, undock=bool(goal.undock))
    if isinstance(goal, types.HandOverGoal):
        return _goal_class("HandOver")(
            order_id=goal.order_id,
            parcel_id=goal.parcel_id,
            locker_id=goal.locker_id,
            direction=goal.direction.value,
        )
    if isinstance(goal, types.DeliverGoal):
        return _goal_class("Deliver")(
            order_id=goal.order_id,
            parcel_id=goal.parcel_id,
            from_locker_id=goal.from_locker_id,
            to_locker_id=goal.to_locker_id,
        )
    raise ValueError(f"{type(goal).__name__} is the goal of no action")


def _goal_class(action: str) -> Any:
    return message_class(f"lastmile_msgs/action/{action}").Goal


def goal_value(goal_type: type, message: Any, goal_id: str) -> Any:
    """Read the goal of an action."""
    if goal_type is types.FollowRouteGoal:
        return types.FollowRouteGoal(goal_id, route_value(message.route))
    if goal_type is types.DockGoal:
        return types.DockGoal(goal_id, message.locker_id, message.undock)
    if goal_type is types.HandOverGoal:
        return types.HandOverGoal(
            goal_id,
            message.order_id,
            message.parcel_id,
            message.locker_id,
            word(types.Direction, message.direction, "direction"),
        )
    if goal_type is types.DeliverGoal:
        return types.DeliverGoal(
            goal_id,
            message.order_id,
            message.parcel_id,
            message.from_locker_id,
            message.to_locker_id,
        )
    raise ValueError(f"{goal_type.__name__} is the goal of no action")


def feedback_message(value: types.TaskFeedback) -> lm.TaskFeedback:
    """Write progress of a task."""
    return lm.TaskFeedback(
        stamp=time_message(value.stamp_s),
        phase=value.phase,
        progress=float(value.progress),
        total=float(value.total),
        text=value.text,
    )


def feedback_value(message: lm.TaskFeedback, goal_id: str) -> types.TaskFeedback:
    """Read progress of a task."""
    return types.TaskFeedback(
        goal_id,
        seconds(message.stamp),
        message.phase,
        message.progress,
        message.total,
        message.text,
    )


def result_message(value: types.TaskResult) -> lm.TaskResult:
    """Write the end of a task."""
    return lm.TaskResult(
        stamp=time_message(value.stamp_s),
        outcome=value.outcome.value,
        text=value.text,
        data_names=list(value.data),
        data_values=[float(figure) for figure in value.data.values()],
    )


def result_value(message: lm.TaskResult, goal_id: str) -> types.TaskResult:
    """Read the end of a task."""
    if len(message.data_names) != len(message.data_values):
        raise ValueError(
            f"{len(message.data_names)} names and {len(message.data_values)} figures;"
            " as many of each are needed"
        )
    return types.TaskResult(
        goal_id,
        seconds(message.stamp),
        word(types.TaskOutcome, message.outcome, "outcome"),
        message.text,
        dict(zip(message.data_names, message.data_values, strict=True)),
    )
