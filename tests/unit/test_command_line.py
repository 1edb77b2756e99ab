"""The command line: help with an example that can be typed, completion as shells ask for it, and what it blames."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from pilotfarm import profiles
from pilotfarm.api.cli import app
from pilotfarm.emulators import registry, site
from pilotfarm.emulators.quantities import CATALOGUE

EXAMPLE = re.compile(r"^ *Example: `(.*)`$", re.MULTILINE)
ROOT = typer.main.get_command(app)


def commands(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group of commands, by the words that name it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


COMMANDS = dict(commands())


def run(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env or {}).invoke(app, list(words))


def told(result: Result) -> str:
    """What went to stderr, without the frame around it."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: "-".join(path) or "pilotfarm")
def test_the_help_of_every_command_has_an_example_that_can_be_typed(path: tuple[str, ...]) -> None:
    (example,) = EXAMPLE.findall(COMMANDS[path].help)
    words = shlex.split(re.split(r" [>|] ", example)[0])
    assert tuple(words[: len(path) + 1]) == ("pilotfarm", *path)
    command, context, rest = ROOT, None, words[1:]
    while rest and (context is None or rest[0] in getattr(command, "commands", {})):
        if context is not None:
            command, rest = command.commands[rest[0]], rest[1:]
        context = command.make_context("pilotfarm", list(rest), parent=context, resilient_parsing=False)
        rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []
    assert not rest, f"{example}: {rest} left over"


def complete(*words: str) -> list[str]:
    """Ask for completions as bash does for the script of ``--show-completion``."""
    env = {"_PILOTFARM_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    code = "import sys; sys.argv[0] = 'pilotfarm'; from pilotfarm.api.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("pilotfarm", "up", ""), profiles.names()),
        (("pilotfarm", "check", "no"), ["norway"]),
        (("pilotfarm", "fault", "add", ""), list(registry.FAULTS)),
        (("pilotfarm", "fault", "add", "stuck", "--kind", ""), list(registry.DEVICES)),
        (("pilotfarm", "fault", "add", "offline", "--mode", "cut"), ["cut"]),
        (
            ("pilotfarm", "fault", "add", "stuck", "--quantity", "voltage_"),
            [name for name in CATALOGUE if name.startswith("voltage_")],
        ),
        (("pilotfarm", "up", "tiny", "--addr"), ["--addresses"]),
    ],
)
def test_a_shell_completes_names(words: tuple[str, ...], expected: list[str]) -> None:
    assert complete(*words) == expected


