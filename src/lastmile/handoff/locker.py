"""A locker's controller: the other party of a handover, with door, compartments and a journal."""

from __future__ import annotations

from typing import Any

from lastmile.checks import is_fresh, is_set_back
from lastmile.handoff import messages
from lastmile.handoff.config import LockerConfig
from lastmile.handoff.custodian import Custodian
from lastmile.handoff.custody import Evidence
from lastmile.handoff.ledger import Holding
from lastmile.handoff.party import open_custodian
from lastmile.handoff.stamps import StampGuard
from lastmile.handoff.wires import LockerDrive, LockerWires, Stopwatch
from lastmile.types import (
    CompartmentState,
    Diagnostic,
    DiagnosticLevel,
    LockerHardwareCommand,
    LockerHardwareState,
)


def build(config: LockerConfig, context) -> LockerComponent:
    """Make the component; raises UserError when journal or key cannot be used."""
    return LockerComponent(config, context)


class LockerComponent:
    """One locker as a party of handovers."""

    def __init__(self, config: LockerConfig, context) -> None:
        self._config = config
        self._custodian = open_custodian(
            config.locker_id, context, config.custody, self._judge_offer, self._judge_request
        )
        self._drive = LockerDrive(config.custody)
        self._wires = LockerWires()
        self._state: LockerHardwareState | None = None
        self._guard = StampGuard()
        self._arrivals: dict[str, Stopwatch] = {}
        self._unknown: dict[str, str] = {}
        self._absences: dict[str, Stopwatch] = {}
        self._absent: dict[str, str] = {}

    @property
    def custodian(self) -> Custodian:
        """The party itself, for tests and tools."""
        return self._custodian

    def receive(self, topic: str, value: Any) -> None:
        """Take a state of the own hardware; those of other lockers pass by."""
        if topic != "lockers/state" or value.locker_id != self._config.locker_id:
            return
        self._guard.put(topic, value)

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Listen, decide, drive, speak."""
        self._follow_clock(stamp_s)
        for _, value in self._guard.take(stamp_s):
            self._state = value
        custodian = self._custodian
        state = self._fresh_state(stamp_s)
        self._keep_books(stamp_s, state)
        custodian.listen(stamp_s)
        evidence = custodian.observe(stamp_s, self._evidence(state))
        # The silence of the sensors stops the conveyor; the door stays as it is.
        self._wires = LockerWires(self._wires.open_door, self._wires.place)
        if evidence is not None:
            live = custodian.ledger.live
            self._wires = self._drive.step(
                stamp_s, live, custodian.heard, custodian.wants_back, evidence, state.door_open
            )
            custodian.stuck = self._wires.stuck
            if self._wires.abort:
                custodian.call_off(self._wires.abort)
        custodian.speak(stamp_s)
        wires = self._wires
        command = LockerHardwareCommand(
            stamp_s, self._config.locker_id, wires.open_door, wires.place, wires.conveyor
        )
        return [("lockers/command", command)]

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell how journal, sensors and books are."""
        custodian = self._custodian
        level, text = DiagnosticLevel.OK, "ready"
        if self._fresh_state(stamp_s) is None:
            level, text = DiagnosticLevel.WARN, "lockers/state is silent"
        if custodian.link_watch.fault:
            level, text = DiagnosticLevel.WARN, custodian.link_watch.fault
        problems = [*self._unknown.values(), *self._absent.values()] + (
            [custodian.hold] if custodian.hold else []
        )
        if problems:
            level, text = DiagnosticLevel.WARN, "a person is needed: " + "; ".join(problems)
        if custodian.fault:
            level, text = DiagnosticLevel.ERROR, custodian.fault
        counts = custodian.rejected + self._guard.rejected
        values = {f"rejected_{name}": str(n) for name, n in sorted(counts.items())}
        values["clock set back"] = str(self._guard.times_set_back)
        values |= custodian.link_watch.values
        if custodian.last_rejected:
            values["last_rejected_message"] = custodian.last_rejected
        values["parcels"] = ", ".join(sorted(custodian.ledger.holdings))
        name = f"locker {self._config.locker_id}"
        return [Diagnostic(name, level, text, values | self._guard.last)]

    def close(self) -> None:
        """Close journal and link."""
        self._custodian.close()

    # ------------------------------------------------------------------------------------ sensors

    def _follow_clock(self, stamp_s: float) -> None:
        """Go on with new inputs alone when the clock was set back; custody stays as it is."""
        if not is_set_back(self._guard.now_s, stamp_s):
            return
        self._custodian.follow_clock(stamp_s - self._guard.now_s)
        self._guard.begin_anew()
        self._state = None

    def _fresh_state(self, stamp_s: float) -> LockerHardwareState | None:
        state, age_max_s = self._state, self._config.custody.sensor_age_max_s
        if state is None or not is_fresh(state.stamp_s, stamp_s, age_max_s):
            return None
        return state

    def _evidence(self, state: LockerHardwareState | None) -> Evidence | None:
        if state is None:
            return None
        live = self._custodian.ledger.live
        place = _compartment(state, live.place) if live is not None else None
        if live is not None and place is None:
            return None
        return Evidence(
            state.stamp_s,
            state.docked,
            state.door_closed,
            state.gap_clear,
            state.busy is True,
            place.occupied_a if place else False,
            place.occupied_b if place else False,
            place.parcel_id if place else "",
        )

    # ------------------------------------------------------------------------------------- rules

    def _judge_offer(self, offer: messages.Offer, giver: str) -> tuple[str, str]:
        """Give the first free compartment, or why there is none."""
        state, name = self._fresh_state(self._guard.now_s), self._config.locker_id
        if state is None:
            return "", f"the sensors of {name} are silent"
        if not state.docked:
            return "", f"no robot is docked at {name}"
        if not state.door_closed:
            return "", f"the door of {name} is not closed"
        if offer.parcel_id in self._custodian.ledger.holdings:
            return "", f"{name} holds {offer.parcel_id!r} already"
        taken = {holding.place for holding in self._custodian.ledger.holdings.values()}
        for compartment in state.compartments:
            empty = not (compartment.occupied_a or compartment.occupied_b or compartment.parcel_id)
            if empty and compartment.id not in taken:
                return compartment.id, ""
        return "", f"{name} has no free compartment"

    def _judge_request(self, request: messages.Request, asker: str) -> tuple[str, bool]:
        """Tell why a parcel cannot be offered, and whether that is final."""
        name, state = self._config.locker_id, self._fresh_state(self._guard.now_s)
        holding = self._custodian.ledger.holdings.get(request.parcel_id)
        if holding is None:
            known = self._custodian.ledger.last_of(request.parcel_id)
            where = f", it went to {known.peer}" if known is not None and known.giving else ""
            # A parcel that was put in this moment is in the books a moment later.
            settled = state is not None and not self._arrivals
            return f"{name} holds no parcel {request.parcel_id!r}{where}", settled
        if state is None or not state.docked:
            return f"no robot is docked at {name}", False
        if not (state.door_closed and state.gap_clear):
            return f"the door of {name} is not closed", False
        place = _compartment(state, holding.place)
        if place is None or not (place.occupied_a and place.occupied_b):
            return f"the sensors of {holding.place} do not show {request.parcel_id!r}", False
        if place.parcel_id != request.parcel_id:
            return (
                f"{holding.place} reads {place.parcel_id!r}, not {request.parcel_id!r}", False
            )  # fmt: skip
        return "", True

    def _keep_books(self, stamp_s: float, state: LockerHardwareState | None) -> None:
        """Take parcels that people put in into the books; note what contradicts them."""
        self._unknown = {}
        if state is None:
            return
        self._miss_parcels(stamp_s, state)
        ledger = self._custodian.ledger
        places = {holding.place: holding for holding in ledger.holdings.values()}
        if ledger.live is not None and not ledger.live.giving:
            places[ledger.live.place] = None
        for compartment in state.compartments:
            full = compartment.occupied_a and compartment.occupied_b and compartment.parcel_id
            if compartment.id in places or not full:
                self._arrivals.pop(compartment.id, None)
                continue
            if compartment.parcel_id in ledger.epochs:
                self._unknown[compartment.id] = (
                    f"{compartment.id} reads {compartment.parcel_id!r}, which the journal says "
                    "is elsewhere"
                )
                continue
            watch = self._arrivals.setdefault(compartment.id, Stopwatch())
            if watch.update(stamp_s, True) >= self._config.deposit_settle_s and (
                self._custodian.deposit(stamp_s, compartment.parcel_id, compartment.id)
            ):
                del self._arrivals[compartment.id]

    def _miss_parcels(self, stamp_s: float, state: LockerHardwareState) -> None:
        """Put on record which parcels of the books are not seen in their compartments."""
        ledger = self._custodian.ledger
        absent = {}
        for parcel_id, holding in ledger.holdings.items():
            moving = ledger.live is not None and ledger.live.parcel_id == parcel_id
            fault = "" if moving else _absence(state, holding)
            watch = self._absences.setdefault(parcel_id, Stopwatch())
            if watch.update(stamp_s, bool(fault)) >= self._config.deposit_settle_s and fault:
                absent[parcel_id] = fault
        for parcel_id, fault in absent.items():
            if self._absent.get(parcel_id) != fault and not self._custodian.note(stamp_s, fault):
                # Told without the record, the record would never be tried again.
                absent[parcel_id] = ""
        self._absent = {parcel_id: fault for parcel_id, fault in absent.items() if fault}


def _absence(state: LockerHardwareState, holding: Holding) -> str:
    """Tell how a compartment contradicts the books, empty if not."""
    place = _compartment(state, holding.place)
    said = f"the journal says {holding.parcel_id!r} is in {holding.place}"
    if place is None:
        return f"{said}, the hardware has no such compartment"
    if not (place.occupied_a or place.occupied_b):
        return f"{said}, which reads empty"
    if place.occupied_a != place.occupied_b:
        return f"{said}, whose occupancy channels disagree"
    if place.parcel_id != holding.parcel_id:
        return f"{said}, which reads {place.parcel_id!r}"
    return ""


def _compartment(state: LockerHardwareState, place: str) -> CompartmentState | None:
    return next((c for c in state.compartments if c.id == place), None)
