"""
Parcels on their way between lockers and the robot's bay, as physics.

A parcel in transfer has a place on the line from a locker's shuttle (0) through the gap (0.5) to
the robot's bay (1). A conveyor moves it while it rests on it; where it rests on both, both must
agree. What is pushed out with nobody at the other side falls to the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lastmile.geometry import se2
from lastmile.maps.site import Locker
from lastmile.types import (
    BayCommand,
    BayState,
    CompartmentState,
    LockerHardwareCommand,
    LockerHardwareState,
)

DOOR_S, TRANSFER_S = 2.0, 3.0
DOCK_DISTANCE_M, DOCK_YAW = 0.05, np.radians(5.0)
COMMAND_LIFE_S = 1.0
LOCKER_ONLY, ROBOT_ONLY = 0.2, 0.8
"""A parcel nearer to the locker (robot) than this rests on one conveyor alone."""
ZONE_TEMPERATURE_C = {"ambient": 18.0, "chilled": 4.0, "frozen": -20.0}


@dataclass(slots=True)
class LockerBody:
    """A locker's moving parts: door (0 closed, 1 open), shuttle, contents by compartment."""

    locker: Locker
    door: float = 0.0
    shuttle: str = ""
    contents: dict[str, str] = field(default_factory=dict)
    command: LockerHardwareCommand | None = None
    docked: bool = False


@dataclass(frozen=True, slots=True)
class MovingParcel:
    """A parcel on its way: 0 is on the locker's shuttle, 1 in the robot's bay."""

    parcel: str
    locker_id: str
    share: float


