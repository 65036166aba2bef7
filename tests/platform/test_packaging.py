"""What the three build systems read agrees: pip, colcon and rosdep."""

import ast
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lastmile.stack.table import NODES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()


def normalised(name):
    """Spell a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_manifest_and_project_state_the_same_package():
    maintainer = PROJECT["authors"][0]
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("name") == PROJECT["name"]
    assert MANIFEST.findtext("version") == PROJECT["version"]
    assert MANIFEST.findtext("maintainer") == maintainer["name"]
    assert MANIFEST.find("maintainer").get("email") == maintainer["email"]
    assert MANIFEST.findtext("export/build_type") == "ament_python"


def test_both_packages_have_the_same_version():
    messages = ElementTree.parse(ROOT / "src" / "lastmile_msgs" / "package.xml").getroot()
    assert messages.findtext("version") == PROJECT["version"]


def test_every_node_of_the_table_has_a_program():
    assert set(PROJECT["scripts"]) == {"lastmile", *NODES, "recorder", "gazebo_bridge"}


@pytest.mark.parametrize("name", sorted(PROJECT["scripts"]))
def test_program_can_be_loaded(name):
    (entry,) = entry_points(group="console_scripts", name=name)
    assert callable(entry.load())


def test_colcon_can_read_the_metadata():
    # colcon reads the setup arguments back as a literal, which a version specifier is not.
    assert "requires-python" not in PROJECT


def test_setup_installs_marker_and_manifest_for_ros():
    program = (
        "import setuptools, runpy; setuptools.setup = lambda **all: print(all['data_files']);"
        "runpy.run_path('setup.py')"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "('share/ament_index/resource_index/packages', ['resource/lastmile'])" in printed
    assert "('share/lastmile', ['package.xml'])" in printed
    assert "config/fastdds.xml" in printed


def test_every_run_time_dependency_comes_from_rosdep_or_is_named_in_the_readme():
    keys = {one.text.removeprefix("python3-") for one in MANIFEST.findall("exec_depend")}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (wheels,) = re.findall(r"^pip install --no-deps -c constraints.txt (.*)$", readme, re.MULTILINE)
    provided = {normalised(name) for name in (*keys, *wheels.split())}
    names = {
        normalised(re.match(r"[\w.-]+", line).group()).replace("pyyaml", "yaml")
        for line in PROJECT["dependencies"]
    }
    assert names - provided == set()


def imported_modules():
    """Name everything outside Python and the package that `src/lastmile` imports."""
    names = set()
    for path in (ROOT / "src" / "lastmile").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"lastmile"}


def test_everything_that_is_imported_is_declared():
    # What Jinja2 escapes with, and hands out as part of its own interface.
    comes_with = {"markupsafe": "jinja2"}
    distributions = {"cv2": "opencv-python-headless", "yaml": "pyyaml", "paho": "paho-mqtt"}
    extras = [line for name in ("sim", "maps") for line in PROJECT["optional-dependencies"][name]]
    lines = (*PROJECT["dependencies"], *extras)
    declared = {normalised(re.match(r"[\w.-]+", line).group()) for line in lines}
    # Packages of ROS, by the names of ROS.
    declared |= {normalised(one.text) for one in MANIFEST.findall("exec_depend")}
    imported = {comes_with.get(name, name) for name in imported_modules()}
    assert {"numpy", "rclpy", "mujoco"} <= imported
    assert {normalised(distributions.get(name, name)) for name in imported} - declared == set()


def test_every_run_time_dependency_is_imported():
    modules = {"opencv-python-headless": "cv2", "PyYAML": "yaml", "paho-mqtt": "paho"}
    # mcap imports it where a recording is compressed so.
    used_by_others = {"lz4"}
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src" / "lastmile").rglob("*.py")
    )
    for line in PROJECT["dependencies"]:
        name = re.match(r"[\w.-]+", line).group()
        imported = rf"^\s*(import|from) {modules.get(name, name)}\b"
        assert name in used_by_others or re.search(imported, text, re.MULTILINE), name


def test_every_direct_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    pinned = {normalised(name) for name, _ in pins}
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    names = {normalised(re.match(r"[\w.-]+", line).group()) for line in wanted}
    assert names - pinned == set()
