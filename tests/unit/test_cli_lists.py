"""The lists that are handed over: endpoints and points, filtered, as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pilotfarm.api.cli import app
from pilotfarm.api.commands import lists
from pilotfarm.emulators import registry, site
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.layout import SerialEndpoint
from pilotfarm.emulators.site.listing import ENDPOINT_FIELDS, POINT_FIELDS, endpoint_rows

Rows = Sequence[dict[str, Any]]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@cache
def as_json(*words: str) -> Rows:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    rows: Rows = json.loads(result.stdout)
    return rows


def as_csv(*words: str) -> Rows:
    text = run(*words, "--format", "csv").stdout_bytes.decode()
    assert text.count("\r\n") == text.count("\n"), "RFC 4180, 2.1"
    return list(csv.DictReader(io.StringIO(text, newline="")))


def in_words(rows: Rows) -> Rows:
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]


def reason(result: Result) -> str:
    return " ".join(result.stderr.replace("│", " ").split())


def test_endpoints_as_json_are_the_rows_of_the_layout():
    assert as_json("endpoints", "tiny") == endpoint_rows(site.load("tiny"))
    assert run("endpoints", "tiny", "--json").stdout == run("endpoints", "tiny", "--format", "json").stdout


def test_endpoints_as_a_table_show_every_device():
    table = run("endpoints", "tiny").stdout
    assert all(row["device"] in table and row["host"] in table for row in endpoint_rows(site.load("tiny")))
    assert table == run("endpoints", "tiny", "--format", "table").stdout


def test_endpoints_as_csv_are_the_same_rows():
    empty = dict.fromkeys(ENDPOINT_FIELDS)
    rows = as_csv("endpoints", "tiny")
    assert rows == in_words([{**empty, **row} for row in endpoint_rows(site.load("tiny"))])
    assert tuple(rows[0]) == ENDPOINT_FIELDS


def test_lists_tell_what_a_station_polls_over_and_how_often_it_reads_a_value():
    device = "roofs-001"
    ways = {row["station"]: row for row in as_json("endpoints", "germany", "--media", "--device", device)}
    assert (ways["rtu-pv"]["polled_over"], ways["rtu-pv"]["scan_s"]) == ("rs485", 15.0)
    assert "scan_s" not in ways[None]
    assert run("endpoints", "germany", "--device", device).stdout.count(device) == len(ways)
    rows = as_json("points", "germany", "--media", "--device", device, "--protocol", "iec104")
    (polled, written) = ([row for row in rows if row["station"] == "rtu-pv" and what in row["access"]] for what in "rw")
    assert {row["scan_s"] for row in written} == {None}
    scanned = {row["quantity"]: row["scan_s"] for row in polled}
    assert {scanned[name] for name in ("active_power_w", "online", "general_alarm")} == {15.0}
    assert {scanned[name] for name in ("active_power_limit_frac", "energy_exported_wh")} == {60.0}
    assert scanned["rated_power_w"] is None
    assert {row["scan_s"] for row in rows if row["station"] == "rtu-south"} == {None}
    concentrated = [row for row in as_json("endpoints", "germany", "--media") if row["station"] == "dc-south"]
    assert {(row["polled_over"], row.get("scan_s")) for row in concentrated} == {("plc_g3", None)}


def test_every_protocol_has_a_column_for_its_address():
    for name in registry.PROTOCOLS:
        label = registry.protocol(name).address_name
        assert label in ENDPOINT_FIELDS
        assert ("unit_id" if label == "unit" else label) in POINT_FIELDS


def test_a_serial_line_is_listed_by_its_device(monkeypatch):
    layout = site.load("tiny")
    line = SerialEndpoint("/dev/ttyUSB0", 19_200, "even", 8, 1)
    on_lines = replace(layout, stations=tuple(replace(each, endpoint=line) for each in layout.stations))
    monkeypatch.setattr(lists, "load", lambda *_: on_lines)
    table = run("endpoints", "tiny").stdout
    assert table.count("/dev/ttyUSB0") == len(endpoint_rows(layout))
    assert {row["serial"] for row in as_csv("endpoints", "tiny")} == {"/dev/ttyUSB0 19200 8E1"}
    rows = json.loads(run("points", "tiny", "--kind", "smart_meter", "--json").stdout)
    assert {(row["host"], row["port"], row["serial"]) for row in rows} == {(None, None, "/dev/ttyUSB0 19200 8E1")}


@pytest.mark.parametrize("command", ["endpoints", "points"])
def test_ports_from_and_addresses_are_those_of_up(command):
    rows = as_json(command, "tiny", "--ports-from", "30000")
    assert {row["host"] for row in rows} == {"127.0.0.1"}
    assert min(row["port"] for row in rows) == 30_000
    rows = as_json(command, "tiny", "--addresses", "127.77.0.0/16")
    assert {row["host"].rpartition(".")[0] for row in rows} == {"127.77.0"}


@pytest.mark.parametrize("command", ["endpoints", "points"])
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--addresses", "127.0.0.1/8"), "write the network, such as"),
        (("--addresses", "loopback"), "--addresses"),
        (("--addresses", "127.77.0.0/30"), "the site needs 6 addresses"),
        (("--ports-from", "70000"), "65535"),
        (("--ports-from", "65530"), "the site needs 12 ports"),
        (("--ports-from", "30000", "--addresses", "127.77.0.0/16"), "not both"),
        (("--protocol", "modbuss"), "did you mean 'modbus'"),
        (("--protocol", "opc-ua"), "known are modbus, iec104, iec101, dnp3"),
        (("--kind", "batery"), "did you mean 'battery'"),
        (("--map", "sunspek"), "did you mean 'sunspec'"),
        (("--json", "--format", "csv"), "--json says json"),
        (("--format", "xml"), "xml"),
    ],
)
def test_what_cannot_be_listed_is_refused(command, words, why):
    result = run(command, "tiny", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert why in reason(result)


def test_filters_narrow_each_other():
    for command in ("endpoints", "points"):
        every = as_json(command, "tiny")
        for words, key, kept in (
            (("--protocol", "modbus", "--protocol", "dnp3"), "protocol", {"modbus", "dnp3"}),
            (("--kind", "battery", "--kind", "smart_meter"), "kind", {"battery", "smart_meter"}),
            (("--map", "mesa-der"), "map", {"mesa-der"}),
            (("--device", "?[ev]*"), "device", {"pv-001", "meter-001"}),
        ):
            assert as_json(command, "tiny", *words) == [row for row in every if row[key] in kept], words
    rows = as_json("points", "tiny", "--quantity", "voltage_l[12]_v", "--protocol", "iec104", "--device", "pv-001")
    assert [row["quantity"] for row in rows] == 2 * [f"voltage_l{phase}_v" for phase in (1, 2)]


@pytest.mark.parametrize("command", ["endpoints", "points"])
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--device", "nobody-*"), "of tiny matches\n"),
        (("--device", "battery-002"), "there is no device 'battery-002'; did you mean 'battery-001'?\n"),
        (("--kind", "battery", "--map", "alfen"), "of tiny matches\n"),
    ],
)
def test_an_empty_list_is_still_one_and_is_said(command, words, why):
    fields = POINT_FIELDS if command == "points" else ENDPOINT_FIELDS
    for form, expected in (("json", []), ("csv", ",".join(fields) + "\r\n")):
        result = run(command, "tiny", *words, "--format", form)
        assert result.exit_code == 1
        assert (json.loads(result.stdout) if form == "json" else result.stdout_bytes.decode()) == expected
        assert result.stderr.startswith("note: no ")
        assert result.stderr.endswith(why)


def test_points_as_csv_and_as_json_are_the_same_rows():
    rows = as_json("points", "tiny")
    assert as_csv("points", "tiny") == in_words(rows)
    assert {tuple(row) for row in rows} == {POINT_FIELDS}


def test_points_has_every_quantity_of_every_device_over_every_protocol_that_serves_it():
    rows = as_json("points", "tiny")
    ways = [(row["device"], row["protocol"], row["host"], row["port"]) for row in endpoint_rows(site.load("tiny"))]
    assert {(row["device"], row["protocol"], row["host"], row["port"]) for row in rows} == set(ways)
    carried = {(row["kind"], row["quantity"]): row["spec_item"] for row in rows}
    for kind in registry.DEVICES:
        for item, quantities in registry.device(kind).items.items():
            for name in quantities:
                assert item in carried[kind, name].split("; ")


def test_a_point_is_described_and_the_way_to_it_is_whole():
    for row in as_json("points", "tiny"):
        doc, _, here = row["description"].partition("; here ")
        assert doc == quantity(row["quantity"]).doc if row["quantity"] else doc
        assert not here or f"({here})" in row["data_type"]
        address = {"modbus": "unit_id", "iec104": "common_address", "dnp3": "link_address"}[row["protocol"]]
        assert row[address] is not None
        assert (row["read_code"] is not None) == ("r" in row["access"])
        assert (row["write_code"] is not None) == ("w" in row["access"])
        assert (row["deadband"] is None) or row["event_code"] is not None
        assert row["address"].endswith(str(row["number"])) or row["bit"] is not None


CODES = {
    "holding register": ({3}, set(), {6, 16}),
    "input register": ({4}, set(), set()),
    "discrete input": ({2}, set(), set()),
    "coil": ({1}, set(), {5}),
    "single point": ({1}, {30}, set()),
    "double point": ({3}, {31}, set()),
    "measured value": ({13}, {36}, set()),
    "integrated total": ({15}, set(), set()),
    "single command": (set(), set(), {45}),
    "double command": (set(), set(), {46}),
    "set-point": (set(), set(), {50}),
    "binary input": ({1}, {2}, set()),
    "binary output": ({10}, set(), {12}),
    "counter": ({20}, set(), set()),
    "analog input": ({30}, {32}, set()),
    "analog output": ({40}, set(), {41}),
}
"""Read, told, written: MODBUS Application Protocol V1.1b3, 6; IEC 60870-5-101, 7.2.1.1; IEEE 1815-2012, annex A."""


def test_codes_are_those_of_the_standards():
    found: dict[str, tuple[set[int], ...]] = {}
    for row in as_json("points", "tiny"):
        several = found.setdefault(row["object"], (set(), set(), set()))
        for codes, each in zip(several, ("read", "event", "write"), strict=True):
            codes.update({row[f"{each}_code"]} - {None})
    assert found | {"input register": CODES["input register"]} == CODES


def test_points_are_in_the_order_of_the_site_file():
    rows = as_json("points", "tiny")
    devices = ["charger-001", "battery-001", "pv-001", "meter-001", "home-001"]
    assert list(dict.fromkeys(row["device"] for row in rows)) == devices
    ways = dict.fromkeys((row["protocol"], row["station"]) for row in rows if row["device"] == "pv-001")
    assert list(ways) == [("modbus", None), ("iec104", "rtu"), ("iec104", None), ("dnp3", None)]


def test_behind_a_gateway_units_are_resolved_and_aliases_left_out(tmp_path):
    homes = """\
  homes: {kind: prosumer, count: 2, endpoints: [{protocol: modbus, station: gateway}]}
  cars: {kind: ev_charger, count: 2, endpoints: [{protocol: modbus, map: alfen, station: gateway}]}
  car: {kind: ev_charger, count: 1, endpoints: [{protocol: modbus, map: alfen, address: 7}]}
stations: {gateway: {protocol: modbus, options: {max_connections: 4}}}
"""
    file = tmp_path / "street.yaml"
    file.write_text(
        f"name: street\nlocation: {{latitude_deg: 59.1, longitude_deg: 11.0, time_zone: UTC}}\ngroups:\n{homes}"
    )
    rows = as_json("points", str(file))
    units: dict[str, set[int]] = {}
    for row in rows:
        units.setdefault(row["device"], set()).add(row["unit_id"])
    assert units == {
        "homes-001": {1, 2, 3, 4, 5},
        "homes-002": {6, 7, 8, 9, 10},
        "cars-001": {11},
        "cars-002": {12},
        "car-001": {7, 200},
    }


def test_a_reader_that_leaves_hears_no_complaint():
    words = [sys.executable, "-c", "from pilotfarm.api.cli import main; main()", "points", "tiny", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.read(1)
        listing.stdout.close()
        assert listing.stderr.read() == b""
