"""Data units of IEC 60870-5-104 that come out wrong, and time tags that are missing or wrong."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Filter
from pilotfarm.emulators.protocols.iec60870.times import time_of, time_tag

AT_S = datetime(2026, 6, 15, 8, 59, 58, 987_000, UTC).timestamp()  # a Monday
TAGGED = {30: (1, 2, 1), 31: (3, 4, 1), 34: (9, 10, 3), 36: (13, 14, 5), 37: (15, 16, 5)}
"""Type -> the same without a time tag, the same with three octets of it, and octets of the element (7.2.1.1)."""


def made(kind: str, mode: str, key: int = 1, **parameters: Any) -> Filter:
    spec: Any = registry.fault(kind)
    return spec.filter(mode, spec.parameters(**parameters), key)


def told(kind: str, mode: str, message: bytes, **parameters: Any) -> bytes | None:
    return made(kind, mode, **parameters).outward(message, 0.0)


def unit(type_id: int, *objects: bytes, cause: int = 3, address: int = 3, sequence: bool = False) -> bytes:
    number = len(objects) | 0x80 * sequence
    return struct.pack("<BBBBH", type_id, number, cause, 0, address) + b"".join(objects)


def of(ioa: int, element: bytes) -> bytes:
    return ioa.to_bytes(3, "little") + element


TWO_FLOATS = (of(2000, struct.pack("<fB", 1.5, 0)), of(2001, struct.pack("<fB", 2.5, 0x80)))


# --------------------------------------------------------------------------------------------- data


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [
        ("common-address", unit(13, *TWO_FLOATS, address=0x4003)),
        ("object-address", unit(13, of(0x800000 + 2000, TWO_FLOATS[0][3:]), of(0x800000 + 2001, TWO_FLOATS[1][3:]))),
        ("type", unit(99, *TWO_FLOATS)),
        ("cause", unit(13, *TWO_FLOATS, cause=0)),
        ("count", unit(13, *TWO_FLOATS)[:1] + b"\x03" + unit(13, *TWO_FLOATS)[2:]),
        ("truncated", unit(13, *TWO_FLOATS)[:-1]),
    ],
)
def test_a_data_unit_comes_out_as_the_mode_says(mode: str, wrong: bytes) -> None:
    assert told("iec104-data", mode, unit(13, *TWO_FLOATS)) == wrong
    assert made("iec104-data", mode).inward(unit(45, TWO_FLOATS[0]), 0.0) == (unit(45, TWO_FLOATS[0]), None)


def test_no_device_and_not_everybody_has_the_common_address() -> None:
    each = made("iec104-data", "common-address")
    for address in range(1, 65_535):
        wrong = each.outward(unit(13, TWO_FLOATS[0], address=address), 0.0)
        assert wrong is not None
        assert int.from_bytes(wrong[4:6], "little") not in (0, address, 0xFFFF)


def test_a_sequence_has_one_address_to_be_wrong() -> None:
    whole = unit(1, of(1000, b"\x01"), b"\x00", b"\x01", sequence=True)
    assert told("iec104-data", "object-address", whole) == whole[:8] + b"\x80" + whole[9:]
    assert told("iec104-data", "count", whole) == whole[:1] + b"\x84" + whole[2:]


def test_where_no_more_objects_can_be_told_one_less_is() -> None:
    whole = unit(1, *(of(number, b"\x01") for number in range(127)))
    wrong = told("iec104-data", "count", whole)
    assert wrong is not None
    assert wrong[1] == 126


def test_the_bits_beside_the_cause_stay() -> None:
    assert told("iec104-data", "cause", unit(45, TWO_FLOATS[0], cause=0xC7), of="all") == unit(
        45, TWO_FLOATS[0], cause=0xC0
    )


@pytest.mark.parametrize("mode", registry.fault("iec104-data").modes)
@pytest.mark.parametrize("of_what", ["data", "all"])
def test_every_type_in_monitor_direction_is_gripped_and_answers_with_all(mode: str, of_what: str) -> None:
    for type_id in range(1, 128):
        whole = unit(type_id, *TWO_FLOATS)
        gripped = type_id < 45 or of_what == "all"
        if mode == "type" and type_id == 99:
            continue
        assert (told("iec104-data", mode, whole, of=of_what) != whole) == gripped, type_id


@pytest.mark.parametrize(("kind", "mode"), [("iec104-data", "type"), ("iec104-time", "missing")])
def test_a_share_of_the_data_units_is_gripped(kind: str, mode: str) -> None:
    whole = unit(30, of(1000, b"\x01" + time_tag(AT_S)))
    each = made(kind, mode, share_frac=0.25)
    gripped = sum(each.outward(whole, 0.0) != whole for _ in range(400))
    assert 70 <= gripped <= 130  # 100, with a standard deviation of 8.7


# ---------------------------------------------------------------------------------------- time tags


def event(type_id: int, tag: bytes, number: int = 2) -> bytes:
    octets = TAGGED[type_id][2]
    return unit(type_id, *(of(1000 + each, bytes([each + 1]) * octets + tag) for each in range(number)))


@pytest.mark.parametrize("type_id", TAGGED)
def test_without_a_tag_or_with_a_short_one_an_event_has_the_type_that_says_so(type_id: int) -> None:
    untagged, short, octets = TAGGED[type_id]
    tag = time_tag(AT_S)
    bare = [of(1000, b"\x01" * octets), of(1001, b"\x02" * octets)]
    assert told("iec104-time", "missing", event(type_id, tag)) == unit(untagged, *bare)
    assert told("iec104-time", "short", event(type_id, tag)) == unit(short, *(each + tag[:3] for each in bare))


@pytest.mark.parametrize(
    ("mode", "place", "bits"),
    [("invalid", 2, 0x80), ("summer-time", 3, 0x80), ("day-of-week", 4, 0x60), ("impossible", 5, 0x0B)],
)
@pytest.mark.parametrize("type_id", TAGGED)
def test_of_a_tag_nothing_else_changes(type_id: int, mode: str, place: int, bits: int) -> None:
    """Monday is 1 and Tuesday 2; June is 6 and the thirteenth month 13 (7.2.6.18)."""
    tag = time_tag(AT_S)
    wrong = tag[:place] + bytes((tag[place] ^ bits,)) + tag[place + 1 :]
    assert told("iec104-time", mode, event(type_id, tag)) == event(type_id, wrong)


def test_what_is_invalid_stays_so_and_summer_becomes_winter() -> None:
    tag = time_tag(AT_S, "Europe/Oslo")
    invalid = tag[:2] + bytes((tag[2] | 0x80,)) + tag[3:]
    assert told("iec104-time", "invalid", event(30, invalid)) == event(30, invalid)
    assert told("iec104-time", "summer-time", event(30, tag)) == event(30, tag[:3] + bytes((tag[3] & 0x7F,)) + tag[4:])


@pytest.mark.parametrize(("weekday", "wrong"), [(0, 1), (1, 2), (6, 7), (7, 1)])
def test_the_day_of_the_week_is_the_next_one(weekday: int, wrong: int) -> None:
    tags = [bytes(4) + bytes((15 | day << 5, 6, 26)) for day in (weekday, wrong)]
    assert told("iec104-time", "day-of-week", event(30, tags[0])) == event(30, tags[1])


@given(
    at_ms=st.integers(0, int(3_155_760_000e3) - 1),
    offset_ms=st.integers(-int(1e12), int(1e12)),
)
def test_an_offset_moves_the_time_day_of_week_and_all(at_ms: int, offset_ms: int) -> None:
    offset_s = offset_ms / 1000.0
    wrong = told("iec104-time", "offset", event(36, time_tag(at_ms / 1000.0), 1), offset_s=offset_s)
    assert wrong is not None
    shown = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms) + timedelta(milliseconds=offset_ms)
    shown = min(max(shown, datetime(1970, 1, 1, tzinfo=UTC)), datetime(2069, 12, 31, 23, 59, 59, 999_000, UTC))
    found = time_of(wrong[-7:])
    assert found is not None
    assert abs(found - shown.timestamp()) < 0.002  # a float of seconds is cut to whole milliseconds twice
    assert wrong[-3] >> 5 == datetime.fromtimestamp(found, UTC).isoweekday()


def test_an_offset_leaves_the_bits_beside_the_time() -> None:
    tag = time_tag(AT_S, "Europe/Oslo")
    flagged = tag[:2] + bytes((tag[2] | 0xC0,)) + tag[3:]
    later = time_tag(AT_S + 3600.0, "Europe/Oslo")
    assert told("iec104-time", "offset", event(30, flagged)) == event(
        30, later[:2] + bytes((later[2] | 0xC0,)) + later[3:]
    )


def test_what_is_no_time_cannot_be_moved() -> None:
    tag = bytes((0, 0, 0, 0, 31, 2, 26))
    assert told("iec104-time", "offset", event(30, tag)) == event(30, tag)


@pytest.mark.parametrize("mode", registry.fault("iec104-time").modes)
def test_nothing_but_events_is_gripped(mode: str) -> None:
    tag = time_tag(AT_S)
    for type_id in (*range(1, 30), *range(38, 128)):
        whole = unit(type_id, of(1000, b"\x01" + tag), of(1001, b"\x01" + tag))
        assert told("iec104-time", mode, whole) == whole
    assert made("iec104-time", mode).inward(event(30, tag), 0.0) == (event(30, tag), None)


@pytest.mark.parametrize("kind", ["iec104-data", "iec104-time"])
def test_data_units_that_another_fault_has_made_wrong_are_no_hindrance(kind: str) -> None:
    whole = event(36, time_tag(AT_S))
    for mode in registry.fault("iec104-data").modes:
        wrong = told("iec104-data", mode, whole)
        assert wrong is not None
        for further in registry.fault(kind).modes:
            assert told(kind, further, wrong)


def test_objects_that_cannot_be_told_apart_keep_their_tags() -> None:
    cut_short = event(36, time_tag(AT_S))[:-1]
    for mode in registry.fault("iec104-time").modes:
        assert told("iec104-time", mode, cut_short) == cut_short
