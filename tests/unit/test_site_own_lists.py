"""A station's own list of points in a site file: what it comes to, and all that is wrong with one at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pilotfarm.emulators import registry
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.maps import own_registers
from pilotfarm.emulators.maps.iec104 import own_objects
from pilotfarm.emulators.site import json_schema, load, load_text, own_lists
from pilotfarm.emulators.site.layout import SiteLayout, StationLayout
from pilotfarm.emulators.site.model import ListedRow

SITE = """\
name: street
location: {{latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}}
groups:
  meters:
    kind: smart_meter
    count: 12
    endpoints: {meters}
  storage:
    kind: battery
    count: 2
    endpoints: {storage}
  cars:
    kind: ev_charger
    count: 2
    endpoints: [{{protocol: modbus}}]
stations:
  rtu:
    protocol: {protocol}
    options: {options}
    points: {points}
"""
FIRST_LINE = 21


def text(*rows: str, protocol: str = "iec104", options: str = "{}") -> str:
    """A site with a list of some rows; a group that no row has is not behind the station."""
    return filled("".join(f"\n      - {{{row}}}" for row in rows), protocol, options)


def filled(points: str, protocol: str = "iec104", options: str = "{}", named: str = "") -> str:
    ways = {
        group: f"[{{protocol: {protocol}, station: rtu}}]" if group in points + named else "[]"
        for group in ("meters", "storage")
    }
    return SITE.format(protocol=protocol, options=options, points=points, **ways)


@pytest.mark.parametrize("rows_max", [2, 1])
def test_a_list_has_so_many_rows_at_most(monkeypatch: pytest.MonkeyPatch, rows_max: int) -> None:
    monkeypatch.setattr("pilotfarm.emulators.site.own_rows.ROWS_MAX", rows_max)
    rows = [f"devices: storage-001, quantity: {name}, address: {at}" for at, name in ((1, "soc_frac"), (2, "soh_frac"))]
    if rows_max == 2:
        laid(*rows)
    else:
        assert [message for *_, message in told(*rows)] == ["has 2 rows; 1 are the maximum"]


def laid(*rows: str, **wanted: str) -> StationLayout:
    return station(load_text(text(*rows, **wanted), "site.yaml"))


def station(layout: SiteLayout) -> StationLayout:
    return next(each for each in layout.stations if each.name == "rtu")


def told(*rows: str, **wanted: str) -> list[tuple[int, str, str]]:
    """Return what is wrong with some rows: the row, the key and the message."""
    with pytest.raises(ConfigError) as raised:
        laid(*rows, **wanted)
    found = []
    for each in raised.value.problems:
        assert each.file == "site.yaml"
        key = each.where.rpartition("]")[2].removeprefix(".") if "points[" in each.where else each.where
        found.append((each.line - FIRST_LINE, key, each.message))
    return found


def addresses(layout: StationLayout) -> dict[str, list[tuple[int, int]]]:
    """By device its common address and the addresses of its points."""
    return {
        f"{seat.group}-{seat.row + 1}": [(seat.address, each.address) for each in seat.points] for seat in layout.seats
    }


def test_further_quantities_and_then_further_devices_have_the_next_addresses() -> None:
    found = addresses(
        laid(
            "devices: [storage-002, storage-*], quantity: [soc_frac, soh_frac], address: 10",
            'devices: "meters-00[12]", quantity: active_power_w, address: 100, step: 50, common_address: 3',
        )
    )
    assert found == {
        "meters-1": [(3, 100)],
        "meters-2": [(3, 150)],
        "storage-1": [(1, 12), (1, 13)],
        "storage-2": [(1, 10), (1, 11)],
    }


def test_a_quantity_may_stand_at_several_places() -> None:
    rows = [f"devices: storage-001, quantity: soc_frac, address: {at}, type: M_ME_NC_1" for at in (7, 5, 9)]
    assert addresses(laid(*rows)) == {"storage-1": [(1, 5), (1, 7), (1, 9)]}


def test_registers_are_as_wide_as_their_types() -> None:
    rows = [
        "devices: storage-*, quantity: [soc_frac, active_power_w, energy_exported_wh], address: 0, type: uint64",
        "devices: storage-*, quantity: soc_frac, address: 24, type: float32",
        "devices: storage-*, quantity: online, address: 0",
        "devices: storage-*, quantity: soc_frac, address: 0, type: input int16",
    ]
    found = addresses(laid(*rows, protocol="modbus"))
    assert sorted(found["storage-1"]) == [(1, 0), (1, 0), (1, 0), (1, 4), (1, 8), (1, 24)]
    assert sorted(found["storage-2"]) == [(1, 1), (1, 1), (1, 12), (1, 16), (1, 20), (1, 26)]


METERS = "devices: meters-*, quantity: active_power_w"
STORAGE = "devices: storage-001, quantity: active_power_setpoint_w"
WRONG: list[tuple[str, str, str]] = [
    ("devices: meters-999, quantity: online, address: 1", "devices", "no device is 'meters-999'"),
    ("devices: trains-*, quantity: online, address: 1", "devices", "no device is 'trains-*'"),
    ("devices: cars-001, quantity: online, address: 1", "devices", "'cars-001' is not behind this station"),
    ("devices: cars-*, quantity: online, address: 1", "devices", "'cars-*' is not behind this station"),
    ("devices: [], quantity: online, address: 1", "devices", "names no device"),
    ("devices: meters-*, quantity: [], address: 1", "quantity", "names no quantity"),
    ("devices: meters-*, quantity: soc_frac, address: 1", "quantity", "'soc_frac' is no quantity of kind smart_meter"),
    (
        "devices: meters-*, quantity: active_powr_w, address: 1",
        "quantity",
        "'active_powr_w' is no quantity of kind smart_meter; did you mean 'active_power_w'?",
    ),
    (f"{METERS}, address: 0", "address", "needs 0 to 11; there are 1 to 16777215 in 3 octets"),
    (f"{METERS}, address: 16777210", "address", "needs 16777210 to 16777221; there are 1 to 16777215 in 3 octets"),
    (f"{METERS}, address: -1", "address", "must be at least 0, not -1"),
    (f"{METERS}", "address", "is missing"),
    (f"{METERS}, address: 1, step: 0", "step", "must be at least 1, not 0"),
    (
        "devices: meters-*, quantity: [online, active_power_w], address: 1, step: 1",
        "step",
        "is 1, and the points of a device take 2 addresses",
    ),
    (f"{METERS}, address: 1, common_address: 65535", "common_address", "must be 1 to 65534, not 65535"),
    (
        f"{METERS}, address: 1, unit: 3",
        "unit",
        "is not what IEC 60870-5-104 has; that is common_address",
    ),
    (f"{METERS}, address: 1, group: 17", "group", "must be 1 to 16 of a point, not 17"),
    (f"{METERS}, address: 1, group: 0", "group", "must be 1 to 16 of a point, not 0"),
    (
        "devices: meters-*, quantity: energy_imported_wh, address: 1, group: 5",
        "group",
        "must be 1 to 4 of a counter, not 5",
    ),
    (f"{STORAGE}, address: 1, type: C_SE_NC_1, group: 1", "group", "a command is in no group"),
    (f"{METERS}, address: 1, event_class: 1", "event_class", "a point over iec104 has none"),
    (f"{METERS}, address: 1, type: M_ME_TC_1", "type", "there is no type 'M_ME_TC_1' here"),
    (f"{METERS}, address: 1, type: M_SP_TB_1", "type", "active_power_w is a number, and M_SP_TB_1 is not"),
    (f"{METERS}, address: 1, type: M_IT_NA_1", "type", "M_IT_NA_1 is a counter, and active_power_w a measurement"),
    (
        f"{METERS}, address: 1, type: C_SE_NC_1",
        "type",
        "C_SE_NC_1 is a command, and active_power_w a measurement, which cannot be written",
    ),
    (
        "devices: meters-*, quantity: online, address: 1, type: M_ME_TF_1",
        "type",
        "online is on or off, and M_ME_TF_1 is not",
    ),
    (
        "devices: storage-*, quantity: stop, address: 1, type: M_SP_TB_1",
        "type",
        "stop is a command, which has no value to be read",
    ),
    (f"{STORAGE}, address: 1, type: C_SC_NA_1", "type", "active_power_setpoint_w is a number, and C_SC_NA_1 is not"),
    (
        f"{STORAGE}, address: 1",
        "type",
        "is missing: active_power_setpoint_w may be written as C_SE_NC_1, or read as it stands as M_ME_TF_1; say which",
    ),
    (
        f"{METERS}, address: 1, type: M_ME_TD_1",
        "scale",
        "is missing: M_ME_TD_1 goes from -1 to 1; say what active_power_w is at 1",
    ),
    (f"{METERS}, address: 1, scale: 0", "scale", "must be 1e-09 to 1e+09, or minus that, not 0"),
    ("devices: meters-*, quantity: online, address: 1, scale: 2", "scale", "online is on or off, and has no scale"),
    ("devices: meters-*, quantity: energy_imported_wh, address: 1, scale: -1", "scale", "a counter only counts up"),
    (f"{METERS}, address: 1, deadband: -1", "deadband", "is 0 to 1e+12, not -1"),
    (
        f"{METERS}, address: 1, deadband: much",
        "deadband",
        "is a number in W, or a share of the rating such as 0.5 %, not 'much'",
    ),
    (
        "devices: meters-*, quantity: online, address: 1, deadband: 1",
        "deadband",
        "has no deadband: it is reported with every change",
    ),
    (
        "devices: meters-*, quantity: energy_imported_wh, address: 1, deadband: 1",
        "deadband",
        "has no deadband: it is not reported by itself",
    ),
    (
        "devices: meters-*, quantity: [active_power_w, frequency_hz], address: 1, deadband: 1",
        "deadband",
        "is a number in one unit, and the quantities are in W or Hz",
    ),
    (f"{METERS}, address: 1, colour: red", "colour", "unknown key"),
]


def test_all_that_is_wrong_with_a_list_is_told_at_once_each_at_its_line() -> None:
    found = told(*(row for row, _, _ in WRONG))
    assert [(line, key) for line, key, _ in found] == [(line, key) for line, (_, key, _) in enumerate(WRONG)]
    for (_, _, message), (_, _, wanted) in zip(found, WRONG, strict=True):
        assert message == wanted or message.startswith((f"{wanted};", f"{wanted}; known are", wanted + " "))


def test_an_address_has_one_point_and_a_device_one_common_address() -> None:
    (twice, elsewhere) = told(
        "devices: meters-*, quantity: active_power_w, address: 100",
        "devices: storage-001, quantity: soc_frac, address: 111",
        "devices: storage-001, quantity: soc_frac, address: 100, common_address: 2",
    )
    assert twice == (1, "address", "111 is already used by stations.rtu.points[0] (line 21)")
    assert elsewhere[:2] == (2, "devices")
    assert elsewhere[2].startswith(
        "storage-001 is at common address 2 here and at 1 at stations.rtu.points[1] (line 22)"
    )


def test_registers_overlap_by_their_widths_and_each_space_has_its_own() -> None:
    free = (
        "devices: storage-001, quantity: soc_frac, address: 0, type: float32",
        "devices: storage-001, quantity: soc_frac, address: 1, type: input int16",
        "devices: storage-001, quantity: online, address: 1",
    )
    (overlap,) = told(*free, "devices: storage-001, quantity: soh_frac, address: 1, type: int16", protocol="modbus")
    assert overlap == (3, "address", "holding register 1 is already used by stations.rtu.points[0] (line 21)")
    laid(*free, "devices: storage-001, quantity: soh_frac, address: 2, type: int16", protocol="modbus")


@pytest.mark.parametrize(
    ("row", "key", "message"),
    [
        ("quantity: soc_frac, type: int17", "type", "there is no type 'int17' here; did you mean"),
        ("quantity: soc_frac, type: coil", "type", "soc_frac is a number, and a coil is on or off"),
        (
            "quantity: online, type: coil",
            "type",
            "a coil can be written, and online cannot; it may be a discrete input",
        ),
        ("quantity: online, type: float32", "type", "online is on or off: a coil, a discrete input, or an integer"),
        ("quantity: stop, type: input int16", "type", "stop is a command, which has no value to be read"),
        ("quantity: online, scale: 2", "scale", "online is on or off, and has no scale"),
        ("quantity: soc_frac, group: 1", "group", "a point over modbus has none"),
        ("quantity: soc_frac, deadband: 1", "deadband", "a point over modbus has none"),
        ("quantity: soc_frac, common_address: 1", "common_address", "is not what Modbus has; that is unit"),
        ("quantity: soc_frac, unit: 248", "unit", "must be 1 to 247, not 248"),
        ("quantity: [soc_frac, soh_frac], step: 2", "step", "is 2, and the points of a device take 4 addresses"),
    ],
)
def test_what_registers_cannot_be_is_told(row: str, key: str, message: str) -> None:
    ((_, at, said),) = told(f"devices: storage-*, address: 0, {row}", protocol="modbus")
    assert at == key
    assert said.startswith(message)


def test_the_last_register_is_65535() -> None:
    row = "devices: storage-001, quantity: soc_frac, type: float32"
    laid(f"{row}, address: 65534", protocol="modbus")
    ((_, _, message),) = told(f"{row}, address: 65535", protocol="modbus")
    assert message == "needs 65535 to 65536; there are 0 to 65535"


def test_over_iec101_addresses_fit_their_octets_and_short_tags_are_types() -> None:
    narrow = {"protocol": "iec101", "options": "{object_address_octets: 1, common_address_octets: 1}"}
    laid("devices: storage-*, quantity: soc_frac, address: 254, type: M_ME_TC_1, common_address: 254", **narrow)
    wide, common = told(
        "devices: storage-*, quantity: soc_frac, address: 255",
        "devices: storage-*, quantity: soc_frac, address: 1, common_address: 255",
        **narrow,
    )
    assert wide == (0, "address", "needs 255 to 256; there are 1 to 255 in 1 octet")
    assert common == (1, "common_address", "must be 1 to 254, not 255")
    (point,) = (
        each.point for each in laid("devices: storage-001, quantity: soc_frac, address: 1", **narrow).seats[0].points
    )
    assert point.type == "M_ME_TF_1"
    cp24 = {**narrow, "options": "{time_tags: cp24}"}
    (point,) = (
        each.point for each in laid("devices: storage-001, quantity: soc_frac, address: 1", **cp24).seats[0].points
    )
    assert point.type == "M_ME_TC_1"


OF_THE_LIST = "is said by the station's list of points; leave it out"


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("rtu}", "rtu, address: 4}", "groups.meters.endpoints[0].address", OF_THE_LIST),
        ("rtu}", "rtu, map: iec104}", "groups.meters.endpoints[0].map", OF_THE_LIST),
        ("rtu}", "rtu, deadbands: {soc_frac: 1}}", "groups.meters.endpoints[0].deadbands", OF_THE_LIST),
        ("[]", "[{protocol: iec104, station: rtu}]", "groups.storage.endpoints[0]",
         "no point of the station's list is of these devices"),
    ],
)  # fmt: skip
def test_what_an_endpoint_leaves_to_the_list_is_told(old: str, new: str, where: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(text("devices: meters-*, quantity: online, address: 1").replace(old, new), "site.yaml")
    assert [(each.where, each.message) for each in raised.value.problems] == [(where, message)]


@pytest.mark.parametrize(
    ("written", "shown"), [("7", "7"), ("[]", "an empty list"), ("{}", "a table"), ("", "nothing")]
)
def test_a_list_is_a_list_or_a_file(written: str, shown: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(filled(written, named="meters"), "site.yaml")
    message = f"must be a list of points, or the name of a CSV file, not {shown}"
    assert [(each.where, each.message) for each in raised.value.problems] == [("stations.rtu.points", message)]


BUS = {"protocol": "modbus", "options": "{bus: {baud_rate: 9600}}"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (BUS, "a gateway to a bus hands on what it is asked, and has no list of its own"),
        ({"protocol": "iec104", "options": "{k: 0}"}, "must be at least 1, not 0"),
    ],
)
def test_a_list_goes_with_the_options_of_its_station(wanted: dict[str, str], message: str) -> None:
    assert [each[2] for each in told("devices: storage-*, quantity: soc_frac, address: 1", **wanted)] == [message]


# --------------------------------------------------------------------------------------------- CSV

ROWS = (
    "devices: storage-*, quantity: [soc_frac, soh_frac], address: 10, type: M_ME_NB_1, scale: 0.001, group: 3",
    "devices: [meters-002, meters-001], quantity: active_power_w, address: 0x64, step: 50, deadband: 0.5 %",
    "devices: meters-*, quantity: online, address: 1_000, common_address: 1",
)
CSV = """\
\ufeff# the grid operator's list
devices,quantity,address,step,type,scale,group,deadband,common_address
storage-*,soc_frac soh_frac,10,,M_ME_NB_1,0.001,3,,

