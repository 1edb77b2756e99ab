"""Serial lines in a site file: who is on which, and everything that is wrong with one, with its line."""

from __future__ import annotations

import termios
from pathlib import Path
from typing import Any

import pytest

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.line import BAUD_RATES, SerialLine
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.site import Addressing, json_schema
from pilotfarm.emulators.site.layout import PtyEndpoint, SerialEndpoint, SiteLayout
from pilotfarm.emulators.site.listing import endpoint_rows, point_rows

HEAD = "name: street\nlocation: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}\n"
METERS = "  meters: {kind: smart_meter, count: 3, endpoints: [%s]}\n"
LINE = "protocol: modbus, serial: /dev/a"
CHARGERS = "  chargers: {kind: ev_charger, count: 2, endpoints: [%s]}\n"


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def load(text: str, addressing: Addressing | None = None) -> SiteLayout:
        path = tmp_path / "street.yaml"
        path.write_text(HEAD + text)
        return site.load(str(path), addressing)

    return load


@pytest.fixture
def problems(load: Any) -> Any:
    def problems(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        return [f"{each.line} {each.where}: {each.message}" for each in caught.value.problems]

    return problems


def groups(meters: str, chargers: str = "") -> str:
    return "groups:\n" + METERS % meters + (CHARGERS % chargers if chargers else "")


# ----------------------------------------------------------------------------------- who is on a line


def test_devices_of_groups_that_name_the_same_line_share_it_by_unit_id(load: Any, runtime: Path) -> None:
    layout = load(groups("{protocol: modbus, pty: bus}", "{protocol: modbus, pty: bus, address: 10}"))
    (bus,) = layout.stations
    link = str(runtime / "pilotfarm" / "street" / "bus")
    assert bus.endpoint == PtyEndpoint(link, 19_200, "even", 8, 1)
    assert [(row["device"], row["unit"]) for row in endpoint_rows(layout)] == [
        ("meters-001", 1),
        ("meters-002", 2),
        ("meters-003", 3),
        ("chargers-001", 10),
        ("chargers-002", 11),
    ]
    assert {row["station"] for row in endpoint_rows(layout)} == {None}
    assert (bus.written.line, bus.written.where) == (4, "groups.meters.endpoints[0]")


def test_units_go_on_where_the_group_before_ended(load: Any) -> None:
    layout = load(groups("{protocol: modbus, serial: /dev/a}", "{protocol: modbus, serial: /dev/a}"))
    assert [row["unit"] for row in endpoint_rows(layout)] == [1, 2, 3, 4, 5]


def test_a_line_may_be_over_a_medium_that_its_devices_share(load: Any, tmp_path: Path) -> None:
    on_bus = "{protocol: modbus, pty: bus, medium: rs485}"
    station = "stations: {line: {protocol: iec101, serial: /dev/a, medium: radio_mesh}}\n"
    layout = load(groups(f"{on_bus}, {{protocol: iec101, station: line}}", on_bus) + station)
    assert {each.protocol: each.medium for each in layout.stations} == {"modbus": "rs485", "iec101": "radio_mesh"}
    assert [row["medium"] for row in endpoint_rows(layout) if row["protocol"] == "modbus"] == ["rs485"] * 5
    without = site.load(str(tmp_path / "street.yaml"), media=False)
    assert {each.medium for each in without.stations} == {"none"}


def test_all_on_a_line_are_over_the_same_medium(problems: Any) -> None:
    (found,) = problems(groups("{protocol: modbus, pty: bus, medium: rs485}", "{protocol: modbus, pty: bus}"))
    assert found.startswith("5 groups.chargers.endpoints[0]: ")
    assert "another protocol, rate, parity, stop bits, medium or options at groups.meters.endpoints[0]" in found


def test_a_station_on_a_line_is_a_bus_with_a_name(load: Any) -> None:
    stations = "stations: {line: {protocol: modbus, serial: /dev/ttyUSB0, baud_rate: 9600, parity: none}}\n"
    layout = load(groups("{protocol: modbus, station: line}") + stations)
    (bus,) = layout.stations
    assert (bus.name, bus.endpoint) == ("line", SerialEndpoint("/dev/ttyUSB0", 9_600, "none", 8, 2))
    assert {row["serial"] for row in point_rows(layout)} == {"/dev/ttyUSB0 9600 8N2"}
    assert {row["station"] for row in endpoint_rows(layout)} == {"line"}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", (19_200, "even", 1)),
        (", parity: none", (19_200, "none", 2)),
        (", parity: odd, stop_bits: 2", (19_200, "odd", 2)),
        (", baud_rate: 300, parity: none, stop_bits: 1", (300, "none", 1)),
    ],
)
def test_a_line_is_set_as_it_is_said_or_as_the_standard_has_it(
    load: Any, said: str, wanted: tuple[int, str, int]
) -> None:
    layout = load(groups(f"{{{LINE}{said}}}"))
    (bus,) = layout.stations
    baud_rate, parity, stop_bits = wanted
    assert bus.endpoint.line == SerialLine(baud_rate, parity, 8, stop_bits, paced=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "addressing", [Addressing(), Addressing(ports_from=30_000), Addressing(network=site.addresses.LOOPBACK)]
)
def test_lines_take_no_address_and_no_choice_of_addresses_moves_them(load: Any, addressing: Addressing) -> None:
    ways = "{protocol: modbus, serial: /dev/a}, {protocol: modbus, options: {framing: rtu}}"
    plain = load(groups("{protocol: modbus, options: {framing: rtu}}", "{protocol: modbus}"), addressing)
    layout = load(groups(ways, "{protocol: modbus}"), addressing)
    assert layout.stations[0].endpoint == SerialEndpoint("/dev/a", 19_200, "even", 8, 1)
    assert [each.endpoint for each in layout.stations[1:]] == [each.endpoint for each in plain.stations]


