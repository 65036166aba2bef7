"""`make setup` does again only what its inputs ask for."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Give the set-up of a small checkout in a temporary folder."""
    monkeypatch.syspath_prepend(str(ROOT / "src" / "environment"))
    module = importlib.import_module("install")
    for name in ("pyproject.toml", "constraints.txt", "setup.py", "setup.cfg"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    interfaces = tmp_path / "src" / "lastmile_msgs"
    (interfaces / "msg").mkdir(parents=True)
    for name in ("CMakeLists.txt", "package.xml"):
        (interfaces / name).write_bytes((ROOT / "src" / "lastmile_msgs" / name).read_bytes())
    (interfaces / "msg" / "Pose.msg").write_text("float64 x\n")
    kernel = tmp_path / "src" / "lastmile" / "planning" / "_kernel.pyx"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("cdef int one = 1\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(module, "CONSTRAINTS", tmp_path / "constraints.txt")
    monkeypatch.setitem(module.messages.PACKAGES, "lastmile_msgs", interfaces)
    return module


def changed_stages(install, change):
    """Name the stages whose key differs after a change."""
    before = install.stage_keys()
    change()
    after = install.stage_keys()
    return {stage for stage, key in after.items() if key != before[stage]}


def edit(path, old, new):
    """Replace a text that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_second_call_has_nothing_to_do():
    command = [sys.executable, "src/environment/install.py"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    assert done.stdout == b""


def test_unchanged_checkout_keeps_all_keys(install):
    assert changed_stages(install, lambda: None) == set()


def test_changed_dependency_installs_packages_and_project(install):
    def change():
        edit(install.PROJECT, '"scipy>=1.11"', '"scipy>=1.12"')

    assert changed_stages(install, change) == {"wheels", "project", "colcon"}


def test_changed_tool_settings_install_nothing(install):
    def change():
        edit(install.PROJECT, "line-length = 100", "line-length = 99")

    assert changed_stages(install, change) == set()


def test_changed_ros_wheel_builds_messages_again(install):
    def change():
        edit(install.CONSTRAINTS, "ros-geometry-msgs==", "ros-geometry-msgs==1")

    assert changed_stages(install, change) == {"wheels", "tf2_msgs", "lastmile_msgs", "colcon"}


def test_changed_message_builds_its_package_again(install):
    message = install.ROOT / "src" / "lastmile_msgs" / "msg" / "Pose.msg"
    assert changed_stages(install, lambda: edit(message, "x", "y")) == {"lastmile_msgs"}


def test_new_message_builds_its_package_again(install):
    message = install.ROOT / "src" / "lastmile_msgs" / "msg" / "Twist.msg"
    assert changed_stages(install, lambda: message.write_text("")) == {"lastmile_msgs"}


def test_changed_kernel_is_compiled_again(install):
    kernel = install.ROOT / "src" / "lastmile" / "planning" / "_kernel.pyx"
    assert changed_stages(install, lambda: edit(kernel, "1", "2")) == {"kernels"}


def test_other_python_is_refused_with_the_rule(install, monkeypatch, capsys):
    monkeypatch.setattr(install, "NEWEST", (3, 11))
    monkeypatch.setattr(install, "OLDEST", (3, 99))
    with pytest.raises(SystemExit) as ended:
        install.main([])
    assert ended.value.code == 1
    assert "Python 3.11 to 3.13 is needed" in capsys.readouterr().err


def test_failed_command_tells_what_it_printed(install, monkeypatch, tmp_path):
    shell = importlib.import_module("shell")
    monkeypatch.setattr(shell, "BUILD", tmp_path / "build")
    monkeypatch.setattr(shell, "LOG", tmp_path / "build" / "setup.log")
    with pytest.raises(shell.SetupError, match=r"ended with 3(.|\n)*no space left"):
        shell.run("sh", "-c", "echo no space left; exit 3", cwd=tmp_path)
    assert "no space left" in (tmp_path / "build" / "setup.log").read_text()
