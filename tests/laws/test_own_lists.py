"""A station with a list of its own: who knows the point list alone finds every value, and nothing else."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from iec101_bench import Peer, Poller
from iec104_bench import Master, float_element
from modbus_bench import NOW_S, frame
from own_list_bench import LOGGER, RTU, SITE, Site, ask

from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.contracts.way import Passing
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.listing import endpoint_rows

ELEMENTS = {1: 1, 3: 1, 9: 3, 11: 3, 13: 5, 15: 5}
TAGS = {**dict.fromkeys((30, 31, 34, 35, 36), 7), **dict.fromkeys((2, 4, 10, 12, 14), 3)}
MONITORED_AS = {30: 1, 31: 3, 34: 9, 35: 11, 36: 13, 2: 1, 14: 13}
QOI, RQT = 20, 5


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


def objects(units: list[Asdu], octets: int = 3) -> Iterator[tuple[tuple[int, int], int, int, bytes]]:
    """Yield common and object address, type, cause and element of every object."""
    for each in units:
        kind = MONITORED_AS.get(each.type, each.type)
        if kind not in ELEMENTS:
            continue
        size = octets + ELEMENTS[kind] + TAGS.get(each.type, 0)
        assert len(each.body) == size * each.count
        for at in range(0, len(each.body), size):
            address = int.from_bytes(each.body[at : at + octets], "little")
            yield (each.address, address), each.type, each.cause, each.body[at + octets : at + size]


def number(kind: int, element: bytes) -> tuple[float, int]:
    """Return a value in the words of the standard, and its quality."""
    match MONITORED_AS.get(kind, kind):
        case 1:
            return float(element[0] & 1), element[0] & 0xF0
        case 3:
            return float((element[0] & 3) - 1), element[0] & 0xF0
        case 9:
            return struct.unpack_from("<h", element)[0] / 32768.0, element[2]
        case 11:
            return float(struct.unpack_from("<h", element)[0]), element[2]
        case 13:
            return struct.unpack_from("<f", element)[0], element[4]
        case 15:
            return float(struct.unpack_from("<i", element)[0]), element[4] & 0xE0
    raise AssertionError(kind)


def interrogated(master: Master, address: int = 0xFFFF, group: int = 0) -> list[Asdu]:
    heard = master.ask(Type.INTERROGATION, Cause.ACTIVATION, address, 0, bytes([QOI + group]))
    while len(heard) < 2 or heard[-1].cause != Cause.ACTIVATION_TERM:
        master.pull()
        more = master.heard()
        if not more:
            break
        heard += more
    return heard


def counted(master: Master, group: int = RQT, address: int = 0xFFFF) -> list[Asdu]:
    return master.ask(Type.COUNTER_INTERROGATION, Cause.ACTIVATION, address, 0, bytes([group]))


def step_of(row: Mapping[str, Any]) -> float:
    """By how much a number on the wire may be off."""
    return {9: 0.5001 / 32768.0, 11: 0.5001, 13: 0.0, 15: 1.0}.get(row["read_code"], 0.0)


# ------------------------------------------------------------------------------------- IEC 60870-5


def test_every_object_is_the_value_that_its_row_says_and_there_are_no_others(site: Site) -> None:
    master = site.master()
    heard = {where: (kind, element) for where, kind, _, element in objects([*interrogated(master), *counted(master)])}
    listed = {(row["common_address"], row["number"]): row for row in site.rows() if "r" in row["access"]}
    assert heard.keys() == listed.keys()
    assert {row["read_code"] for row in listed.values()} == set(ELEMENTS), "every type is there"
    for where, row in listed.items():
        kind, element = heard[where]
        wire, quality = number(kind, element)
        value = site.farm.device(row["device"]).value(row["quantity"])
        assert (kind, quality) == (row["read_code"], 0), row
        assert wire * row["scale"] == pytest.approx(value, rel=1e-6, abs=step_of(row) * abs(row["scale"])), row
    assert any(site.farm.device(row["device"]).value(row["quantity"]) > 1e3 for row in listed.values())


def test_a_data_unit_is_as_long_as_it_may_be_and_its_objects_stand_in_their_order(site: Site) -> None:
    totals = [each.count for each in counted(site.master(), 1, 1) if each.type == 15]
    floats = [each for each in interrogated(site.master(), 1, 2) if each.type == 13]
    assert (totals, [each.count for each in floats]) == ([30, 5], [30, 30, 10]), "objects of 8 octets, units of 249"
    addresses = [where[1] for where, *_ in objects(floats)]
    assert addresses == sorted(addresses) == list(range(1, 71))


def test_a_place_has_one_meaning_and_a_point_one_place(site: Site) -> None:
    rows = [*site.rows(RTU), *site.rows(LOGGER)]
    places = Counter(
        (row["station"], row["common_address"], row["unit_id"], row["object"], row["number"]) for row in rows
    )
    assert set(places.values()) == {1}
    iec = Counter((row["common_address"], row["number"]) for row in rows if row["protocol"] == "iec104")
    assert set(iec.values()) == {1}, "commands and what is monitored share the addresses of objects"
    first = {row["device"]: row["number"] for row in rows if row["object"] == "scaled value" and row["group"] == 3}
    assert (first["meters-035"], first["meters-001"]) == (500, 507), "in the order of the list"


@pytest.mark.parametrize("group", range(1, 17))
def test_a_group_is_what_the_list_says_and_no_more(site: Site, group: int) -> None:
    heard = interrogated(site.master(), group=group)
    wanted = {
        (row["common_address"], row["number"])
        for row in site.rows()
        if row["group"] == group and row["object"] != "integrated total"
    }
    assert {where for where, *_ in objects(heard)} == wanted
    assert {cause for _, _, cause, _ in objects(heard)} <= {Cause.INTERROGATED + group}


def test_counter_groups_are_what_the_list_says_and_freeze_by_themselves() -> None:
    site = Site()
    master = site.master()
    groups: dict[int, set[tuple[int, int]]] = {group: set() for group in range(1, 5)}
    for row in site.rows():
        if row["object"] == "integrated total":
            groups[row["group"]].add((row["common_address"], row["number"]))
    assert [len(each) for each in groups.values()] == [35, 0, 0, 9]

    def totals(group: int) -> dict[tuple[int, int], bytes]:
        return {where: element for where, kind, _, element in objects(counted(master, group)) if kind == 15}

    before = {group: totals(group) for group in groups}
    assert {group: found.keys() for group, found in before.items()} == groups
    counted(master, 0x40 | 1)
    for _ in range(20):
        site.step(600.0)
    assert all(totals(1)[where] == element[:4] + b"\x01" for where, element in before[1].items())
    assert totals(4) != before[4], "what is not frozen goes on"
    counted(master, 0x40 | 1)
    assert all(element[4] == 2 for element in totals(1).values())
    assert totals(1) != before[1]


def test_every_object_is_read_by_itself_and_another_address_is_unknown(site: Site) -> None:
    master = site.master()
    told = {where: (kind, element) for where, kind, _, element in objects([*interrogated(master), *counted(master)])}
    for where, (kind, element) in told.items():
        ((_, asked, cause, found),) = objects(master.ask(Type.READ, Cause.REQUEST, *where))
        assert (asked, cause, found) == (kind, Cause.REQUEST, element)
    (refused,) = master.ask(Type.READ, Cause.REQUEST, 1, 600)
    assert refused.cause == Cause.UNKNOWN_OBJECT
    (refused,) = master.ask(Type.READ, Cause.REQUEST, 2, 1)
    assert refused.cause == Cause.UNKNOWN_ADDRESS


def test_events_are_of_the_type_that_the_list_gives_with_the_tag_of_that_type() -> None:
    site = Site()
    master, rows = site.master(), {(row["common_address"], row["number"]): row for row in site.rows()}
    moved = {where: row for where, row in rows.items() if row["event_code"] is not None}
    for row in moved.values():
        value = site.farm.device(row["device"]).value(row["quantity"])
        by = 2.0 * (row["deadband"] or 0.0) + 3.0 * step_of(row) * abs(row["scale"]) + 0.001
        site.tell(
            row["device"], **{row["quantity"]: 1.0 - value if quantity(row["quantity"]).is_binary else value + by}
        )
    site.images.refresh()
    master.pull()
    heard = {where: (kind, cause) for where, kind, cause, _ in objects(master.heard())}
    assert heard.keys() == moved.keys()
    assert all(heard[where] == (row["event_code"], Cause.SPONTANEOUS) for where, row in moved.items())
    assert {row["event_code"] for row in moved.values()} == {1, 13, 30, 31, 34, 35, 36, 11}


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_a_value_is_told_once_it_has_moved_by_the_deadband_of_the_list(share: float) -> None:
    site = Site()
    master = site.master()
    wide = [row for row in site.rows() if row["deadband"]]
    (share_of_rating,) = {row["deadband"] for row in wide if row["quantity"] == "voltage_l1_v"}
    assert share_of_rating == pytest.approx(0.004 * 230.0)
    by: dict[tuple[str, str], float] = {}
    for row in wide:
        rounding = 2.0 * step_of(row) * abs(row["scale"]) * (1.0 if share > 1.0 else -1.0)
        each = by.get((row["device"], row["quantity"]), share * row["deadband"])
        by[row["device"], row["quantity"]] = (max if share > 1.0 else min)(each, share * row["deadband"] + rounding)
    for (device, name), more in by.items():
        site.tell(device, **{name: site.farm.device(device).value(name) + more})
    site.images.refresh()
    master.pull()
    heard = {where for where, *_ in objects(master.heard())}
    told = {(row["common_address"], row["number"]) for row in wide}
    assert heard & told == (told if share > 1.0 else set())
    assert any(row["deadband"] == 0.0 for row in site.rows())


def test_measurements_are_told_in_cycles() -> None:
    site = Site()
    master = site.master()
    heard: list[Asdu] = []
    for _ in range(6):
        site.step(1.0)
        master.pull()
        heard += master.heard()
    cyclic = Counter(where for where, _, cause, _ in objects(heard) if cause == Cause.CYCLIC)
    measured = {(r["common_address"], r["number"]) for r in site.rows() if r["read_code"] in (9, 11, 13)}
    assert cyclic.keys() == measured
    assert max(cyclic.values()) == min(cyclic.values()) <= 2, "once a cycle"


@pytest.mark.parametrize("select", [True, False])
def test_a_set_point_of_every_type_reaches_its_device_and_is_told_as_return_information(select: bool) -> None:
    site = Site()
    master = site.master()
    form = site.place(RTU).station._shared.form  # type: ignore[attr-defined]
    numbers = {50: (5011, "<f", 1000.0), 49: (5021, "<h", 100.0), 48: (5031, "<h", 200_000 / 32768)}
    name = "active_power_setpoint_w"
    before = site.farm.device("storage-001").value(name)
    for turn, (code, (ioa, packed, scale)) in enumerate(numbers.items()):
        for tagged in (False, True):
            wanted = 1500.0 + 500.0 * turn + 100.0 * tagged
            wire = struct.pack(packed, wanted / scale if packed == "<f" else round(wanted / scale))
            tail = form.time_tag(site.farm.unix_s) if tagged else b""
            asked = code + 13 * tagged, Cause.ACTIVATION, 1, ioa
            if select:
                (answer,) = master.ask(*asked, wire + b"\x80" + tail)
                assert (answer.cause, answer.negative) == (Cause.ACTIVATION_CON, False)
            confirmed, ended = master.ask(*asked, wire + b"\0" + tail)
            assert [each.cause for each in (confirmed, ended)] == [Cause.ACTIVATION_CON, Cause.ACTIVATION_TERM]
            assert not confirmed.negative
            site.step()
            master.pull()
            assert site.farm.device("storage-002").value(name) == pytest.approx(wanted, abs=scale / 2.0)
            assert site.farm.device("storage-001").value(name) == before
            told = list(objects(master.heard()))
            assert sum(where == (1, 5001) and cause != Cause.CYCLIC for where, _, cause, _ in told) == 1
            heard = {where: (kind, cause) for where, kind, cause, _ in told if cause != Cause.CYCLIC}
            assert heard[1, 5001] == (Type.FLOAT_TAGGED, Cause.RETURN_REMOTE)
            if not turn and not tagged:
                assert heard[1, 5051] == (1, Cause.RETURN_REMOTE), "M_SP_NA_1: without a time tag"
            assert (1, 5000) not in heard
    assert site.farm.device("storage-002").value("active_power_setpoint_enabled") == 1.0


def test_commands_are_taken_as_their_type_alone_and_the_list_has_no_others(site: Site) -> None:
    master = site.master()
    elements = {45: b"\x80", 46: b"\x81", 48: b"\0\0\x80", 49: b"\0\0\x80", 50: float_element(0.0, 0x80)}
    codes = {(row["common_address"], row["number"]): row["write_code"] for row in site.rows()}
    for where, code in codes.items():
        for kind, element in elements.items() if code or where[1] % 100 == 0 else ():
            (answer,) = master.ask(kind, Cause.ACTIVATION, *where, element)
            assert (answer.cause == Cause.UNKNOWN_OBJECT) is (kind != code), where
            if kind == code:
                master.ask(kind, Cause.DEACTIVATION, *where, element)
    assert set(codes.values()) == {None, *elements}


@pytest.mark.parametrize(("kind", "octets"), [(49, 3), (48, 3), (62, 10), (61, 10), (50, 5)])
def test_a_set_point_that_is_too_short_or_too_long_is_no_data_unit(site: Site, kind: int, octets: int) -> None:
    for more in (-1, 0, 1):
        master = site.master()
        master.ask(kind, Cause.ACTIVATION, 1, 5000, bytes(octets + more))
        assert master.engine.closed is bool(more)


def test_a_station_without_a_list_knows_no_set_points_of_whole_numbers(site: Site) -> None:
    alone = next(each for each in site.images.places if each.layout.protocol == "iec104" and not each.layout.name)
    master = Master(SimpleNamespace(station=alone.station))  # type: ignore[arg-type]
    for kind in (48, 49, 61, 62):
        (answer,) = master.ask(kind, Cause.ACTIVATION, 1, 5000, b"\0\0\0")
        assert answer.cause == Cause.UNKNOWN_TYPE


def test_what_the_station_loses_is_not_topical_and_takes_no_command_and_its_neighbours_are_as_before() -> None:
    site = Site()
    master = site.master()
    before = {where: element for where, _, _, element in objects(interrogated(master))}
    owners = {(row["common_address"], row["number"]): row["device"] for row in site.rows()}
    site.reach("storage-002", False)
    site.images.refresh()
    quality = {where: number(kind, element)[1] for where, kind, _, element in objects(interrogated(master))}
    lost = {where for where, bits in quality.items() if bits & Quality.NOT_TOPICAL}
    assert lost == {where for where in before if owners[where] == "storage-002"}
    for address, negative in ((5010, False), (5011, True)):
        answer, *_ = master.ask(Type.SETPOINT, Cause.ACTIVATION, 1, address, float_element(0.5))
        assert answer.negative is negative


def test_beyond_what_an_integer_holds_a_value_has_overflowed_and_what_is_none_is_invalid() -> None:
    site = Site()
    master = site.master()
    for value, flag in ((1e9, Quality.OVERFLOW), (-1e9, Quality.OVERFLOW), (np.nan, Quality.INVALID), (3000.0, 0)):
        site.report("storage-001", soc_frac=value, active_power_w=value)
        found = {where: number(kind, element) for where, kind, _, element in objects(interrogated(master))}
        assert found[1, 4010][1] == flag
        assert found[1, 4000][1] == (flag or Quality.OVERFLOW), "3000 times 100 % is beyond, at a thousandth"
        assert found[1, 4001][1] == found[1, 4011][1] == 0
    assert found[1, 4010][0] == pytest.approx(3000.0 / -200_000, abs=1 / 32768)
    assert found[1, 4000][0] == 32767


def test_a_clock_of_the_station_stamps_all_of_its_list() -> None:
    site = Site(SITE.replace("    options: {cyclic_s: 5}", "    clock_drift_ppm: 100000"))
    master = site.master()
    site.step(100.0)
    site.report("meters-002", active_power_w=9e9)
    site.report("storage-002", active_power_w=150_000.0)
    master.pull()
    tags = {where: element[-7:] for where, kind, _, element in objects(master.heard()) if TAGS.get(kind)}
    form = site.place(RTU).station._shared.form  # type: ignore[attr-defined]
    shown_s = {form.time_of(tag) for tag in tags.values()}
    assert len(shown_s) == 1
    assert shown_s.pop() > site.farm.unix_s + 20.0
    assert {(1, 3), (1, 4011)} <= tags.keys()


def test_endpoints_tell_where_a_device_stands_in_the_list(site: Site) -> None:
    rows = [row for row in endpoint_rows(site.farm.layout) if row["station"] == RTU]
    assert {row["device"]: row["common_address"] for row in rows if row["device"] != "pv-002"} == dict.fromkeys(
        (*site.farm.layout.group("meters").devices, "storage-001", "storage-002"), 1
    )
    assert [row["common_address"] for row in rows if row["device"] == "pv-002"] == [9]
    assert {row["map"] for row in rows} == {"points"}


# ------------------------------------------------------------------------- serial lines, polling

LINE = """\
name: line
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
groups:
  meters:
    kind: smart_meter
    count: 40
    endpoints: [{protocol: iec101, station: rtu}]