meters-002 meters-001, active_power_w ,0x64,50,,,,0.5 %,
meters-*,online,1_000,,,,,,1
"""


def written(folder: Path, csv: str | bytes, name: str = "rtu.csv", **wanted: str) -> Path:
    (folder / "rtu.csv").write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    site = folder / "site.yaml"
    site.write_text(filled(name, named="meters storage"), encoding="utf-8")
    return site


@pytest.mark.parametrize("delimiter", ",;\t")
def test_a_csv_file_says_what_rows_say(tmp_path: Path, delimiter: str) -> None:
    layout = load(str(written(tmp_path, CSV.replace(",", delimiter))))
    assert station(layout).seats == laid(*ROWS).seats
    assert [each.name for each in layout.inputs] == ["rtu.csv"]


def test_what_is_wrong_in_a_csv_file_is_told_at_its_lines(tmp_path: Path) -> None:
    csv = CSV.replace("soh_frac", "soh").replace("50,,,,0.5 %,", "0,,,,0.5 %,,7").replace("online,1_000", "online,10")
    with pytest.raises(ConfigError) as raised:
        load(str(written(tmp_path, csv)))
    found = [(Path(each.file).name, each.line, each.where, each.message) for each in raised.value.problems]
    assert found == [
        (
            "rtu.csv",
            3,
            "[0].quantity",
            "'soh' is no quantity of kind battery; did you mean 'soh_frac', a share: 0.5 is 50 %?",
        ),
        ("rtu.csv", 5, "[1].column 10", found[1][3]),
        ("rtu.csv", 5, "[1].step", "must be at least 1, not 0"),
    ]
    assert found[1][3].startswith("unknown key")


@pytest.mark.parametrize(
    ("csv", "name", "message"),
    [
        ("", "rtu.csv", "has no points"),
        ("devices,quantity,address\n", "rtu.csv", "has no points"),
        (b"devices,quantity,address\n\xff", "rtu.csv", "is not UTF-8 at octet 25"),
        ('devices,quantity,address\n"a,b,1\n', "rtu.csv", "line 2 is not CSV: unexpected end of data"),
        ("", "other.csv", "cannot be read: No such file or directory"),
        ("", "..", "is a folder"),
    ],
)
def test_a_file_that_is_no_list_is_told(tmp_path: Path, csv: Any, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(str(written(tmp_path, csv, name)))
    assert [message] == [each.message[-len(message) :] for each in raised.value.problems]


def test_a_list_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    row = "devices: meters-*, quantity: [online, active_power_w], address: 1"
    monkeypatch.setattr(own_lists, "POINTS_MAX", 26)
    fits = ("devices: storage-*, quantity: soc_frac, address: 100", row)
    laid(*fits)
    ((_, where, message),) = told(*fits, "devices: storage-001, quantity: soh_frac, address: 200")
    assert (where, message) == ("stations.rtu.points", "27 points; a station may have 26")


# ---------------------------------------------------------------------------------------- the page

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "stations.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## A list of its own")[1].split("\n## ")[0]


def test_the_example_of_the_page_is_what_the_page_says() -> None:
    example = SECTION.split("```yaml\n")[1].split("```")[0]
    head = "name: street\nlocation: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}\n"
    found = {(each.point.quantity, seat.group, seat.row): each.address
             for seat in station(load_text(head + example, "page.yaml")).seats for each in seat.points
             if each.point.type[0] == "M"}  # fmt: skip
    assert [found["active_power_w", "meters", row] for row in range(2)] == [1000, 1002]
    assert [found["reactive_power_var", "meters", row] for row in range(2)] == [1001, 1003]
    assert [found["voltage_l1_v", "meters", row] for row in range(3)] == [2000, 2010, 2020]
    assert [found["soc_frac", "storage", row] for row in range(2)] == [4001, 4000]


def test_the_page_has_every_key_and_every_type() -> None:
    rows = dict(re.findall(r"^\| (`.+?`.*?) \| (.+?) \|", SECTION, re.MULTILINE))
    keys = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert keys == {*ListedRow.model_fields, *registry.OWN_LISTS} - {"event_class", "link_address", "dnp3"}
    types = {name: set(re.findall(r"`(\w+(?: \w+)?)`", rows[f"`{name}`"])) for name in ("iec104", "iec101", "modbus")}
    told = {**own_objects._MONITORED, **own_objects._COMMANDED}
    assert types["iec104"] == {name for name in told if "_TA_" not in name and name not in ("M_ME_TB_1", "M_ME_TC_1")}
    assert types["iec104"] | types["iec101"] == set(told)
    assert types["modbus"] == {*own_registers._NUMBERS, *own_registers._BITS, "input", "input int16"}


def test_the_schema_takes_what_the_loader_takes() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for good in (text(*ROWS), filled("rtu.csv", named="meters storage")):
        data = yaml.safe_load(good.replace("0x64", "100").replace("1_000", "1000"))
        assert [each.message for each in validator.iter_errors(data)] == []
    for bad in (
        "[]",
        "7",
        "[{devices: a, quantity: b}]",
        "[{devices: a, quantity: b, address: 1, colour: red}]",
        "null",
    ):
        assert not validator.is_valid(yaml.safe_load(filled(bad, named="meters storage")))


def test_devices_of_a_group_that_is_not_understood_are_not_called_strangers() -> None:
    rows = "devices: storage-001, quantity: soc_frac, address: 1", "devices: meters-001, quantity: online, address: 2"
    with pytest.raises(ConfigError) as raised:
        load_text(text(*rows).replace("kind: battery", "kind: batery"), "site.yaml")
    assert [each.where for each in raised.value.problems] == ["groups.storage.kind"]