def test_completion_of_a_site_loads_nothing_heavy() -> None:
    code = "import sys; from pilotfarm.api.commands import completion; completion.sites(''); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pydantic", "yaml", "pandas"} & set(loaded)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "tiny", "--start", "tomorrow"), "--start: 'tomorrow' is not a date and time"),
        (("up", "norway", "--start", "2026-03-29T02:30"), "--start: 2026-03-29T02:30 is left out in Europe/Oslo"),
        (("simulate", "tiny", "--days", "1", "--start", "1999-01-01"), "--start: the year 1999"),
        (("up", "tiny", "--seed", str(2**63)), "--seed: must be a whole number from 0"),
        (("up", "tiny", "--seed", "-1"), "'--seed': must be at least 0, not -1"),
        (("up", "tiny", "--seed", "x"), "'--seed': must be a whole number, not 'x'"),
        (("up", "tiny", "--step", "nan"), "'--step': must be at most 900"),
        (("up", "tiny", "--speed", "2x"), "'--speed': must be a number, not '2x'"),
        (("up", "tiny", "--api", "8080"), "--api: '8080' is not HOST:PORT"),
        (("check", "tiny", "--ports-from", "70000"), "'--ports-from': must be at most 65535, not 70000"),
        (("check", "tiny", "--ports-from", "65530"), "--ports-from: the site needs 12 ports"),
        (("check", "tiny", "--addresses", "x"), "--addresses: 'x' is no IPv4 network such as 127.8.0.0/16"),
        (("check", "tiny", "--addresses", "127.8.0.1/16"), "write the network, such as 127.8.0.0/16"),
        (("check", "tiny", "--addresses", "127.8.0.0"), "such as 127.8.0.0/16"),
        (("check", "tiny", "--addresses", "127.8.0.0/33"), "is no IPv4 network"),
        (("check", "tiny", "--addresses", "224.0.0.0/8"), "--addresses: 224.0.0.0/8 has no address to listen on"),
        (("simulate", "tiny", "--days", "-1"), "'--days': must be at least 0, not -1"),
        (("simulate", "tiny", "--days", "inf"), "'--days': must be at most 3660"),
        (("fault", "clear", "x"), "'ID': must be a whole number, not 'x'"),
        (("fault", "add", "stuck", "--duration", "nan"), "'--duration': must be at most"),
        (("fault", "add", "bias", "--set", "factor=1", "--set", "factor=2"), "--set: factor is set twice"),
        (("fault", "add", "stuck", "--token", "ä"), "--token: must be printable ASCII"),
        (("loadtest", "sesp", "--url", "http://x", "--duration", "1s", "--users", "0"), "'--users': must be at least"),
        (("sesp", "--port", "99999"), "'--port': must be at most 65535, not 99999"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_option_is_blamed_on_it_in_plain_words(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in told(result)
    assert ".yaml" not in result.stderr


def test_a_token_of_the_environment_is_blamed_with_its_name() -> None:
    result = run("up", "tiny", env={"PILOTFARM_TOKEN": "ä"})
    assert (result.exit_code, "PILOTFARM_TOKEN" in result.stderr) == (2, True)


# ------------------------------------------------------------------------------- check --json


@pytest.mark.parametrize("name", profiles.names())
def test_a_good_site_is_summed_up_as_json(name: str) -> None:
    result = run("check", name, "--json")
    found, layout = json.loads(result.stdout), site.load(name)
    assert (result.exit_code, result.stderr, found["problems"], found["notes"]) == (0, "", [], [])
    assert (found["site"], found["devices"], found["addresses"]) == (name, layout.device_count, len(layout.stations))
    assert sum(group["devices"] for group in found["groups"]) == layout.device_count


def test_problems_as_json_are_those_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nsede: 1\nlocation: {latitude_deg: 95}\ngroups: {a: {kind: meter, count: 1}}\n")
    text, as_json = run("check", str(file)), run("check", str(file), "--json")
    assert (text.exit_code, as_json.exit_code, as_json.stderr) == (2, 2, "")
    problems = json.loads(as_json.stdout)["problems"]
    lines = [f"{each['file']}:{each['line']}: {each['where']}: {each['message']}" for each in problems]
    assert lines == text.stderr.splitlines()[:-1]
    assert [each for each in problems if each["where"] == "groups.a.kind"] == [
        {
            "file": str(file),
            "line": 4,
            "where": "groups.a.kind",
            "message": "there is no device kind 'meter'; did you mean 'smart_meter'?",
        }
    ]


def test_a_problem_without_a_line_has_none_in_json() -> None:
    (problem,) = json.loads(run("check", "norwy", "--json").stdout)["problems"]
    assert (problem["file"], problem["line"], problem["where"]) == ("norwy", None, "")


def test_a_note_is_in_the_json(tmp_path: Path) -> None:
    text = profiles.site("tiny").read_text(encoding="utf-8").replace("{protocol: iec104}\n\n", "")
    (tmp_path / "low.yaml").write_text(text.replace("rtu: {protocol: iec104", "rtu: {protocol: iec104, port: 404"))
    found = json.loads(run("check", str(tmp_path / "low.yaml"), "--json").stdout)
    assert found["notes"] == ["ports below 1024 may need privileges: 404"]