stations:
  rtu:
    protocol: iec101
    options: OPTIONS
    points:
      - {devices: meters-*, quantity: voltage_l1_v, address: 1, type: M_ME_TC_1, group: 2, common_address: 9}
      - {devices: meters-*, quantity: frequency_hz, address: 101, type: M_ME_NB_1, scale: 0.01, common_address: 9}
      - {devices: meters-040, quantity: online, address: 255, common_address: 9}
"""


@pytest.mark.parametrize("mode", ["unbalanced", "balanced"])
def test_over_iec101_a_list_fits_addresses_of_one_octet(mode: str) -> None:
    narrow = "object_address_octets: 1, common_address_octets: 1, time_tags: cp24, frame_length: 64"
    site = Site(LINE.replace("OPTIONS", f"{{mode: {mode}, {narrow}}}"))
    bench: Any = SimpleNamespace(station=site.place(RTU).station)
    master: Any = Poller(bench, 9) if mode == "unbalanced" else Peer(bench, 9)

    def said(*asked: Any) -> list[Asdu]:
        unit = master.unit(*asked)
        if mode == "balanced":
            return [*master.send(unit), *master.heard()]
        return [*master.send(9, unit), *master.poll(9, 11)]

    heard = said(Type.INTERROGATION, Cause.ACTIVATION, 9, 0, bytes([QOI]))
    rows = {(row["common_address"], row["number"]): row for row in site.rows()}
    found = {where: (kind, number(kind, element)) for where, kind, _, element in objects(heard, 1)}
    assert found.keys() == rows.keys()
    for where, (kind, (wire, quality)) in found.items():
        row = rows[where]
        value = site.farm.device(row["device"]).value(row["quantity"])
        assert (kind, quality) == (row["read_code"], 0)
        assert wire * row["scale"] == pytest.approx(value, rel=1e-6, abs=step_of(row) * row["scale"])
    site.report("meters-040", voltage_l1_v=300.0, frequency_hz=51.0, online=0.0)
    events = [*master.both(9)] if mode == "unbalanced" else (master.pull() or master.heard())
    assert {where[1]: kind for where, kind, _, _ in objects(events, 1)} == {40: 14, 140: 11, 255: 2}
    assert {row["event_code"] for row in rows.values()} == {14, 11, 2}


def test_a_lost_device_of_a_line_of_its_own_address_is_told_by_the_station() -> None:
    site = Site(LINE.replace("OPTIONS", "{}"))
    master: Any = Poller(SimpleNamespace(station=site.place(RTU).station), 9)  # type: ignore[arg-type]
    for device in site.farm.layout.group("meters").devices:
        site.reach(device, False)
    site.images.refresh()
    heard = [
        *master.send(9, master.unit(Type.INTERROGATION, Cause.ACTIVATION, 9, 0, bytes([QOI]))),
        *master.poll(9, 11),
    ]
    found = {where[1]: number(kind, element) for where, kind, _, element in objects(heard, 2)}
    assert len(found) == 81
    assert {quality for ioa, (_, quality) in found.items() if ioa != 255} == {Quality.NOT_TOPICAL}
    assert found[255] == (0.0, 0), "that a device is not reached is known"


def test_a_station_that_polls_tells_by_its_list_what_it_has_heard() -> None:
    text = SITE.replace("  logger:\n", "  logger:\n    polling: {scan_s: 2, medium: none}\n")
    site = Site(text.replace("    options: {cyclic_s: 5}", "    polling: {medium: none, scan_s: 10, slow_s: 20}"))
    master, engine = site.master(), site.place(LOGGER).station.connect("peer", NOW_S)
    site.step(1.0)

    def power() -> bytes:
        heard = objects(interrogated(master))
        return next(element for where, kind, _, element in heard if (where, kind) == ((1, 3), 13))

    before = power()
    site.report("meters-002", active_power_w=12_345.0)
    assert power() == before, "it has not asked again"
    (placed,) = (each for each in site.place(LOGGER).placed if each.seat.device.id == "meters-003")
    placed.reach(False)
    for _ in range(12):
        site.step(1.0)
    heard = {where: number(kind, element) for where, kind, _, element in objects(interrogated(master))}
    rows = {(row["common_address"], row["number"]): row for row in site.rows() if row["read_code"] == 13}
    close = [where for where, row in rows.items() if row["quantity"] == "frequency_hz"]
    assert close
    assert all(heard[where][0] == pytest.approx(50.0, abs=0.5) for where in close)
    assert ask(engine, 3, 1002, 1)[2:] == b"\xff\xff", "what went stale is the word of its type"
    assert ask(engine, 3, 1001, 1)[2:] != b"\xff\xff"
    assert ask(engine, 2, 102, 1)[2:] == b"\0"
    assert ask(engine, 2, 101, 1)[2:] == b"\1"
    for function, register, written in ((6, 2021, 123), (5, 11, 0xFF00)):
        engine.receive(frame(struct.pack(">BHH", function, register, written), 1), NOW_S)
        engine.advance(NOW_S + 1.0)
        assert engine.take_output()[7:] == struct.pack(">BHH", function, register, written)
    site.step(1.0)
    told = [site.farm.device(f"storage-00{each}").value("active_power_setpoint_w") for each in (1, 2)]
    assert told == [0.0, 1230.0]
    site.reach("storage-001", False, LOGGER)
    engine.receive(frame(struct.pack(">BHH", 6, 2020, 1), 1), NOW_S + 2.0)
    assert engine.take_output() == b"", "it goes down the line, and nobody answers"
    engine.advance(NOW_S + 60.0)
    assert engine.take_output()[7:] == b"\x86\x0b"


# ------------------------------------------------------------------------------------------ faults


class Turned(Passing):
    """Marks every object of type 13 invalid, and refuses commands."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return (None, message[:2] + bytes([0x47]) + message[3:]) if message[0] == Type.SETPOINT else (message, None)

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        if message[0] != 13:
            return message
        assert (len(message) - 6) == 8 * message[1]
        units = bytearray(message)
        units[13::8] = [0x80] * message[1]
        return bytes(units)