def test_without_a_session_links_are_laid_in_a_folder_of_the_users(
    load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 1234)
    for said in (None, "", "relative/path"):
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        if said is not None:
            monkeypatch.setenv("XDG_RUNTIME_DIR", said)
        (bus,) = load(groups("{protocol: modbus, pty: bus}")).stations
        assert bus.endpoint.device == str(tmp_path / "pilotfarm-1234" / "street" / "bus")


def test_the_framing_is_listed_where_a_master_would_not_expect_it(load: Any) -> None:
    ways = "{protocol: modbus, options: {framing: %s}}"
    rows = [endpoint_rows(load(groups(ways % framing)))[0] for framing in ("tcp", "rtu")]
    assert [row.get("framing") for row in rows] == [None, "rtu"]
    (point, *_) = point_rows(load(groups(ways % "rtu")))
    assert point["framing"] == "rtu"
    assert "framing" not in endpoint_rows(load(groups("{protocol: modbus, pty: bus}")))[0]


# --------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (
            "{protocol: modbus, serial: /dev/a, baud_rate: 9601}",
            ".baud_rate: no serial line has this rate; there are 50, 75,",
        ),
        ("{protocol: modbus, serial: /dev/a, baud_rate: 0}", ".baud_rate: no serial line has this rate"),
        ("{protocol: modbus, serial: /dev/a, parity: mark}", ".parity: must be none, even or odd, not 'mark'"),
        ("{protocol: modbus, serial: /dev/a, stop_bits: 3}", ".stop_bits: must be 1 or 2, not 3"),
        ("{protocol: modbus, serial: ttyUSB0}", ".serial: a serial device is named by its path, such as /dev/ttyUSB0"),
        ("{protocol: modbus, serial: ''}", ".serial: a serial device is named by its path"),
        ("{protocol: modbus, pty: a/b}", ".pty: a name is a letter"),
        ("{protocol: modbus, pty: ..}", ".pty: a name is a letter"),
        ("{protocol: modbus, pty: a, serial: /dev/a}", ".pty: a line is the serial device or the pty, not both"),
        ("{protocol: modbus, baud_rate: 9600}", ".baud_rate: is of a serial line; say serial or pty beside it"),
        ("{protocol: modbus, parity: none}", ".parity: is of a serial line"),
        ("{protocol: modbus, stop_bits: 1}", ".stop_bits: is of a serial line"),
        ("{protocol: modbus, pty: a, port: 5020}", ".port: is of TCP; a serial line has no such address"),
        ("{protocol: modbus, pty: a, ip: 127.0.0.1}", ".ip: is of TCP"),
        (
            "{protocol: modbus, pty: a, medium: lte}",
            ".medium: lte is a way of TCP; what a serial line can be over is rs485, zigbee, radio_mesh, plc_g3",
        ),
        ("{protocol: modbus, pty: a, medium: rs458}", ".medium: there is no medium 'rs458'; did you mean 'rs485'?"),
        ("{protocol: modbus, medium: rs485}", ".medium: rs485 is of a serial line; say serial or pty beside it"),
        ("{protocol: iec104, medium: zigbee}", ".medium: zigbee is of a serial line"),
        (
            "{protocol: iec101, pty: a, medium: rs485, options: {mode: balanced, link_address: 1}}",
            ".medium: balanced both ends begin, and on a medium that is shared one talks at a time",
        ),
        ("{protocol: modbus, pty: a, medium: lteee}", ".medium: there is no medium 'lteee'"),
        ("{protocol: modbus, pty: a, address: 0}", ": needs unit 0 to 2 for 3 devices; Modbus has 1 to 247"),
        ("{protocol: modbus, pty: a, address: 246}", ": needs unit 246 to 248 for 3 devices; Modbus has 1 to 247"),
        (
            "{protocol: modbus, pty: a, options: {framing: tcp}}",
            ".options: framing: tcp does not go over a",
        ),
        ("{protocol: modbus, pty: a, options: {framing: ascii}}", ".options.framing: must be tcp or rtu, not 'ascii'"),
        (
            "{protocol: modbus, pty: a, options: {max_connections: 2, idle_timeout_s: 9}}",
            ".options: a serial line has no connections: leave out max_connections and idle_timeout_s",
        ),
        ("{protocol: iec104, pty: a}", ".pty: iec104 is not spoken on a serial line; what is: modbus or iec101"),
        (
            "{protocol: dnp3, serial: /dev/a}",
            ".serial: dnp3 is not spoken on a serial line; what is: modbus or iec101",
        ),
        ("{protocol: iec104, options: {framing: rtu}}", ".options.framing: unknown key"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_at_its_place(problems: Any, endpoint: str, said: str) -> None:
    (found,) = problems(groups(endpoint))
    assert found.startswith("4 groups.meters.endpoints[0]" + said)


def test_all_that_is_wrong_is_told_at_once(problems: Any) -> None:
    text = """\
groups:
  meters:
    kind: smart_meter
    count: 2
    endpoints:
      - {protocol: modbus, pty: bus}
      - {protocol: modbus, pty: bus, map: sdm630, address: 2}
      - {protocol: modbus, pty: bus, baud_rate: 9600, address: 20}
      - {protocol: modbus, station: line, parity: odd}
      - {protocol: modbus, serial: /dev/a, address: 9}
stations:
  line: {protocol: modbus, serial: /dev/a, host: 127.0.0.1}
  other: {protocol: modbus, serial: /dev/a, medium: gprs}
  rtu: {protocol: iec104, pty: bus2}
"""
    bus = "groups.meters.endpoints"
    found = problems(text)
    wanted = [
        f"9 {bus}[1].address: unit 2 at ",
        f"10 {bus}[2]: ",
        f"11 {bus}[3].parity: belongs to the station",
        f"12 {bus}[4]: /dev/a is already used by stations.line (line 14); name that as the station",
        "14 stations.line.host: is of TCP",
        "15 stations.other: /dev/a is already used by stations.line (line 14)",
        "15 stations.other: no group has an endpoint at this station",
        "15 stations.other.medium: gprs is a way of TCP",
        "16 stations.rtu: no group has an endpoint at this station",
        "16 stations.rtu.pty: iec104 is not spoken on a serial line",
    ]
    assert len(found) == len(wanted)
    assert all(each.startswith(said) for each, said in zip(found, wanted, strict=True)), found
    assert f"is already used by {bus}[0] (line 8)" in found[0]
    assert f"has another protocol, rate, parity, stop bits, medium or options at {bus}[0] (line 8)" in found[1]


def test_the_rates_are_those_of_termios_and_the_schema_lists_them() -> None:
    assert {9_600, 19_200, 115_200} < set(BAUD_RATES)
    assert all(getattr(termios, f"B{rate}") for rate in BAUD_RATES)
    for part in ("Endpoint", "Station"):
        said = json_schema()["$defs"][part]["properties"]["baud_rate"]
        assert said["anyOf"][0]["enum"] == list(BAUD_RATES)
