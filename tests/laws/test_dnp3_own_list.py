"""A DNP3 station with a list of its own: one outstation in which every index is the point that the list says."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from dnp3_bench import Line, Master, objects
from py1815.application import FunctionCode, Response

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.contracts.way import Passing
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.images import Images, Placed
from pilotfarm.emulators.site import load_text
from pilotfarm.emulators.site.listing import point_rows
from pilotfarm.emulators.stations.downlink import Sent

HEAD = """\
name: behind
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
groups:
"""
GROUP = "  {kind}: {{kind: {kind}, count: {count}, endpoints: [{{protocol: dnp3, station: rtu}}]}}\n"
STATION = "stations:\n  rtu:\n    protocol: dnp3\n    options: {options}\n    points:\n"
LIST = (
    "{devices: meters-*, quantity: [active_power_w, voltage_l1_v], address: 100, step: 10, event_class: 2}",
    "{devices: meters-*, quantity: energy_imported_wh, address: 7, scale: 1000}",
    "{devices: [meters-*, storage-*], quantity: [online, general_alarm], address: 0}",
    "{devices: storage-*, quantity: soc_frac, address: 5, type: g30v5, deadband: 0.02}",
    "{devices: storage-*, quantity: active_power_w, address: 50, type: g30v2, scale: 10, event_class: 1,"
    " deadband: 500}",
    "{devices: storage-*, quantity: active_power_w, address: 60, event_class: 0}",
    "{devices: storage-*, quantity: active_power_setpoint_w, address: 65530, scale: -100}",
    "{devices: storage-*, quantity: active_power_setpoint_w, address: 0, type: AI}",
    "{devices: storage-*, quantity: active_power_setpoint_enabled, address: 3}",
    "{devices: storage-001, quantity: stop, address: 9}",
    "{devices: storage-002, quantity: soc_frac, address: 900}",
)
CLASS_0, EVENTS = bytes([60, 1, 6]), bytes([60, 2, 6, 60, 3, 6, 60, 4, 6])
LETTERS = {1: "BI", 10: "BO", 20: "CTR", 30: "AI", 40: "AO", 2: "BI", 32: "AI"}
LAYOUTS = {(30, 1): "<i", (30, 2): "<h", (30, 5): "<f", (40, 1): "<i", (20, 1): "<I", (40, 3): "<f", (20, 2): "<H"}
RESOLUTION_FRAC = 0.001
"""Of shares, as floating point too: objects are kept as integers."""
ONLINE, COMM_LOST, STATE = 0x01, 0x04, 0x80


def written(*rows: str, options: str = "{}", groups: Mapping[str, int] | None = None) -> str:
    """A site of meters and storages with these rows; or with groups of kinds."""
    if groups is not None:
        behind = "".join(GROUP.format(kind=kind, count=count) for kind, count in groups.items())
    else:
        behind = GROUP.format(kind="meters", count=3).replace("kind: meters", "kind: smart_meter")
        behind += GROUP.format(kind="storage", count=2).replace("kind: storage", "kind: battery")
    return HEAD + behind + STATION.format(options=options) + "".join(f"      - {row}\n" for row in rows)


class Site:
    """A farm after some minutes, and a master of its station."""

    def __init__(self, text: str | None = None, **options: str) -> None:
        self.layout = load_text(written(*LIST, **options) if text is None else text, "behind.yaml")
        self.farm = Farm(self.layout)
        self.images = Images(self.farm)
        for _ in range(3):
            self.step(60.0)
        (self.place,) = self.images.places
        self.line = Line(self.place.station)  # type: ignore[arg-type]

    def step(self, dt_s: float = 1.0) -> None:
        self.farm.step(dt_s)
        self.images.refresh()

    def master(self, outstation: int = 10) -> Master:
        return self.line.master(outstation)

    def placed(self, device: str) -> Placed:
        return next(each for each in self.place.placed if each.seat.device.id == device)

    def rows(self) -> list[dict[str, Any]]:
        return list(point_rows(self.layout))

    def report(self, device: str, quality: int = 0, **values: float) -> None:
        """Have a device report something else, and its station hear of it."""
        group, row = self.farm.population.find(device)
        told = {name: group.reported[name].copy() for name in values}
        marks = {name: np.zeros(group.size, np.uint8) for name in values}
        for name, value in values.items():
            told[name][row], marks[name][row] = value, quality
        group.reported = {**group.reported, **told}
        if quality:
            group.quality = {**group.quality, **marks}
        self.images.refresh()


@pytest.fixture
def site() -> Site:
    return Site()


def answer(master: Master, body: bytes) -> list[Response]:
    return [each for each in master.ask(FunctionCode.READ, body) if not each.control.uns]


def values(found: list[Response]) -> Iterator[tuple[str, int, int, float]]:
    """Yield point, variation, flags and number of what an answer has."""
    for group, variation, index, octets in objects(found):
        point = f"{LETTERS[group]}{index}"
        if LETTERS[group] in ("BI", "BO"):
            yield point, variation, octets[0] & ~STATE, float(octets[0] & STATE > 0)
        else:
            (number,) = struct.unpack_from(LAYOUTS[30 if group == 32 else group, _static(group, variation)], octets, 1)
            yield point, variation, octets[0], float(number)


def _static(group: int, variation: int) -> int:
    return {3: 1, 7: 5}[variation] if group == 32 else variation


def wrong(rows: list[dict[str, Any]], read: Mapping[str, float], truth: Any) -> list[tuple[str, float, float]]:
    found = []
    for row in rows:
        told, true = read[row["address"]] * row["scale"], truth(row["device"], row["quantity"])
        slack = RESOLUTION_FRAC / 2.0 if row["data_type"] == "g30v5" else abs(row["scale"]) * 0.5001
        if row["address"].startswith("BO") and row["role"] == "command":
            true = 0.0
        if abs(told - true) > slack + 1e-9:
            found.append((row["address"], told, true))
    return found


@pytest.mark.parametrize("kinds", [("smart_meter", "battery"), ("prosumer", "ev_charger"), ("pv_generator",)])
def test_every_quantity_of_every_kind_can_be_in_a_list_and_reads_as_its_row_says(kinds: tuple[str, ...]) -> None:
    rows = []
    for number, kind in enumerate(kinds):
        names = ", ".join(each.name for each in registry.device(kind).quantities)
        rows.append(f"{{devices: {kind}-*, quantity: [{names}], address: {20_000 * number}}}")
    here = Site(written(*rows, groups=dict.fromkeys(kinds, 2)))
    read = {point: number for point, _, _, number in values(answer(here.master(), CLASS_0))}
    listed = here.rows()
    assert read.keys() == {row["address"] for row in listed}
    assert wrong(listed, read, lambda device, name: here.farm.device(device).value(name)) == []
    assert len(listed) == sum(2 * len(registry.device(kind).quantities) for kind in kinds)


def test_an_integrity_poll_gives_each_point_at_its_index_in_its_variation_and_no_other(site: Site) -> None:
    found = list(values(answer(site.master(), CLASS_0)))
    rows = {row["address"]: row for row in site.rows()}
    assert sorted(point for point, *_ in found) == sorted(rows)
    assert {(point, variation) for point, variation, *_ in found} == {
        (point, int(row["data_type"].partition("/")[0].partition("v")[2])) for point, row in rows.items()
    }
    read = {point: number for point, _, _, number in found}
    assert wrong(site.rows(), read, lambda device, name: site.farm.device(device).value(name)) == []
    usual = {point: variation for point, variation, *_ in values(answer(site.master(), bytes([30, 0, 6])))}
    assert (usual["AI5"], usual["AI50"], usual["AI60"]) == (5, 2, 1), "as in class 0"
    assert rows["AI110"]["device"] == "meters-002"
    assert [rows[f"BI{index}"]["device"] for index in (0, 2, 8)] == ["meters-001", "meters-002", "storage-002"]
    assert rows["AI111"]["quantity"] == "voltage_l1_v"


def test_reads_by_range_and_index_and_in_another_variation_cut_across_devices(site: Site) -> None:
    master = site.master()
    master.settle()
    whole = {point: number for point, _, _, number in values(answer(master, CLASS_0))}
    some = answer(master, bytes([30, 0, 1]) + struct.pack("<HH", 100, 120))
    assert [point for point, *_ in values(some)] == ["AI100", "AI101", "AI110", "AI111", "AI120"]
    assert some[-1].iin.second == 0x04, "there are gaps"
    floats = answer(master, bytes([30, 5, 0x28, 2, 0]) + struct.pack("<HH", 120, 50))
    shown = {point: number for point, _, _, number in values(floats)}
    assert shown["AI120"] == pytest.approx(whole["AI120"], abs=0.5)
    assert shown["AI50"] == pytest.approx(10.0 * whole["AI50"], abs=5.0), "in the quantity's own unit"


def test_events_are_of_the_point_that_moved_in_its_class_and_beyond_its_deadband(site: Site) -> None:
    master = site.master()
    master.settle()
    answer(master, EVENTS + CLASS_0)
    site.report("storage-002", active_power_w=1_000.0, soc_frac=0.11, active_power_setpoint_w=700.0)
    site.report("meters-002", general_alarm=1.0)
    by_class = {
        number: {point: value for point, _, _, value in values(answer(master, bytes([60, number + 1, 6])))}
        for number in (1, 2, 3)
    }
    assert by_class[1].keys() == {"AI51", "BI3"}
    assert by_class[1]["AI51"] == 100.0
    assert by_class[2]["AI1"] == 700.0
    assert by_class[3]["AI6"] == pytest.approx(0.11), "floating point, as it is read"
    assert "AI61" not in {point for each in by_class.values() for point in each}, "class 0"
    site.report("storage-002", active_power_w=1_400.0, soc_frac=0.118)
    assert list(values(answer(master, EVENTS))) == []
    site.report("storage-001", active_power_w=9_000.0)
    assert [(point, value) for point, _, _, value in values(answer(master, EVENTS))] == [("AI50", 900.0)]


def test_classes_and_deadbands_that_a_master_sets_are_of_points_by_their_index(site: Site) -> None:
    master = site.master()
    master.settle()
    answer(master, EVENTS)
    widths = answer(master, bytes([34, 2, 1]) + struct.pack("<HH", 50, 51))
    assert [int.from_bytes(octets, "little") for *_, octets in objects(widths)] == [50, 50], "500 W in steps of 10 W"
    master.ask(FunctionCode.WRITE, bytes([34, 2, 0x28, 1, 0]) + struct.pack("<HI", 51, 1))
    master.ask(FunctionCode.ASSIGN_CLASS, bytes([60, 4, 6, 30, 0, 0x28, 1, 0]) + struct.pack("<H", 61))
    answer(master, EVENTS)
    for device in ("storage-001", "storage-002"):
        site.report(device, active_power_w=site.farm.device(device).value("active_power_w") + 40.0)
    assert [point for point, *_ in values(answer(master, EVENTS))] == ["AI51", "AI61"]


def test_counters_freeze_whosever_they_are_and_have_their_scale(site: Site) -> None:
    master = site.master()
    master.settle()
    master.ask(FunctionCode.IMMED_FREEZE, bytes([20, 0, 6]))
    for _ in range(4):
        site.step(900.0)
    frozen = [
        (index, int.from_bytes(octets[1:], "little"))
        for _, _, index, octets in objects(answer(master, bytes([21, 1, 6])))
    ]
    assert [index for index, _ in frozen] == [7, 8, 9]
    for index, count in frozen:
        now = site.farm.device(f"meters-00{index - 6}").value("energy_imported_wh") / 1000.0
        assert now - 20.0 < count <= now + 0.5


def order(index: int, value: int) -> bytes:
    return bytes([41, 1, 0x28, 1, 0]) + struct.pack("<HiB", index, value, 0)


def relay(index: int, code: int) -> bytes:
    return bytes([12, 1, 0x28, 1, 0]) + struct.pack("<HBBIIB", index, code, 1, 0, 0, 0)


def statuses(found: list[Response]) -> list[int]:
    return [octets[-1] for *_, octets in objects([each for each in found if not each.control.uns])]


def test_a_control_goes_to_the_device_whose_index_it_names(site: Site) -> None:
    master = site.master()
    body = order(65_530, -7) + order(65_531, -8) + relay(4, 3) + relay(9, 1) + order(65_532, 1)
    assert statuses(master.ask(FunctionCode.DIRECT_OPERATE, body)) == [0, 0, 0, 0, 4]
    first, second = (site.farm.device(f"storage-00{number}") for number in (1, 2))
    assert [each.value("active_power_setpoint_w") for each in (first, second)] == [700.0, 800.0], "a step is -100 W"
    assert [each.value("active_power_setpoint_enabled") for each in (first, second)] == [0.0, 1.0]
    assert statuses(master.ask(FunctionCode.DIRECT_OPERATE, relay(9, 4))) == [4], "a pulse acts and falls back"


class Line1s:
    """A line to a device that takes a second, or ten."""

    def __init__(self, placed: Placed, takes_s: float) -> None:
        self._device, self._takes_s = placed.seat.device, takes_s

    def carry(self, order: Order, now_s: float) -> Carried:
        return Sent(self._device, order, now_s + self._takes_s, True)


def test_controls_of_several_devices_go_down_their_own_lines_and_are_answered_together(site: Site) -> None:
    for number, takes_s in ((1, 1.0), (2, 10.0)):
        placed = site.placed(f"storage-00{number}")
        placed.seat.downlink = Line1s(placed, takes_s)
    master = site.master()
    master.settle()
    assert statuses(master.ask(FunctionCode.DIRECT_OPERATE, order(65_530, -7) + order(65_531, -8))) == []
    assert statuses(master.wait(1.0)) == []
    assert site.farm.device("storage-001").value("active_power_setpoint_w") == 700.0
    assert site.farm.device("storage-002").value("active_power_setpoint_w") == 0.0
    assert statuses(master.wait(9.0)) == [0, 0]


def test_of_a_device_that_is_not_reached_points_are_comm_lost_and_controls_fail_downstream(site: Site) -> None:
    master = site.master()
    master.settle()
    before = {point: number for point, _, _, number in values(answer(master, CLASS_0))}
    site.placed("storage-001").reach(False)
    site.step()
    flags = {point: flags for point, _, flags, _ in values(answer(master, CLASS_0))}
    lost = {row["address"] for row in site.rows() if row["device"] == "storage-001" and row["quantity"] != "online"}
    assert {point for point, each in flags.items() if each & COMM_LOST} == lost
    assert all(not flags[point] & ONLINE for point in lost)
    now = {point: number for point, _, _, number in values(answer(master, CLASS_0))}
    assert {point: now[point] for point in lost} == {point: before[point] for point in lost}
    assert statuses(master.ask(FunctionCode.DIRECT_OPERATE, order(65_530, -7) + order(65_531, -7))) == [18, 0]
    told = {point for point, _, flags, _ in values(answer(master, EVENTS)) if flags & COMM_LOST}
    assert told == {point for point in lost if point.startswith(("AI", "BI"))} - {"AI60"}


def test_a_station_that_polls_finds_out_that_a_device_is_gone_and_has_commands_fail_downstream() -> None:
    polling = "    polling: {medium: none, scan_s: 1, slow_s: 1, counters_s: 1, timeout_s: 0.5, retries: 0}\n"
    here = Site(written(*LIST) + polling)
    master = here.master()
    master.settle()
    here.placed("storage-002").reach(False)
    for _ in range(3):
        here.step()
    lost = {point for point, _, flags, _ in values(answer(master, CLASS_0)) if flags & COMM_LOST}
    wanted = {row["address"] for row in here.rows() if row["device"] == "storage-002" and row["quantity"] != "online"}
    assert lost == wanted
    assert master.ask(FunctionCode.DIRECT_OPERATE, order(65_530, -7) + order(65_531, -7)) == []
    assert statuses(master.wait(5.0)) == [0, 18]
    assert here.farm.device("storage-001").value("active_power_setpoint_w") == 700.0


def test_a_quality_is_that_of_the_point_of_one_device(site: Site) -> None:
    site.report("meters-003", int(Quality.SUBSTITUTED), voltage_l1_v=230.0)
    flags = {point: flags for point, _, flags, _ in values(answer(site.master(), CLASS_0))}
    assert {point for point, each in flags.items() if each != ONLINE} == {"AI121"}


class Deaf(Passing):
    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return None, None


def test_the_outstation_is_deaf_when_all_its_devices_are(site: Site) -> None:
    master = site.master()
    for placed in site.place.placed:
        assert answer(master, CLASS_0)
        placed.seat.filters = (Deaf(),)
        site.place.station.filtered = True
    assert answer(master, CLASS_0) == []


def test_it_restarts_when_all_its_devices_have_and_has_a_clock_of_its_own(site: Site) -> None:
    master = site.master()
    master.settle()
    seats = [placed.seat for placed in site.place.placed]
    site.place.station.restart(seats[1:])
    assert not answer(master, EVENTS)[0].iin.first & 0x80
    site.place.station.restart(seats)
    assert answer(Line(site.place.station).master(10), EVENTS)[0].iin.first & 0x80  # type: ignore[arg-type]
    assert {seat.clock for seat in seats} == {site.farm.clocks.of_station(site.place.layout)}


def test_its_attributes_are_those_of_the_whole(site: Site) -> None:
    (found,) = answer(site.master(), bytes([0, 255, 0, 0, 0]))
    known = set(found.body[7::2])
    assert {233, 232, 252} <= known
    assert not known & {247, 248}, "it is no device that has a name"


def test_a_list_may_have_several_outstations(site: Site) -> None:
    here = Site(
        written(
            "{devices: meters-*, quantity: active_power_w, address: 0, link_address: 20}",
            "{devices: storage-*, quantity: active_power_w, address: 0, link_address: 21}",
        )
    )
    for outstation, devices in ((20, 3), (21, 2)):
        assert len(list(values(answer(here.master(outstation), CLASS_0)))) == devices


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{devices: meters-*, quantity: voltage_l1_v, address: 65534}", "needs 65534 to 65536; there are 0 to 65535"),
        (
            "{devices: meters-*, quantity: voltage_l1_v, address: 0, type: M_ME_NC_1}",
            "there is no type 'M_ME_NC_1' here",
        ),
        (
            "{devices: meters-*, quantity: voltage_l1_v, address: 0, type: BI}",
            "voltage_l1_v is a number, and BI is not",
        ),
        ("{devices: meters-*, quantity: online, address: 0, type: g30v1}", "online is on or off, and AI is not"),
        (
            "{devices: meters-*, quantity: voltage_l1_v, address: 0, type: AO}",
            "AO is an output, and voltage_l1_v a meas",
        ),
        ("{devices: meters-*, quantity: voltage_l1_v, address: 0, type: CTR}", "CTR is a counter"),
        ("{devices: storage-*, quantity: start, address: 0, type: BI}", "start is a command, which has no value"),
        (
            "{devices: meters-*, quantity: voltage_l1_v, address: 0, event_class: 4}",
            "must be 0 (no events) to 3, not 4",
        ),
        (
            "{devices: meters-*, quantity: energy_imported_wh, address: 0, event_class: 2}",
            "CTR points have no events in a",
        ),
        ("{devices: meters-*, quantity: online, address: 0, scale: 10}", "online is on or off, and has no scale"),
        (
            "{devices: meters-*, quantity: voltage_l1_v, address: 0, type: g30v5, scale: 10}",
            "floating point, which is in V",
        ),
        ("{devices: meters-*, quantity: energy_imported_wh, address: 0, scale: -1}", "a counter only counts up"),
        ("{devices: meters-*, quantity: voltage_l1_v, address: 0, group: 2}", "a point over dnp3 has none"),
        ("{devices: meters-*, quantity: voltage_l1_v, address: 0, unit: 2}", "is not what DNP3 (IEEE 1815) has"),
        (
            "{devices: meters-*, quantity: voltage_l1_v, address: 0, link_address: 65520}",
            "must be 0 to 65519, not 65520",
        ),
        ("{devices: meters-*, quantity: voltage_l1_v, address: 0, link_address: 3}", "3 is a master's, by the options"),
        ("{devices: [meters-001, meters-*], quantity: voltage_l1_v, address: 0, step: 0}", "must be at least 1"),
    ],
)
def test_problems_of_a_row(row: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_text(
            written(row, "{devices: storage-*, quantity: online, address: 9}", options="{masters: [3]}"), "x.yaml"
        )
    assert [each for each in found.value.problems if message in each.message and each.line == 12], found.value.problems


def test_two_points_of_a_type_at_one_index_are_told_and_of_two_types_are_not() -> None:
    row = "{{devices: meters-*, quantity: {}, address: 1}}".format
    load_text(written(row("voltage_l1_v"), row("online"), "{devices: storage-*, quantity: soc_frac, address: 9}"), "x")
    with pytest.raises(ConfigError, match="AI 1 is already used by"):
        load_text(
            written(row("voltage_l1_v"), row("current_l1_a"), "{devices: storage-*, quantity: soc_frac, address: 9}"),
            "x",
        )
