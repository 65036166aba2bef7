"""Every `lastmile` and `make` command in the documentation exists, with the options shown."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from lastmile.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(start):
    """List the command lines of all code blocks that begin with a word."""
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and Path(words[0]).name == start:
                    found.append(pytest.param(words[1:], id=f"{page.name}: {' '.join(words)}"))
    return found


def parse(words):
    """Let the command that `words` name read the rest of them; nothing is run."""
    if words == ["--help"]:
        return
    name, *rest = words
    assert name in COMMANDS, f"there is no command {name!r}"
    command = get_command(importlib.import_module(COMMANDS[name][0]).app)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(command.context_class(command), rest)
    # Help is asked for by an exception of its own; every other one says what is wrong.
    if "--help" not in rest:
        command.make_context(name, rest)


@pytest.mark.parametrize("words", commands("lastmile"))
def test_lastmile_command_takes_the_words_shown(words):
    parse(words)


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["map", "fold"],
        ["simulate", "--sed", "3"],
        ["campaign", "lockstep", "--seeds", "x"],
    ],
)
def test_words_that_are_not_taken_are_noticed(words):
    with pytest.raises(Exception, match=r"(?i)no such|there is no|valid integer"):
        parse(words)


@pytest.mark.parametrize("words", commands("make"))
def test_make_target_exists(words):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in words:
        names = (target, re.sub(r"(?<=-).*", "%", target))
        assert any(re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE) for name in names)


def test_pages_link_to_files_that_exist():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