def test_what_happens_on_the_way_to_one_device_of_a_list_is_not_its_neighbours() -> None:
    site = Site()
    place, rows = site.place(RTU), site.rows()
    before = {where: element for where, _, _, element in objects(interrogated(site.master()))}
    (placed,) = (each for each in place.placed if each.seat.device.id == "storage-002")
    placed.seat.filters, place.station.filtered = (Turned(),), True
    master = site.master()
    heard = {where: (kind, element) for where, kind, _, element in objects(interrogated(master))}
    turned = {where for where, (kind, element) in heard.items() if number(kind, element)[1]}
    of_it = {
        (row["common_address"], row["number"])
        for row in rows
        if row["device"] == "storage-002" and row["read_code"] == 13
    }
    assert (heard.keys(), turned) == (before.keys(), of_it)
    for ioa, negative in ((5010, False), (5011, True)):
        answer, *_ = master.ask(Type.SETPOINT, Cause.ACTIVATION, 1, ioa, float_element(0.5))
        assert answer.negative is negative
    site.report("storage-001", active_power_w=9e4)
    site.report("storage-002", active_power_w=9e4)
    master.pull()
    assert {where for where, *_ in objects(master.heard())} >= {(1, 4010), (1, 4011), (1, 4020), (1, 4021)}


