"""The pages of the command line and of faults are what the code is, and what they show can be typed."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

from pilotfarm.api.cli import app
from pilotfarm.emulators import registry

DOCS = Path(__file__).resolve().parents[2] / "docs"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"page_{name}", DOCS / "pages" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS / "pages")  # pages import their neighbours, as scripts do
        spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(("name", "page"), [("command_line", "command-line.md"), ("faults", "faults.md")])
def test_a_page_is_what_make_pages_writes(name: str, page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == module(name).page(), "run `make pages`"


def test_the_page_has_every_command_and_every_option() -> None:
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    for words, command in module("command_line").commands(typer.main.get_command(app)):
        if words:
            section = text.split(f"\n## {words}\n")[1].split("\n## ")[0]
            options = [each.opts[0] for each in command.params if each.opts[0].startswith("-")]
            assert all(f"`{option}`" in section for option in options)


@pytest.mark.parametrize("kind", registry.FAULTS)
def test_the_page_of_faults_has_every_kind_mode_and_parameter(kind: str) -> None:
    section = (DOCS / "faults.md").read_text(encoding="utf-8").split(f"\n## {kind}\n")[1].split("\n## ")[0]
    spec = registry.fault(kind)
    assert all(f"`{name}`" in section for name in (*spec.modes, *spec.parameters.model_fields))
    assert "| over | a master sees |" in section


SHOWN = re.compile(r"^\$ (pilotfarm .*?)(?: {2,}#.*| [>&|] ?.*)?$", re.MULTILINE)
LINES = [
    (page.name, line)
    for page in sorted(DOCS.glob("*.md"))
    for line in SHOWN.findall(page.read_text(encoding="utf-8"))
    if not line.endswith("\\") and "completion" not in line
]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_every_command_shown_in_the_docs_can_be_typed(page: str, line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context("pilotfarm", words)
    assert not context.args
