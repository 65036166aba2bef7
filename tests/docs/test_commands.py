"""Every `lastmile` and `make` command in the documentation exists, with the options shown."""

import re
import shlex
from pathlib import Path

import click
import pytest

from lastmile.cli.main import cli

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


@pytest.mark.parametrize("words", commands("lastmile"))
def test_lastmile_command_takes_the_words_shown(words):
    context = click.Context(cli, info_name="lastmile")
    command = cli
    while isinstance(command, click.Group) and words and words[0] != "--help":
        _, command, words = command.resolve_command(context, words)
    try:
        command.make_context(command.name, list(words), parent=context, resilient_parsing=False)
    except click.exceptions.Exit as asked_for_help:
        assert asked_for_help.exit_code == 0


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
