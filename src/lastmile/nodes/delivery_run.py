"""One delivery on real processes: started, ordered, followed, ended, read back."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lastmile.errors import UserError
from lastmile.evaluation.run_log import KEPT_TOPICS, RunLog
from lastmile.nodes.domain import ros_domain
from lastmile.nodes.operator_client import OperatorClient
from lastmile.nodes.playback import DIAGNOSTICS, read_run
from lastmile.nodes.process_group import Event
from lastmile.nodes.stack_plan import StackSettings
from lastmile.nodes.supervisor import Stack
from lastmile.nodes.surroundings import read_named_site
from lastmile.simulation.delivery import order_of
from lastmile.simulation.scenario import read_scenario
from lastmile.types import DeliverGoal, ObstacleKind, TaskOutcome, TaskResult

RUN_FILE = "run.json"
READY_S = 180.0
# The last values of a run come into the recording before it ends.
AFTERMATH_S = 1.0
RATE_WINDOW_S = 10.0
WATCHED = (
    "odometry",
    "mission/state",
    "planner/status",
    "safety_state",
    "custody",
    "obstacles",
)


@dataclass(frozen=True, slots=True)
class Glance:
    """The state of a running delivery as a person wants to see it."""

    stamp_s: float = 0.0
    rate: float = 0.0
    """Simulated seconds per second, over the last ten."""
    phase: str = "starting"
    text: str = ""
    remaining_m: float = float("nan")
    speed_mps: float = 0.0
    obstacles: int = 0
    people: int = 0
    custody: str = ""
    gate: str = ""
    planner: str = ""


class DeliveryRun:
    """
    The whole stack with a delivery under way.

    Entering starts the processes; leaving ends them, whatever happened.

    Parameters
    ----------
    settings : StackSettings
        What to start.
    order : DeliverGoal
        What to deliver.
    on_event : callable
        Called with what happens to the processes, from another thread.
    meanwhile : callable
        Called several times a second while `begin` and `wait` wait; what it raises ends them.

    """

    def __init__(
        self,
        settings: StackSettings,
        order: DeliverGoal,
        on_event: Callable[[Event], None] = lambda _: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self.stack = Stack(settings, on_event)
        self._meanwhile = meanwhile
        self.order = order
        self.result: TaskResult | None = None
        self._settings = settings
        self._client: OperatorClient | None = None
        self._newest: dict[str, Callable[[], Any]] = {}
        self._clock: deque[tuple[float, float]] = deque()

    def __enter__(self) -> Self:
        """Start the processes; they are not ready yet."""
        self._write()
        self.stack.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes and write down how the delivery ended."""
        try:
            if self._client is not None:
                self._client.close()
        finally:
            # Whatever the client was interrupted in, the processes end in order.
            self.stack.stop()
        self._write()

    def begin(self) -> None:
        """
        Wait until all nodes are ready, then order the delivery.

        Raises
        ------
        UserError
            If the stack does not come up or refuses the order.

        """
        self.stack.wait_ready(READY_S, self._meanwhile)
        self._client = OperatorClient(self._settings.namespace)
        self._newest = {topic: self._client.newest(topic) for topic in WATCHED}
        self._client.order(self.order, meanwhile=self._meanwhile)

    def wait(self, duration_s: float) -> TaskResult | None:
        """
        Let the delivery go on for a while; give its result when it ended.

        Raises
        ------
        UserError
            If the stack ended by itself.

        """
        if self.stack.wait(0.0):
            raise UserError(f"the stack ended: {self.stack.reason}")
        self._client.spin(duration_s)
        self._meanwhile()
        if self._client.lost:
            self._client.rejoin(self._meanwhile)
        self.result = self._client.result
        if self.result is not None:
            self._client.spin(AFTERMATH_S)
        return self.result

    @property
    def rate(self) -> float:
        """Simulated seconds per second that are wanted."""
        return self._settings.rate

    def newest(self, topic: str) -> Callable[[], Any]:
        """Give a function that reads the newest value of a topic, None before the first."""
        return self._client.newest(topic)

    def cancel(self) -> None:
        """Ask the mission to stop the delivery safely."""
        self._client.cancel()

    def look(self) -> Glance:
        """Look at the newest values."""
        seen = {topic: newest() for topic, newest in self._newest.items()}
        odometry, mission, planner = seen["odometry"], seen["mission/state"], seen["planner/status"]
        safety, custody, obstacles = seen["safety_state"], seen["custody"], seen["obstacles"]
        stamp_s = odometry.stamp_s if odometry else 0.0
        near = obstacles.obstacles if obstacles else ()
        return Glance(
            stamp_s=stamp_s,
            rate=self._rate(stamp_s),
            phase=mission.phase if mission else "starting",
            text=mission.text if mission else "",
            remaining_m=mission.remaining_m if mission else float("nan"),
            speed_mps=float(odometry.twist_base[0]) if odometry else 0.0,
            obstacles=len(near),
            people=sum(o.kind is ObstacleKind.PERSON for o in near),
            custody=f"{custody.custodian} ({custody.state})" if custody else "",
            gate=": ".join(filter(None, (safety.level, "; ".join(safety.causes))))
            if safety
            else "",
            planner=": ".join(filter(None, (planner.state, planner.reason))) if planner else "",
        )

    def _rate(self, stamp_s: float) -> float:
        now = time.monotonic()
        self._clock.append((now, stamp_s))
        while self._clock[0][0] < now - RATE_WINDOW_S:
            self._clock.popleft()
        (then, then_s) = self._clock[0]
        return (stamp_s - then_s) / (now - then) if now > then and then_s > 0.0 else 0.0

    def _write(self) -> None:
        settings = self._settings
        about = {
            "scenario": settings.scenario,
            "site": settings.site,
            "seed": settings.seed,
            "rate": settings.rate,
            "namespace": settings.namespace,
            "ros_domain": ros_domain(),
            "order": dataclasses.asdict(self.order),
            "result": dataclasses.asdict(self.result) if self.result is not None else None,
            "ended": self.stack.reason,
        }
        path = settings.run_dir / RUN_FILE
        try:
            path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error


def order_of_settings(settings: StackSettings) -> DeliverGoal:
    """Give the order of the scenario that a stack is started with."""
    return order_of(read_scenario(settings.scenario), read_named_site(settings.site))


def read_about(run_dir: Path) -> dict[str, Any]:
    """
    Read what a run was made of.

    Raises
    ------
    UserError
        If the folder is not that of a run over ROS.

    """
    path = run_dir / RUN_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{run_dir} is not the folder of a run of `lastmile demo`: {path.name}: "
            f"{error.strerror}"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from error


def read_events(run_dir: Path) -> list[dict[str, Any]]:
    """Read what happened to the processes of a run; a line that is cut off ends it."""
    events = []
    path = run_dir / "events.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events


def read_log(run_dir: Path) -> RunLog:
    """Read the recording of a run, and the result that its operator got, into a log."""
    about, log = read_about(run_dir), RunLog()
    stamp_s = 0.0
    for observed in read_run(run_dir, (*KEPT_TOPICS, DIAGNOSTICS), about["namespace"]):
        stamp_s = observed[0]
        log.observe(*observed)
    if about["result"] is not None:
        fields = about["result"] | {"outcome": TaskOutcome(about["result"]["outcome"])}
        log.observe(stamp_s, "operator", "deliver/result", TaskResult(**fields))
    return log