def test_a_list_may_be_of_commands_alone() -> None:
    text = LINE.replace("iec101", "iec104").replace("OPTIONS", "{}")
    site = Site(text.split("    points:")[0] + "    points: [{devices: meters-*, quantity: alarm_reset, address: 7}]\n")
    master = site.master()
    assert not list(objects([*interrogated(master), *counted(master)]))
    answer, _ = master.ask(Type.SINGLE_COMMAND, Cause.ACTIVATION, 1, 46, b"\1")
    assert not answer.negative
    site.step()


@pytest.mark.parametrize("mode", ["unbalanced", "balanced"])
def test_over_iec101_what_happens_on_the_way_is_one_devices_too(mode: str) -> None:
    site = Site(LINE.replace("OPTIONS", f"{{mode: {mode}}}"))
    place = site.place(RTU)
    place.placed[4].seat.filters, place.station.filtered = (Turned(),), True
    master: Any = Poller(place, 9) if mode == "unbalanced" else Peer(place, 9)  # type: ignore[arg-type]
    asked = master.unit(Type.INTERROGATION, Cause.ACTIVATION, 9, 0, bytes([QOI]))
    heard = (
        [*master.send(9, asked), *master.poll(9, 11)]
        if mode == "unbalanced"
        else [*master.send(asked), *master.heard()]
    )
    found = [(where[1], number(kind, element)[1]) for where, kind, _, element in objects(heard, 2)]
    assert sorted(ioa for ioa, _ in found) == [*range(1, 41), *range(101, 141), 255]
    assert [ioa for ioa, quality in found if quality] == [5]
    floats = [where[1] for where, kind, _, _ in objects(heard, 2) if kind == 13]
    assert floats == sorted(floats), "in the order of the list"
