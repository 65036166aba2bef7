"""What the recorder wrote comes back as the values that were published."""

import numpy as np
import pytest

from lastmile import types
from lastmile.errors import UserError
from lastmile.nodes import recording
from lastmile.nodes.conversions import to_message
from lastmile.nodes.diagnostics import diagnostics_message
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.playback import read_recording, read_run
from lastmile.nodes.recording import Recording

ros_environment()

from rclpy.serialization import serialize_message  # noqa: E402

TOPICS = ("cmd_vel", "safety_state", "diagnostics")


def safety(stamp_s):
    return types.SafetyState(stamp_s, types.SafetyLevel.BRAKE, "planner", ("plan: 0.3 s old",))


def record(path, count=100, finish=True, namespace=""):
    """Write commands of 10 Hz, each batch of ten after its safety state, as a recorder polls."""
    file = Recording(path, "zstd", 0)
    file.add_channel(f"{namespace}/cmd_vel", "geometry_msgs/msg/TwistStamped", "")
    file.add_channel(f"{namespace}/safety_state", "lastmile_msgs/msg/SafetyState", "")
    file.add_channel("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "")
    for batch in range(0, count, 10):
        taken_s = 0.1 * (batch + 10)
        message = serialize_message(to_message(safety(taken_s - 0.05)))
        file.write(f"{namespace}/safety_state", message, taken_s, taken_s - 0.05)
        for number in range(batch, batch + 10):
            message = serialize_message(to_message(types.Command(0.1 * number, 0.5, -0.25)))
            file.write(f"{namespace}/cmd_vel", message, taken_s, 0.1 * number)
        line = types.Diagnostic("timing", types.DiagnosticLevel.WARN, "late", {"cpu_s": "1.5"})
        message = serialize_message(diagnostics_message("planner", [line], taken_s))
        file.write("/diagnostics", message, taken_s, taken_s)
    if finish:
        file.close()
    else:
        file._file.close()


def test_values_come_back_in_the_order_of_publication(tmp_path):
    record(tmp_path / "run.mcap")
    observed = list(read_recording(tmp_path / "run.mcap", TOPICS))
    stamps = [stamp_s for stamp_s, *_ in observed]
    assert stamps == sorted(stamps)
    commands = [o for o in observed if o[2] == "cmd_vel"]
    assert [o[1] for o in commands] == ["command_gate"] * 100
    assert commands[37][0] == pytest.approx(3.7)
    assert commands[37][3] == types.Command(pytest.approx(3.7), 0.5, -0.25)
    states = [o[3] for o in observed if o[2] == "safety_state"]
    assert states[3] == safety(pytest.approx(3.95))


@pytest.mark.parametrize("late_s", [3.0, 30.0])
def test_message_that_was_taken_late_is_not_lost(tmp_path, late_s):
    file = Recording(tmp_path / "run.mcap", "zstd", 0)
    file.add_channel("/cmd_vel", "geometry_msgs/msg/TwistStamped", "")
    for taken_s in (40.0, 41.0, 42.0):
        message = serialize_message(to_message(types.Command(taken_s - late_s, 0.5, -0.25)))
        file.write("/cmd_vel", message, taken_s, taken_s - late_s)
    file.close()
    stamps = [stamp_s for stamp_s, *_ in read_recording(tmp_path / "run.mcap", TOPICS)]
    assert stamps == pytest.approx([40.0 - late_s, 41.0 - late_s, 42.0 - late_s])


def test_diagnostics_come_back_under_the_name_of_their_node(tmp_path):
    record(tmp_path / "run.mcap", count=10)
    (observed,) = read_recording(tmp_path / "run.mcap", ("diagnostics",))
    assert observed[1:3] == ("planner", "diagnostics")
    assert observed[3] == types.Diagnostic(
        "planner: timing", types.DiagnosticLevel.WARN, "late", {"cpu_s": "1.5"}
    )


def test_topics_that_nobody_asked_for_are_left_out(tmp_path):
    record(tmp_path / "run.mcap")
    topics = {topic for _, _, topic, _ in read_recording(tmp_path / "run.mcap", ("cmd_vel",))}
    assert topics == {"cmd_vel"}


def test_topics_are_found_in_the_namespace_of_the_robot(tmp_path):
    record(tmp_path / "run.mcap", namespace="/robot_2")
    assert not list(read_recording(tmp_path / "run.mcap", ("cmd_vel",)))
    assert len(list(read_recording(tmp_path / "run.mcap", ("cmd_vel",), "/robot_2"))) == 100


def test_recordings_of_a_recorder_that_was_restarted_follow_each_other(tmp_path):
    record(tmp_path / "run.mcap", count=20)
    record(tmp_path / "run.mcap", count=30)
    assert len(list(read_run(tmp_path, ("cmd_vel",)))) == 50


@pytest.mark.parametrize("content", [b"", b"\x89MCAP", bytes(4096)])
@pytest.mark.parametrize("name", ["run.mcap", "run_1.mcap", "run_2.mcap"])
def test_recording_that_holds_nothing_is_left_out_with_a_warning(tmp_path, caplog, name, content):
    names = ["run.mcap", "run_1.mcap", "run_2.mcap"]
    names.remove(name)
    (tmp_path / name).write_bytes(content)
    for count, whole in zip((20, 30), names, strict=True):
        record(tmp_path / whole, count)
    assert len(list(read_run(tmp_path, ("cmd_vel",)))) == 50
    assert f"{name} is " in caplog.text
    assert "it is left out" in caplog.text


def test_run_whose_recordings_all_hold_nothing_is_refused(tmp_path):
    for name in ("run.mcap", "run_1.mcap"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"run\.mcap is empty"):
        list(read_run(tmp_path, ("cmd_vel",)))


def test_recording_of_a_killed_recorder_gives_what_is_readable_and_a_warning(
    tmp_path, caplog, monkeypatch
):
    path = tmp_path / "run.mcap"
    monkeypatch.setattr(recording, "CHUNK_BYTES", 2000)
    record(path, finish=False)
    count = len(list(read_recording(path, ("cmd_vel",))))
    assert 50 < count < 100
    assert "ends in the middle" in caplog.text
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 20 < len(list(read_recording(path, ("cmd_vel",)))) < 60


def test_every_cut_of_a_recording_is_read_or_refused_in_a_sentence(tmp_path):
    path = tmp_path / "run.mcap"
    record(path, count=20)
    whole = path.read_bytes()
    for length in np.random.default_rng(3).integers(0, len(whole), 60):
        path.write_bytes(whole[:length])
        try:
            assert len(list(read_recording(path, TOPICS))) <= 24
        except UserError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    ("content", "rule"),
    [(None, "No such file"), (b"", "is empty"), (b"not a recording", "is not an MCAP file")],
)
def test_what_is_no_recording_is_refused(tmp_path, content, rule):
    path = tmp_path / "run.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rule):
        list(read_recording(path, TOPICS))


def test_message_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, caplog):
    file = Recording(tmp_path / "run.mcap", "none", 0)
    file.add_channel("/safety_state", "lastmile_msgs/msg/SafetyState", "")
    broken = to_message(safety(1.0))
    broken.level = "sideways"
    for message in (broken, to_message(safety(2.0))):
        file.write("/safety_state", serialize_message(message), 2.0, 2.0)
    file.close()
    (observed,) = read_recording(tmp_path / "run.mcap", ("safety_state",))
    assert observed[3].stamp_s == pytest.approx(2.0)
    assert "'sideways'" in caplog.text
