"""The delivery executive against scripted servers of its tasks."""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.stepping import run_steps

from lastmile.errors import UserError
from lastmile.geometry.polyline import arc_lengths
from lastmile.handoff.journal import JournalError
from lastmile.maps.example import example_site
from lastmile.maps.lockers import staging_pose
from lastmile.mission.component import MissionComponent
from lastmile.mission.config import MissionConfig
from lastmile.mission.routes import LockerRoutes
from lastmile.types import (
    CustodyState,
    DeliverGoal,
    Direction,
    LocalizationState,
    PlannerState,
    PlannerStatus,
    PoseEstimate,
    TaskCancel,
    TaskFeedback,
    TaskOutcome,
    TaskResult,
)

SITE = example_site()
ORIGIN, DESTINATION = SITE.lockers[0].id, SITE.lockers[1].id
DT_S = 0.2
WHOLE_WAY = [
    "drive_to_origin", "dock_at_origin", "take", "leave_origin",
    "drive_to_destination", "dock_at_destination", "give", "leave_destination",
]  # fmt: skip

NOTHING_ABOARD = CustodyState(0.1, "", "", 0, "", "idle", "")


class Crash(Exception):
    """The process dies here."""


@dataclass
class FakeContext:
    site: object
    name: str
    state_dir: str
    rng: np.random.Generator


class Town:
    """Servers that succeed after a second, unless told otherwise by step word."""

    def __init__(self, state_dir=":memory:", config=None, tells_custody=True):
        self.state_dir, self.config = state_dir, config or MissionConfig()
        self.tells_custody = tells_custody
        self.component = self.make()
        self.count, self.set_back_s = 0, 0.0
        self.pose = np.array([0.0, 4.75, 0.0])
        self.localized = True
        self.running = {}
        self.answers = {}
        self.steps, self.results, self.states, self.goals, self.cancels = [], {}, [], [], []
        self.planner_state = PlannerState.DRIVING

    @property
    def now_s(self):
        return round(self.count * DT_S - self.set_back_s, 6)

    def make(self):
        context = FakeContext(SITE, "robot-1", self.state_dir, np.random.default_rng(1))
        component = MissionComponent(self.config, context)
        if self.tells_custody:
            component.receive("custody", NOTHING_ABOARD)
        return component

    def restart(self):
        self.component.close()
        self.component = self.make()

    def order(self, goal_id="g1", order_id="order-1", parcel="parcel-1", start=None, end=None):
        goal = DeliverGoal(goal_id, order_id, parcel, start or ORIGIN, end or DESTINATION)
        self.component.receive("deliver/goal", goal)

    def step(self):
        self.count += 1
        now_s, receive = self.now_s, self.component.receive
        state = LocalizationState.TRACKING if self.localized else LocalizationState.LOST
        receive(
            "localization/status",
            PoseEstimate(now_s, self.pose, np.eye(3), np.zeros(3), state, 0.3, 0.3, 0.1, ""),
        )
        self.serve()
        for topic, value in self.component.step(now_s):
            action, part = topic.rsplit("/", 1)
            if topic == "mission/state":
                self.states.append(value)
            elif topic == "deliver/result":
                self.results[value.goal_id] = value
            elif part == "goal":
                self.goals.append(value)
                self.steps.append(value.goal_id.split("/")[1])
                self.running[action] = (value, now_s)
            elif part == "cancel":
                self.cancels.append(value)
                goal, _ = self.running.pop(action)
                outcome = self.answers.get("canceled", TaskOutcome.CANCELED)
                self.component.receive(
                    f"{action}/result", TaskResult(goal.goal_id, now_s, outcome, "stopped")
                )

    def set_clock_back(self, seconds):
        self.set_back_s += seconds
        self.running = {name: (goal, s - seconds) for name, (goal, s) in self.running.items()}

    def serve(self):
        for action, (goal, since_s) in list(self.running.items()):
            word = goal.goal_id.split("/")[1]
            self.component.receive(
                f"{action}/feedback", TaskFeedback(goal.goal_id, self.now_s, "run", 0.0, 1.0, "")
            )
            if action == "follow_route":
                status = PlannerStatus(
                    self.now_s, self.planner_state, goal.route.id, 5.0, 50.0, np.nan, ""
                )
                self.component.receive("planner/status", status)
            if self.now_s - since_s < 1.0 or word in self.answers.get("hang", ()):
                continue
            del self.running[action]
            failures = self.answers.get(word, [])
            text, retry = failures.pop(0) if failures else ("", None)
            outcome = TaskOutcome.FAILED if text else TaskOutcome.SUCCEEDED
            data = {} if retry is None else {"retry": float(retry)}
            if action == "follow_route" and not text:
                self.pose = np.append(goal.route.points[-1], 0.0)
            self.component.receive(
                f"{action}/result", TaskResult(goal.goal_id, self.now_s, outcome, text, data)
            )

    def run(self, seconds, until=lambda: False):
        return run_steps(self.step, seconds / DT_S, until)

    def run_to_result(self, goal_id="g1", seconds=120.0):
        assert self.run(seconds, lambda: goal_id in self.results), self.steps
        return self.results[goal_id]


