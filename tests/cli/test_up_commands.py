import pytest

from lastmile.cli.up_commands import app as up


def test_up_on_a_robot_needs_the_broker_of_the_lockers(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        up(args=["--no-simulation", "--output", str(tmp_path / "run")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--broker" in said
    assert "--no-simulation" in said
    assert not (tmp_path / "run").exists()
