"""The commands that read site files: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pilotfarm import profiles
from pilotfarm.api.cli import app
from pilotfarm.emulators import registry, site

LOOK = """
import sys
from pilotfarm.api.cli import app

for command in ("check", "points", "endpoints"):
    app([command, "tiny"], standalone_mode=False)
print(*sys.modules)
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_version_is_the_installed_one():
    assert run("--version").output == f"pilotfarm {version('pilotfarm')}\n"


@pytest.mark.parametrize("command", ["check", "schema", "sites", "endpoints", "points"])
def test_help_of_every_command_has_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"pilotfarm {command}" in result.output


def test_help_loads_nothing_heavy():
    code = "import sys, pilotfarm.api.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert not {"numpy", "pydantic", "scipy", "pvlib", "fastapi", "pyarrow"} & set(loaded)


def test_a_site_is_looked_at_without_what_only_a_running_one_takes():
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "numpy" in loaded
    assert not {"pvlib", "pandas", "pyarrow", "fastapi", "power_grid_model"} & loaded


@pytest.mark.parametrize("name", profiles.names())
def test_check_of_a_built_in_site_finds_nothing(name):
    result = run("check", name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{site.load(name).device_count:,} devices" in result.stdout
    assert "no problems" in result.stdout


def test_check_prints_every_problem_with_file_and_line_and_exits_2(tmp_path: Path):
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nsede: 1\nlocation: {latitude_deg: 95}\nfeeders: {}\ngroups: 5\n")
    result = run("check", str(file))
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == f"{file}:2: sede: unknown key; did you mean 'seed'?"
    assert {line.split(":")[1] for line in lines[:-1]} == {"2", "3", "4", "5"}
    assert lines[-1] == f"error: {len(lines) - 1} problems"
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["check", "endpoints", "points"])
def test_a_site_that_is_not_there_is_refused_by_every_command(command):
    result = run(command, "norwy")
    assert result.exit_code == 2
    assert "did you mean 'norway'" in result.stderr


def test_a_privileged_port_is_a_note_and_no_problem(tmp_path: Path):
    file = tmp_path / "low.yaml"
    text = profiles.site("tiny").read_text(encoding="utf-8")
    file.write_text(text.replace("rtu: {protocol: iec104", "rtu: {protocol: iec104, port: 404"), encoding="utf-8")
    result = run("check", str(file))
    assert result.exit_code == 0
    assert "note: ports below 1024 may need privileges: 404" in result.stderr


def test_schema_is_json_and_names_every_kind_protocol_and_map():
    result = run("schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema == site.json_schema()
    assert schema["$defs"]["Group"]["properties"]["kind"]["enum"] == list(registry.DEVICES)
    assert schema["$defs"]["Endpoint"]["properties"]["protocol"]["enum"] == list(registry.PROTOCOLS)
    for kind in registry.DEVICES:
        assert all(rating.name in result.stdout for rating in registry.device(kind).ratings)


def test_sites_lists_the_built_in_ones_with_their_sizes():
    rows = json.loads(run("sites", "--json").stdout)
    assert [row["site"] for row in rows] == profiles.names()
    for row in rows:
        assert sum(row["kinds"].values()) == row["devices"] == site.load(row["site"]).device_count
    table = run("sites").stdout
    assert all(name in table for name in (*profiles.names(), *registry.DEVICES))