class Transfer:
    """All lockers and the robot's bay; `step` moves doors and parcels."""

    def __init__(
        self,
        lockers: tuple[Locker, ...],
        T_base_port: np.ndarray,
        placements: dict[str, tuple[str, str]],
        rng: np.random.Generator,
    ) -> None:
        """
        Put the parcels into their compartments.

        `placements` maps the parcel id to locker and compartment ids; unknown ones raise
        ValueError.
        """
        self.bodies = {locker.id: LockerBody(locker) for locker in lockers}
        self._ports = [locker.pose_map_port[:2].tolist() for locker in lockers]
        self._pose_base_port = se2.from_matrix(T_base_port)
        self._rng = rng
        self._bay_command: BayCommand | None = None
        self._bay_parcel = ""
        self._moving = ""
        """Parcel between a locker and the bay."""
        self._at = 0.0
        self._at_locker = ""
        self._on_ground: list[str] = []
        for parcel, (locker_id, compartment) in placements.items():
            self._place(parcel, locker_id, compartment)

    def command_bay(self, command: BayCommand) -> None:
        """Take the robot's command."""
        self._bay_command = command

    def command_locker(self, command: LockerHardwareCommand) -> None:
        """Take a locker's command; one for an unknown locker raises ValueError."""
        if command.locker_id not in self.bodies:
            raise ValueError(
                f"locker {command.locker_id!r} is not one of {', '.join(self.bodies) or 'none'}"
            )
        self.bodies[command.locker_id].command = command

    def step(
        self, stamp_s: float, dt_s: float, pose_map_base: np.ndarray, faults: frozenset[str]
    ) -> None:
        """Move on by `dt_s`; `faults` may hold conveyor_jam and door_stuck."""
        pose_map_port = se2.compose(pose_map_base, self._pose_base_port)
        x, y, _ = pose_map_port.tolist()
        for body, (port_x, port_y) in zip(self.bodies.values(), self._ports, strict=True):
            near = max(abs(port_x - x), abs(port_y - y)) <= DOCK_DISTANCE_M
            body.docked = near and is_docked(pose_map_port, body.locker)
            self._move_door(body, stamp_s, dt_s, "door_stuck" in faults)
        docked = next((b for b in self.bodies.values() if b.docked), None)
        self._part_from_lost_locker(docked)
        robot_drive, _ = self._bay_drive(stamp_s)
        if "conveyor_jam" not in faults:
            self._start(docked, robot_drive, stamp_s)
            self._carry(docked, robot_drive, stamp_s, dt_s)

    @property
    def moving(self) -> MovingParcel | None:
        """The parcel between a locker and the bay, if one is."""
        return MovingParcel(self._moving, self._at_locker, self._at) if self._moving else None

    def port(self, pose_map_base: np.ndarray) -> np.ndarray:
        """Pose (3,) in map of the robot's port."""
        return se2.compose(pose_map_base, self._pose_base_port)

    def docking_error(self, pose_map_base: np.ndarray, locker_id: str) -> np.ndarray:
        """Pose (3,) of the robot's port against where it belongs at a locker."""
        pose_map_port = se2.compose(pose_map_base, self._pose_base_port)
        return _port_error(pose_map_port, self.bodies[locker_id].locker)

    def doors_open(self) -> dict[str, bool]:
        """Tell which lockers' doors stand at least half open."""
        return {name: body.door > 0.5 for name, body in self.bodies.items()}

    def places(self) -> dict[str, str]:
        """Where every parcel is: a locker id, `robot`, `gap` or `ground`."""
        places = {
            parcel: name for name, body in self.bodies.items() for parcel in body.contents.values()
        }
        if self._bay_parcel:
            places[self._bay_parcel] = "robot"
        if self._moving:
            if self._at < LOCKER_ONLY:
                places[self._moving] = self._at_locker
            else:
                places[self._moving] = "robot" if self._at > ROBOT_ONLY else "gap"
        places.update(dict.fromkeys(self._on_ground, "ground"))
        return places

    def bay_state(self, stamp_s: float, faults: frozenset[str]) -> BayState:
        """Tell what the robot's bay senses."""
        docked = next((b for b in self.bodies.values() if b.docked), None)
        resting = bool(self._bay_parcel)
        entering = bool(self._moving)
        return BayState(
            stamp_s=stamp_s,
            occupied_a=resting or (entering and self._at > 0.6) or "occupancy_stuck" in faults,
            occupied_b=resting or (entering and self._at > 0.75),
            parcel_id=self._bay_parcel,
            gap_clear=self._gap_clear(faults),
            docked=docked is not None,
            door_closed=None if docked is None else docked.door <= 0.0,
        )

    def locker_states(self, stamp_s: float, faults: frozenset[str]) -> list[LockerHardwareState]:
        """Tell what each locker senses."""
        _, busy = self._bay_drive(stamp_s)
        return [
            LockerHardwareState(
                stamp_s=stamp_s,
                locker_id=name,
                docked=body.docked,
                busy=busy if body.docked else None,
                door_closed=body.door <= 0.0,
                door_open=body.door >= 1.0,
                gap_clear=self._gap_clear(faults) if body.docked else True,
                compartments=tuple(
                    self._compartment(body, c.id, c.zone, drawn)
                    for c, drawn in zip(
                        body.locker.compartments,
                        self._rng.standard_normal(len(body.locker.compartments)).tolist(),
                        strict=True,
                    )
                ),
            )
            for name, body in self.bodies.items()
        ]

    def _compartment(
        self, body: LockerBody, compartment: str, zone: str, by_chance: float
    ) -> CompartmentState:
        parcel = body.contents.get(compartment, "")
        leaving = (
            bool(self._moving) and self._at_locker == body.locker.id and body.shuttle == compartment
        )
        warmth = ZONE_TEMPERATURE_C.get(zone, 18.0) + 0.2 * by_chance
        return CompartmentState(
            id=compartment,
            occupied_a=bool(parcel) or (leaving and self._at < 0.4),
            occupied_b=bool(parcel) or (leaving and self._at < 0.25),
            parcel_id=parcel,
            temperature_c=warmth,
        )

    def _gap_clear(self, faults: frozenset[str]) -> bool:
        blocked = bool(self._moving) and 0.1 < self._at < 0.9
        return not blocked and "gap_sensor_stuck" not in faults

    def _bay_drive(self, stamp_s: float) -> tuple[int, bool]:
        """Conveyor (+1 gives out) and BUSY line; both fall when commands cease."""
        command = self._bay_command
        if command is None or stamp_s - command.stamp_s > COMMAND_LIFE_S:
            return 0, False
        return command.conveyor, command.busy

    def _locker_drive(self, body: LockerBody, stamp_s: float) -> int:
        command = body.command
        if command is None or stamp_s - command.stamp_s > COMMAND_LIFE_S or body.door < 1.0:
            return 0
        return command.conveyor

    def _move_door(self, body: LockerBody, stamp_s: float, dt_s: float, stuck: bool) -> None:
        """Move the door; it holds without commands, and its edge stops at a parcel in the gap."""
        command = body.command
        if stuck or command is None or stamp_s - command.stamp_s > COMMAND_LIFE_S:
            return
        if command.open_door:
            if body.door <= 0.0:
                body.shuttle = command.compartment_id
            body.door = min(1.0, body.door + dt_s / DOOR_S)
        elif not (self._at_locker == body.locker.id and self._moving and self._at > 0.1):
            body.door = max(0.0, body.door - dt_s / DOOR_S)

    def _start(self, docked: LockerBody | None, robot_drive: int, stamp_s: float) -> None:
        """Let a resting parcel begin to move when the conveyor under it runs outwards."""
        if self._moving:
            return
        for body in self.bodies.values():
            parcel = body.contents.get(body.shuttle, "")
            if parcel and self._locker_drive(body, stamp_s) > 0:
                del body.contents[body.shuttle]
                self._moving, self._at, self._at_locker = parcel, 0.0, body.locker.id
                return
        if self._bay_parcel and robot_drive > 0:
            parcel, self._bay_parcel = self._bay_parcel, ""
            if docked is None:
                self._on_ground.append(parcel)
                return
            self._moving, self._at, self._at_locker = parcel, 1.0, docked.locker.id

    def _carry(
        self, docked: LockerBody | None, robot_drive: int, stamp_s: float, dt_s: float
    ) -> None:
        """Move the parcel in transfer by the conveyors that it rests on."""
        if not self._moving:
            return
        body = self.bodies[self._at_locker]
        towards_robot = self._locker_drive(body, stamp_s)
        from_locker, from_robot = towards_robot, -robot_drive
        if self._at < LOCKER_ONLY:
            sense = from_locker
        elif self._at > ROBOT_ONLY:
            sense = from_robot
        else:
            sense = from_locker if from_locker == from_robot else 0
        full = body.contents.get(body.shuttle, "")
        closed = body.door < 1.0
        at = self._at + sense * dt_s / TRANSFER_S
        if sense > 0 and self._bay_parcel and at > 0.4:
            return
        if sense < 0 and (full or closed) and at < 0.6:
            return
        if docked is not body and LOCKER_ONLY < at < ROBOT_ONLY:
            self._drop()
            return
        self._at = at
        if at >= 1.0:
            self._bay_parcel, self._moving = self._moving, ""
        elif at <= 0.0:
            body.contents[body.shuttle] = self._moving
            self._moving = ""

    def _part_from_lost_locker(self, docked: LockerBody | None) -> None:
        """Decide where a parcel in the gap goes when the robot drives off."""
        if not self._moving or (docked is not None and docked.locker.id == self._at_locker):
            return
        if LOCKER_ONLY <= self._at <= ROBOT_ONLY:
            self._drop()
        elif self._at > ROBOT_ONLY:
            self._bay_parcel, self._moving = self._moving, ""

    def _drop(self) -> None:
        self._on_ground.append(self._moving)
        self._moving = ""

    def _place(self, parcel: str, locker_id: str, compartment: str) -> None:
        if locker_id not in self.bodies:
            raise ValueError(
                f"parcel {parcel!r}: locker {locker_id!r} is not one of "
                f"{', '.join(self.bodies) or 'none'}"
            )
        body = self.bodies[locker_id]
        known = [c.id for c in body.locker.compartments]
        if compartment not in known:
            raise ValueError(
                f"parcel {parcel!r}: compartment {compartment!r} of locker {locker_id!r} is not "
                f"one of {', '.join(known)}"
            )
        if compartment in body.contents:
            raise ValueError(
                f"parcel {parcel!r}: compartment {compartment!r} of locker {locker_id!r} already "
                f"holds {body.contents[compartment]!r}"
            )
        body.contents[compartment] = parcel


def is_docked(pose_map_port: np.ndarray, locker: Locker) -> bool:
    """Tell whether the dock's contacts meet: within 5 cm and 5 degrees."""
    if np.abs(pose_map_port[:2] - locker.pose_map_port[:2]).max() > DOCK_DISTANCE_M:
        return False
    error = _port_error(pose_map_port, locker)
    return bool(np.hypot(*error[:2]) <= DOCK_DISTANCE_M and abs(error[2]) <= DOCK_YAW)


def _port_error(pose_map_port: np.ndarray, locker: Locker) -> np.ndarray:
    error = se2.between(locker.pose_map_port, pose_map_port)
    return np.array([error[0], error[1], float(se2.wrap_angle(error[2] - np.pi))])
