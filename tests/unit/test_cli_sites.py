"""The commands that read site files: what they print, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pilotfarm import profiles
from pilotfarm.api.cli import app
from pilotfarm.api.commands import sites
from pilotfarm.emulators import registry, site
from pilotfarm.emulators.site.layout import SerialEndpoint
from pilotfarm.emulators.site.listing import POINT_FIELDS, endpoint_rows


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
    file.write_text(text.replace("rtu: {protocol: iec104}", "rtu: {protocol: iec104, port: 404}"), encoding="utf-8")
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


def test_endpoints_as_json_are_the_rows_of_the_layout():
    assert json.loads(run("endpoints", "tiny", "--json").stdout) == endpoint_rows(site.load("tiny"))


def test_endpoints_as_a_table_show_every_device():
    table = run("endpoints", "tiny").stdout
    assert all(row["device"] in table and row["host"] in table for row in endpoint_rows(site.load("tiny")))


def test_a_serial_line_is_listed_by_its_device(monkeypatch):
    layout = site.load("tiny")
    line = SerialEndpoint("/dev/ttyUSB0", 19_200, "even", 8, 1)
    on_lines = replace(layout, stations=tuple(replace(each, endpoint=line) for each in layout.stations))
    monkeypatch.setattr(sites, "load", lambda *_: on_lines)
    table = run("endpoints", "tiny").stdout
    assert table.count("/dev/ttyUSB0") == len(endpoint_rows(layout))
    assert "no problems" in run("check", "tiny").stdout


def test_ports_from_puts_everything_on_one_address():
    rows = json.loads(run("endpoints", "tiny", "--json", "--ports-from", "30000").stdout)
    assert {row["host"] for row in rows} == {"127.0.0.1"}
    assert min(row["port"] for row in rows) == 30_000


def test_addresses_takes_a_network():
    rows = json.loads(run("endpoints", "tiny", "--json", "--addresses", "127.77.0.0/16").stdout)
    assert {row["host"].rpartition(".")[0] for row in rows} == {"127.77.0"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--addresses", "127.0.0.1/8"), "has host bits set"),
        (("--addresses", "loopback"), "--addresses"),
        (("--addresses", "127.77.0.0/30"), "too few addresses"),
        (("--ports-from", "70000"), "65535"),
        (("--ports-from", "65530"), "run past 65535"),
        (("--ports-from", "30000", "--addresses", "127.77.0.0/16"), "not both"),
    ],
)
def test_an_addressing_that_cannot_work_is_refused(words, reason):
    result = run("endpoints", "tiny", *words)
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.replace("│", " ").split())


def test_points_as_csv_and_as_json_are_the_same_rows():
    as_csv = list(csv.DictReader(io.StringIO(run("points", "tiny", "--format", "csv").stdout)))
    as_json = json.loads(run("points", "tiny", "--format", "json").stdout)
    assert as_csv == [{key: "" if value is None else str(value) for key, value in row.items()} for row in as_json]
    assert tuple(as_json[0]) == POINT_FIELDS


def test_points_has_every_quantity_of_every_device_over_every_protocol_that_serves_it():
    rows = json.loads(run("points", "tiny", "--format", "json").stdout)
    found = {(row["device"], row["protocol"]) for row in rows}
    assert found == {(row["device"], row["protocol"]) for row in endpoint_rows(site.load("tiny"))}
    carried = {(row["kind"], row["quantity"]): row["spec_item"] for row in rows}
    for kind in registry.DEVICES:
        for item, quantities in registry.device(kind).items.items():
            for name in quantities:
                assert item in carried[kind, name].split("; ")


def test_points_of_some_devices_only():
    rows = json.loads(run("points", "norway", "--format", "json", "--device", "storage-00[12]").stdout)
    assert {row["device"] for row in rows} == {"storage-001", "storage-002"}
    assert json.loads(run("points", "tiny", "--format", "json", "--device", "nobody-*").stdout) == []