@pytest.fixture
def town():
    made = []

    def make(*args, **kwargs):
        made.append(Town(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.component.close()


def test_delivery_takes_all_steps_in_order(town):
    one = town()
    one.order()
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.SUCCEEDED
    assert one.steps == WHOLE_WAY
    assert DESTINATION in result.text
    take, give = one.goals[2], one.goals[6]
    assert (take.direction, take.locker_id) == (Direction.TO_ROBOT, ORIGIN)
    assert (give.direction, give.locker_id) == (Direction.TO_LOCKER, DESTINATION)
    drive = one.goals[0].route
    np.testing.assert_allclose(drive.points[-1], staging_pose(SITE.lockers[0])[:2], atol=1e-6)
    phases = list(dict.fromkeys(state.phase for state in one.states))
    assert phases == [*WHOLE_WAY, "idle"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("boundary", range(1, 19))
def test_crash_at_any_record_resumes_and_delivers_once(town, tmp_path, boundary, after):
    one = town(str(tmp_path))
    count = 0
    append = one.component._journal.append

    def crashing(stamp_s, body):
        nonlocal count
        count += 1
        if count != boundary:
            return append(stamp_s, body)
        if after:
            append(stamp_s, body)
        raise Crash

    one.component._journal.append = crashing
    one.order()
    for _ in range(400):
        try:
            one.step()
        except Crash:
            one.restart()
            one.order("g2")
        if one.results:
            break
    assert count == boundary
    outcomes = {result.outcome for result in one.results.values()}
    assert outcomes == {TaskOutcome.SUCCEEDED}
    finished = [word for i, word in enumerate(one.steps) if i == 0 or one.steps[i - 1] != word]
    assert finished == WHOLE_WAY


def test_restarted_mission_goes_on_without_any_client(town, tmp_path):
    one = town(str(tmp_path))
    one.order()
    one.run(60.0, lambda: "drive_to_destination" in one.steps)
    one.restart()
    one.running.clear()
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.SUCCEEDED
    assert one.steps.count("take") == 1


def test_ended_order_is_answered_from_the_journal(town, tmp_path):
    one = town(str(tmp_path))
    one.order()
    one.run_to_result()
    one.restart()
    one.order("g2")
    assert one.run_to_result("g2", 1.0).outcome is TaskOutcome.SUCCEEDED
    assert one.steps == WHOLE_WAY
    one.order("g3", parcel="parcel-2")
    assert "a new order needs a new order_id" in one.run_to_result("g3", 1.0).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": "locker-q"}, ("from_locker_id", "'locker-q'")),
        ({"end": "locker-q"}, ("to_locker_id", "'locker-q'")),
        ({"end": ORIGIN}, ("must differ", repr(ORIGIN))),
        ({"parcel": ""}, ("parcel_id", "''")),
        ({"order_id": "x" * 97}, ("order_id", "1 to 96")),
    ],
)
def test_bad_order_fails_and_names_value_and_rule(town, changes, words):
    one = town()
    one.order(**changes)
    result = one.run_to_result(seconds=1.0)
    assert result.outcome is TaskOutcome.FAILED
    for word in words:
        assert word in result.text
    assert not one.steps


def test_second_order_fails_while_the_first_runs(town):
    one = town()
    one.order()
    one.run(2.0)
    one.order("g2", "order-2", "parcel-2")
    assert "busy with order 'order-1'" in one.run_to_result("g2", 1.0).text


def test_unknown_parcel_is_not_tried_again(town):
    one = town()
    one.answers["take"] = [("locker-a holds no parcel 'parcel-1'", 0)]
    one.order()
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.FAILED
    assert "holds no parcel 'parcel-1'" in result.text
    assert one.steps.count("take") == 1


def test_failed_docking_and_handover_are_tried_again(town):
    one = town()
    one.answers["dock_at_origin"] = [("no marker", 1)]
    one.answers["give"] = [("jam", 1)]
    one.order()
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED
    assert one.steps.count("dock_at_origin") == 2
    assert one.steps[-5:] == [
        "dock_at_destination", "give", "dock_at_destination", "give", "leave_destination"
    ]  # fmt: skip


def test_attempts_are_counted_and_the_holder_is_named(town):
    one = town()
    one.answers["dock_at_destination"] = [("no marker", 1)] * 9
    one.order()
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.FAILED
    assert "after 3 attempts" in result.text
    assert "robot-1 holds 'parcel-1'" in result.text


def test_parcel_that_is_in_the_locker_counts_as_delivered_though_leaving_fails(town):
    one = town()
    one.answers["leave_destination"] = [("the ground behind is not free", 1)] * 9
    one.order()
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.SUCCEEDED
    assert "could not leave" in result.text


def blocked_town(town, **config):
    """A robot that has just got stuck on the way to the destination."""
    one = town(config=MissionConfig(**config))
    one.answers["hang"] = {"drive_to_destination"}
    one.order()
    one.run(60.0, lambda: "drive_to_destination" in one.steps)
    one.planner_state = PlannerState.BLOCKED
    return one


def test_blocked_way_is_closed_and_another_is_taken(town):
    one = blocked_town(town, blocked_timeout_s=2.0, blocked_timeout_max_s=4.0)
    assert one.run(20.0, lambda: one.cancels)
    one.planner_state, one.answers["hang"] = PlannerState.DRIVING, set()
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED
    assert one.steps.count("drive_to_destination") == 2
    assert one.component._deliveries["order-1"].failures


@pytest.mark.parametrize(
    ("detour_m", "patience_s"), [(0.0, 5.0), (75.0, 30.0), (500.0, 60.0), (np.inf, 60.0)]
)
def test_robot_waits_before_what_blocks_it_as_long_as_the_detour_takes(
    town, monkeypatch, detour_m, patience_s
):
    # 45 m of the way are left.
    monkeypatch.setattr(LockerRoutes, "detour_m", lambda *_: detour_m)
    one = blocked_town(town, blocked_timeout_s=5.0, blocked_timeout_max_s=60.0)
    began_s = one.now_s
    assert one.run(100.0, lambda: one.cancels)
    assert one.now_s - began_s == pytest.approx(patience_s, abs=1.0)


def test_detour_of_a_way_without_another_is_infinite():
    routes = LockerRoutes(SITE)
    pose = np.array([0.0, 4.75, 0.0])
    open_m = arc_lengths(routes.plan(pose, DESTINATION, set()).points)[-1]
    assert routes.detour_m(pose, DESTINATION, set()) == pytest.approx(open_m)
    assert routes.detour_m(pose, DESTINATION, {edge.id for edge in SITE.edges}) == np.inf


def test_straight_way_to_the_locker_beside_the_robot_has_no_detour():
    pose = staging_pose(SITE.lockers[1]) - [0.5, 0.0, 0.0]
    assert LockerRoutes(SITE).detour_m(pose, DESTINATION, {SITE.edges[0].id}) == np.inf


def test_longest_wait_below_the_shortest_is_refused(town):
    with pytest.raises(UserError, match="blocked_timeout_max_s 5 must be at least"):
        town(config=MissionConfig(blocked_timeout_max_s=5.0))


@pytest.mark.parametrize("word", WHOLE_WAY[:-1])
def test_cancel_in_any_step_before_the_last_stops_and_names_the_holder(town, word):
    one = town()
    one.answers["hang"] = {word}
    one.order()
    one.run(60.0, lambda: one.steps and one.steps[-1] == word)
    one.component.receive("deliver/cancel", TaskCancel("g1"))
    result = one.run_to_result(seconds=5.0)
    assert result.outcome is TaskOutcome.CANCELED
    assert len(one.cancels) == 1
    aboard = WHOLE_WAY.index(word) > 2
    assert ("robot-1 holds 'parcel-1'" in result.text) == aboard
    assert one.steps[-1] == word


def test_cancel_that_comes_after_the_parcel_was_given_lets_the_robot_leave(town):
    one = town()
    one.order()
    one.run(60.0, lambda: one.steps and one.steps[-1] == "leave_destination")
    one.component.receive("deliver/cancel", TaskCancel("g1"))
    assert one.run_to_result(seconds=5.0).outcome is TaskOutcome.SUCCEEDED
    assert not one.cancels


def test_cancel_that_comes_while_the_parcel_slips_through_reports_delivery(town):
    one = town()
    one.answers["hang"] = {"give"}
    one.answers["canceled"] = TaskOutcome.SUCCEEDED
    one.order()
    one.run(60.0, lambda: one.steps and one.steps[-1] == "give")
    one.component.receive("deliver/cancel", TaskCancel("g1"))
    result = one.run_to_result(seconds=10.0)
    assert result.outcome is TaskOutcome.SUCCEEDED
    assert one.steps[-1] == "leave_destination"


def test_cancel_survives_a_restart(town, tmp_path):
    one = town(str(tmp_path))
    one.answers["hang"] = {"give"}
    one.order()
    one.run(60.0, lambda: one.steps and one.steps[-1] == "give")
    one.component.receive("deliver/cancel", TaskCancel("g1"))
    one.component._cancel_sent = True
    one.step()
    one.restart()
    result = one.run_to_result(seconds=10.0)
    assert result.outcome is TaskOutcome.CANCELED


@pytest.mark.parametrize("refused", [1, 10])
def test_cancel_is_kept_until_the_journal_takes_it(town, refused):
    one = town()
    one.answers["hang"] = {"drive_to_origin"}
    one.order()
    one.run(2.0)
    append, left = one.component._journal.append, refused

    def refusing(stamp_s, body):
        nonlocal left
        if left:
            left -= 1
            raise JournalError("disk full")
        return append(stamp_s, body)

    one.component._journal.append = refusing
    one.component.receive("deliver/cancel", TaskCancel("g1"))
    one.step()
    # Nothing is done that is not in the journal, and the trouble is told.
    assert not one.cancels
    assert "disk full" in one.component.diagnose(one.now_s)[0].message
    assert one.run_to_result(seconds=refused * DT_S + 5.0).outcome is TaskOutcome.CANCELED
    assert left == 0
    assert len(one.cancels) == 1


def test_silent_task_is_begun_again(town):
    one = town(config=MissionConfig(task_silence_s=3.0))
    one.order()
    one.run(60.0, lambda: one.steps and one.steps[-1] == "dock_at_origin")
    one.running.clear()
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED
    assert one.steps.count("dock_at_origin") == 2


@pytest.mark.parametrize("back_s", [0.5, 600.0])
def test_silent_task_is_begun_again_in_time_though_the_clock_is_set_back(town, back_s):
    one = town(config=MissionConfig(task_silence_s=3.0))
    one.order()
    one.run(60.0, lambda: one.steps and one.steps[-1] == "dock_at_origin")
    one.running.clear()
    one.run(1.0)
    one.set_clock_back(back_s)
    one.run(1.6)
    assert one.steps.count("dock_at_origin") == 1
    one.run(1.4)
    assert one.steps.count("dock_at_origin") == 2
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_failed_task_is_tried_again_in_time_though_the_clock_is_set_back(town):
    one = town(config=MissionConfig(retry_wait_s=5.0))
    one.answers["dock_at_origin"] = [("no marker", True)]
    one.order()
    assert one.run(60.0, lambda: "dock_at_origin" in one.steps)
    assert one.run(5.0, lambda: not one.answers["dock_at_origin"])
    states = len(one.states)
    one.set_clock_back(600.0)
    one.run(4.0)
    assert len(one.states) >= states + 4
    assert one.steps.count("dock_at_origin") == 1
    one.run(1.6)
    assert one.steps.count("dock_at_origin") == 2
    assert one.component.diagnose(one.now_s)[0].values["clock set back"] == "1"
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_blocked_way_is_given_up_in_time_though_the_clock_is_set_back(town, monkeypatch):
    monkeypatch.setattr(LockerRoutes, "detour_m", lambda *_: np.inf)
    one = blocked_town(town, blocked_timeout_s=5.0, blocked_timeout_max_s=20.0)
    one.run(10.0)
    one.set_clock_back(600.0)
    assert not one.run(9.0, lambda: one.cancels)
    assert one.run(2.0, lambda: one.cancels)


def test_old_pose_is_not_driven_from_after_the_clock_was_set_back(town):
    one = town()
    one.run(1.0)
    one.set_clock_back(600.0)
    one.order()
    for _ in range(5):
        one.count += 1
        assert not [t for t, _ in one.component.step(one.now_s) if t == "follow_route/goal"]
    assert one.component.diagnose(one.now_s)[0].message.endswith("waiting for localization")
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_waits_without_pose_and_custody_go_on_though_the_clock_is_set_back(town):
    one = town(config=MissionConfig(localization_wait_s=4.0, custody_wait_s=4.0))
    one.localized = False
    one.order()
    one.run(2.0)
    one.set_clock_back(600.0)
    assert "no pose in map" in one.run_to_result(seconds=3.0).text
    one = town(config=MissionConfig(custody_wait_s=4.0), tells_custody=False)
    one.order()
    one.run(2.0)
    one.set_clock_back(600.0)
    assert "custody was not heard" in one.run_to_result(seconds=3.0).text


def test_parcel_aboard_goes_straight_to_the_destination(town):
    one = town()
    one.component.receive("custody", CustodyState(0.1, "parcel-1", "robot-1", 2, "h", "aboard", ""))
    one.order()
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED
    assert one.steps == WHOLE_WAY[4:]


def test_order_waits_until_custody_is_known(town):
    one = town(tells_custody=False)
    one.order()
    one.run(3.0)
    assert not one.steps
    assert one.states[-1].text == "waiting for custody"
    one.component.receive("custody", CustodyState(3.0, "parcel-1", "robot-1", 2, "h", "aboard", ""))
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED
    assert one.steps == WHOLE_WAY[4:]


def test_order_fails_when_custody_is_never_heard(town):
    one = town(config=MissionConfig(custody_wait_s=2.0), tells_custody=False)
    one.order()
    result = one.run_to_result(seconds=4.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "custody was not heard for 2 s" in result.text
    assert not one.steps


def test_order_that_waits_for_custody_can_be_canceled(town):
    one = town(tells_custody=False)
    one.order()
    one.run(1.0)
    one.component.receive("deliver/cancel", TaskCancel("g1"))
    assert one.run_to_result(seconds=1.0).outcome is TaskOutcome.CANCELED
    one.component.receive("custody", NOTHING_ABOARD)
    one.run(1.0)
    assert not one.steps


def test_other_parcel_aboard_refuses_the_order(town):
    one = town()
    one.component.receive("custody", CustodyState(0.1, "parcel-9", "robot-1", 2, "h", "aboard", ""))
    one.order()
    assert "'parcel-9'" in one.run_to_result(seconds=1.0).text


def test_robot_that_stands_at_a_locker_leaves_it_before_driving(town):
    one = town()
    port = SITE.lockers[1].pose_map_port
    one.pose = port + np.array([0.37 * np.cos(port[2]), 0.37 * np.sin(port[2]), np.pi])
    one.order()
    one.run(2.0, lambda: one.goals)
    assert one.goals[0].undock
    assert one.goals[0].locker_id == DESTINATION


def test_no_localization_waits_then_fails(town):
    one = town(config=MissionConfig(localization_wait_s=5.0))
    one.localized = False
    one.order()
    one.run(3.0)
    assert not one.steps
    assert one.states[-1].text == "waiting for localization"
    assert "no pose in map within 5 s" in one.run_to_result().text


def test_damaged_journal_is_told(tmp_path):
    path = tmp_path / "mission-robot-1.journal"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(UserError, match=r"mission-robot-1\.journal"):
        Town(str(tmp_path))


def test_planner_that_restarted_gets_the_route_again(town):
    one = town(config=MissionConfig(task_silence_s=3.0))
    one.answers["hang"] = {"drive_to_origin"}
    one.order()
    one.run(4.0)
    assert one.steps == ["drive_to_origin"]
    one.running.clear()
    for _ in range(25):
        idle = PlannerStatus(one.now_s, PlannerState.IDLE, "", 0.0, 0.0, np.nan, "")
        one.component.receive("planner/status", idle)
        one.step()
    assert one.steps == ["drive_to_origin", "drive_to_origin"]
