"""What the pages show of pilotfarm's output is what it prints, and what they tell a pipeline to do works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.site import Addressing
from pilotfarm.emulators.site.listing import endpoint_rows

ROOT = Path(__file__).resolve().parents[2]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(name), re.DOTALL | re.MULTILINE)
    return [block for each, block in found if each == language]


def run(*words: str) -> list[str]:
    return [line.rstrip() for line in CliRunner().invoke(app, list(words)).output.splitlines()]


def test_the_tests_shown_pass_where_the_plugin_is_installed(tmp_path: Path) -> None:
    shown = re.findall(
        r"^`(\w+\.py)`:\n\n```python\n(.*?)^```$", text_of("docs/testing-in-ci.md"), re.DOTALL | re.MULTILINE
    )
    for name, code in shown:
        (tmp_path / name).write_text(code, encoding="utf-8")
    tests = "".join(code for name, code in shown if name.startswith("test_")).count("\ndef test_")
    assert tests == 4
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PILOTFARM", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pilotfarm.api.pytest_plugin", "-p", "no:cacheprovider", "."],
        env={**clean, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks("docs/testing-in-ci.md", "yaml"))
def test_the_pipelines_shown_are_yaml(block: str) -> None:
    assert yaml.safe_load(block)


def test_problems_as_json_are_shown_as_they_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = (each for each in blocks("docs/testing-in-ci.md", "") if each.startswith("$ pilotfarm check"))
    written = "name: a\nlocation: {latitude_deg: 59, longitude_deg: 11, time_zone: Europe/Oslo}\n# 3\n# 4\ngroups:\n"
    (tmp_path / "street.yaml").write_text(written + "  homes:\n    kind: smart_metre\n    count: 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert json.loads("\n".join(run("check", "street.yaml", "--json"))) == json.loads(shown.partition("\n")[2])


def form_of(lines: list[str]) -> list[str]:
    """A summary without its figures: heads in full, and what each row is of."""
    rows = [line.split("   ") for line in lines if line.startswith(" ") and "──" not in line and line.strip()]
    return ["".join(row) if row[0].strip() in ("kind", "feeder") else row[0].strip() for row in rows]


def test_the_summary_of_a_simulation_has_the_form_shown() -> None:
    (shown,) = (each for each in blocks("docs/simulate.md", "") if "simulate tiny --days 1" in each)
    forms = [form_of(lines) for lines in (shown.splitlines(), run("simulate", "tiny", "--days", "0.01"))]
    assert len(forms[0]) == 8
    assert ["".join(each.split()) for each in forms[0]] == ["".join(each.split()) for each in forms[1]]


def test_the_first_screen_shows_addresses_that_are_there() -> None:
    listed = CliRunner().invoke(app, ["endpoints", "tiny"]).output.replace(" none ", " ")  # `up` shows no media
    printed = {" ".join(line.split()) for line in listed.splitlines()}
    shown = re.findall(r"^ (charger-001 .*)$", text_of("README.md"), re.MULTILINE)
    assert len(shown) == 3
    for line in shown:
        assert " ".join(line.replace(":", " ").split()) in printed


@pytest.mark.parametrize(
    ("row", "addressing"),
    [
        ("as the file has it", Addressing()),
        ("`--addresses 127.8.0.0/16`", Addressing(network=IPv4Network("127.8.0.0/16"))),
        ("`--ports-from 30000`", Addressing(ports_from=30_000)),
    ],
)
def test_what_the_options_do_to_addresses_is_what_the_page_says(row: str, addressing: Addressing) -> None:
    found = {
        (each["device"], each["protocol"]): f"{each['host']}:{each['port']}"
        for each in endpoint_rows(site.load("tiny", addressing))
    }
    shown = next(line for line in text_of("docs/site-file.md").splitlines() if line.startswith(f"| {row} |"))
    wanted = [found["battery-001", protocol] for protocol in ("iec104", "modbus", "dnp3")]
    assert shown.strip("| ").split(" | ")[1:] == wanted


QUOTED = {
    "cannot listen on": "emulators/serving/server.py",
    "for the API": "api/serve.py",
    "ports below": "api/commands/sites.py",
    "addresses need about": "emulators/serving/descriptors.py",
    "open files, and this user may open": "emulators/serving/descriptors.py",
    "can be reached from other machines; say --token or set": "loadtests/hosts.py",
    "no such file and no built-in": "emulators/site/source.py",
    "no farm answers at": "api/commands/farm.py",
    "may need privileges": "api/commands/sites.py",
}
"""Words of a message on the page of troubleshooting -> the module that says them."""


@pytest.mark.parametrize(("words", "module"), QUOTED.items())
def test_the_messages_on_the_page_of_troubleshooting_are_said(words: str, module: str) -> None:
    assert words in text_of("docs/troubleshooting.md")
    assert words in text_of(module)
