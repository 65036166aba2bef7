"""The interface packages hold what their folders define, in Python."""

import importlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "src" / "lastmile_msgs"
KINDS = ("msg", "srv", "action")
DEFINITIONS = sorted(path for kind in KINDS for path in (FOLDER / kind).glob(f"*.{kind}"))
PACKAGE_OF_FIELD = re.compile(r"^\s*([a-z]\w*)/\w+", flags=re.MULTILINE)


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_definition_is_generated(path):
    pytest.importorskip("rclpy")
    module = importlib.import_module(f"lastmile_msgs.{path.suffix[1:]}")
    generated = getattr(module, path.stem)
    parts = {
        ".msg": lambda: (generated,),
        ".srv": lambda: (generated.Request, generated.Response),
        ".action": lambda: (generated.Goal, generated.Result, generated.Feedback),
    }[path.suffix]()
    texts = re.split(r"^---$", path.read_text("utf-8"), flags=re.MULTILINE)
    for part, text in zip(parts, texts, strict=True):
        named = re.findall(r"^[\w/\[\]<>=]+\s+([a-z]\w*)\b(?!\s*=)", text, re.M)
        assert list(part.get_fields_and_field_types()) == named


def test_used_packages_are_declared():
    used = {
        package
        for path in DEFINITIONS
        for package in PACKAGE_OF_FIELD.findall(path.read_text(encoding="utf-8"))
    }
    manifest = ElementTree.parse(FOLDER / "package.xml").getroot()
    declared = {element.text for element in manifest.findall("depend")}
    assert used - {"lastmile_msgs"} <= declared
    recipe = (FOLDER / "CMakeLists.txt").read_text(encoding="utf-8")
    linked = set(re.search(r"DEPENDENCIES ([\w\s]+)\)", recipe).group(1).split())
    assert linked == declared
    assert all(f"find_package({package} REQUIRED)" in recipe for package in linked)


def test_transforms_have_a_message():
    pytest.importorskip("rclpy")
    message = importlib.import_module("tf2_msgs.msg").TFMessage()
    assert message.get_fields_and_field_types() == {
        "transforms": "sequence<geometry_msgs/TransformStamped>"
    }
