"""Bad input of the command line: one sentence with value and rule, the exit code, nothing begun."""

import os
import sys

import pytest

from lastmile.cli.main import main
from lastmile.nodes.stack_lock import StackLock
from lastmile.share import find_share

SCENARIO = "site: example\n"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Call `lastmile` with arguments in an empty folder; gives exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lastmile", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["demo", "--sped", "3"], "No such option: --sped"),
        (["demo", "--rate", "99"], "less than or equal to 20"),
        (["up", "--scenario", "typo.yaml"], "typo.yaml: sped: unknown key; known keys are"),
        (["demo", "--scenario", "typo.yaml"], "typo.yaml: sped: unknown key"),
        (["simulate", "typo.yaml"], "typo.yaml: sped: unknown key"),
        (["demo", "--scenario", "rain.yaml"], "friction_ratio: 9.0 is above the most"),
        *(
            ([*command, "nowhere"], "scenario 'nowhere' is no file and not among city, demo")
            for command in (["simulate"], ["up", "--scenario"], ["demo", "--scenario"])
        ),
        (["campaign", "lockstep", "--scenario", "nowhere"], "scenario 'nowhere' is no file"),
        (["simulate", "lost.yaml"], "site 'nowhere' is no folder and not among"),
        (["up", "--map", "nowhere"], "site 'nowhere' is no folder and not among"),
        (["up", "--scenario", "quiet", "--locker", "zz"], "locker 'zz' is not at site example"),
        (["simulate", "quiet", "--start", "zz", "--goal", "a"], "locker 'zz' is not at site"),
        (["up", "--scenario", "quiet", "--broker", "somewhere"], "expected host:port"),
        (["up", "--scenario", "quiet", "--namespace", "1x"], "namespace '1x': '1x' must be"),
        (["up", "--scenario", "quiet", "--config", "high"], "planner.yaml: inputs.odometry_s: 99"),
        (["simulate", "quiet", "--config", "typo"], "planner.yaml: gian: unknown key"),
        (["simulate", "quiet", "--seed", "-1"], "greater than or equal to 0"),
        (["up", "--scenario", "quiet", "--seed", "-1"], "greater than or equal to 0"),
        (["demo", "--scenario", "quiet", "--seed", "-1"], "greater than or equal to 0"),
    ],
)
def test_bad_usage_exits_with_2_and_names_value_and_rule(call, tmp_path, arguments, words):
    (tmp_path / "typo.yaml").write_text(SCENARIO + "sped: 3\n")
    (tmp_path / "rain.yaml").write_text(SCENARIO + "weather: {friction_ratio: 9.0}\n")
    (tmp_path / "lost.yaml").write_text("site: nowhere\n")
    config = find_share("config")
    for folder, text in (("high", "inputs: {odometry_s: 99.0}"), ("typo", "gian: 1.0")):
        (tmp_path / folder).mkdir()
        for path in config.glob("*.yaml"):
            (tmp_path / folder / path.name).write_text(path.read_text())
        (tmp_path / folder / "planner.yaml").write_text(text)
    code, said = call(*arguments)
    assert code == 2, said
    assert words in said
    assert not list(tmp_path.rglob("logs/*.log"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--map", "./empty"], "empty/site.yaml: cannot be read"),
        (["up", "--map", "./blank"], "blank/site.yaml: the file is empty"),
        (["simulate", "quiet", "--map", "./blank"], "blank/site.yaml: the file is empty"),
        (["map", "show", "./blank", "-o", "site.png"], "blank/site.yaml: the file is empty"),
        (["demo", "--scenario", "quiet", "--output", "file/run"], "cannot be written: Not a dir"),
        (["up", "--scenario", "quiet", "--output", "/proc/run"], "run folder /proc/run cannot be"),
        (["demo", "--scenario", "quiet", "--output", "full"], "runs are never written over"),
        (["report", "full"], "is not the folder of a run"),
        (["receipt", "verify", "none.json"], "none.json: cannot be read"),
    ],
)
def test_what_cannot_be_used_exits_with_1_and_is_named(call, tmp_path, arguments, words):
    for name in ("empty", "blank", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "blank" / "site.yaml").touch()
    (tmp_path / "full" / "old").touch()
    (tmp_path / "file").touch()
    code, said = call(*arguments)
    assert code == 1, said
    assert words in said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("logs/*.log"))


@pytest.mark.parametrize("domain", ["abc", "233", "400", "-1", "7.0"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--scenario", "quiet"],
        ["demo", "--scenario", "quiet"],
        ["deliver", "o", "--parcel", "p", "--start", "a", "--goal", "b"],
    ],
)
def test_ros_domain_that_there_is_not_exits_with_2_and_names_the_rule(
    call, monkeypatch, tmp_path, arguments, domain
):
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    code, said = call(*arguments)
    assert code == 2, said
    assert f"ROS_DOMAIN_ID '{domain}': expected a whole number from 0 to 232" in said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("logs/*.log"))


def test_lock_file_that_cannot_be_made_exits_with_1_and_is_named(call, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc/nowhere")
    code, said = call("up", "--scenario", "quiet")
    assert code == 1
    assert "lock file /proc/nowhere/lastmile-" in said
    assert "cannot be written: No such file" in said


def test_second_stack_in_one_domain_and_namespace_exits_with_1_and_names_the_first(call):
    first = StackLock(7, "/")
    first.take("run folder runs/one")
    code, said = call("up", "--scenario", "quiet", "--output", "two")
    first.release()
    assert code == 1
    assert f"domain 7, namespace /: process {os.getpid()} (run folder runs/one)" in said
