"""What masters say of the events they are sent: classes of points, and deadbands."""

from __future__ import annotations

import struct

import pytest
from dnp3_bench import Master, objects
from dnp3_rig import ALL_COUNTERS, CLASS_0, EVENTS, UNIX_S, Rig, point_of, rig
from hypothesis import example, given, settings
from hypothesis import strategies as st
from py1815.application import FunctionCode

from pilotfarm.emulators import registry
from pilotfarm.emulators.plans.dnp3 import PointType

OBJECT_UNKNOWN, PARAM_ERROR = 0x02, 0x04
POWER, FREQUENCY, VOLTAGE = 537, 536, 547
ALL_OF = {0: bytes([60, 1, 6]), 1: bytes([60, 2, 6]), 2: bytes([60, 3, 6]), 3: bytes([60, 4, 6])}


def meter(masters: int = 4) -> tuple[Rig, list[Master]]:
    here = rig("smart_meter", unsolicited=False, masters=masters)
    here.refresh(frequency_hz=50.0, active_power_w=0.0)
    found = [Master(here.station, 1 + number) for number in range(min(masters, 2))]
    for master in found:
        master.settle()
    return here, found


def at(group: int, index: int) -> bytes:
    return struct.pack("<BBBHH", group, 0, 1, index, index)


def told(master: Master, number: int | None = None) -> list[tuple[int, int]]:
    """Group and index of each event that a master has not been told of, of a class or of all."""
    body = EVENTS if number is None else ALL_OF[number]
    return [(group, index) for group, _, index, _ in objects(master.ask(FunctionCode.READ, body))]


def second(master: Master, function: FunctionCode, body: bytes) -> int:
    (answer,) = master.ask(function, body)
    assert answer.body == b""
    return answer.iin.second


def assign(master: Master, body: bytes) -> int:
    return second(master, FunctionCode.ASSIGN_CLASS, body)


def write(master: Master, body: bytes) -> int:
    return second(master, FunctionCode.WRITE, body)


def deadband(index: int, value: float, variation: int = 1) -> bytes:
    layout = {1: "<HH", 2: "<HI", 3: "<Hf"}[variation]
    return bytes([34, variation, 0x28, 1, 0]) + struct.pack(layout, index, value)


# ------------------------------------------------------------------------------------ classes


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_point_with_events_has_the_class_a_master_gives_it(kind: str, number: int) -> None:
    here, groups = rig(kind, unsolicited=False), {PointType.BINARY_INPUT: 2, PointType.ANALOG_INPUT: 32}
    master, other = Master(here.station, 1), Master(here.station, 2)
    for each in (master, other):
        each.ask(FunctionCode.READ, CLASS_0)
    assert assign(master, ALL_OF[number] + bytes([1, 0, 6, 30, 0, 6])) == 0
    inputs = [p for p in here.plan.points if p.type in (PointType.ANALOG_INPUT, PointType.BINARY_INPUT)]
    worked_out = {(groups[p.type], p.index) for p in inputs if p.meaning}
    inputs = [p for p in inputs if not p.meaning]
    moved = {p.quantity: 1.0 - here.columns[p.quantity][0] for p in inputs if p.type is PointType.BINARY_INPUT}
    moved |= {p.quantity: here.columns[p.quantity][0] + 1e6 for p in inputs if p.type is PointType.ANALOG_INPUT}
    here.refresh(UNIX_S + 1.0, **moved)
    for each in (1, 2, 3):
        wanted = sorted((groups[p.type], p.index) for p in inputs) if each == number else []
        assert sorted(set(told(master, each)) - worked_out) == wanted, "points of class 0, such as ratings, too"
        usual = sorted((groups[p.type], p.index) for p in inputs if p.event_class == each)
        assert sorted(set(told(other, each)) - worked_out) == usual, "another master's are as they were"


def test_classes_are_given_point_by_point_and_hold_from_then_on() -> None:
    here, (master, _) = meter()
    cover = point_of(here, "cover_open_alarm", PointType.BINARY_INPUT).index
    here.refresh(frequency_hz=51.0)
    body = ALL_OF[1] + at(30, FREQUENCY) + at(30, POWER) + ALL_OF[3] + at(1, cover)
    assert assign(master, body) == 0
    here.refresh(frequency_hz=52.0, active_power_w=9e5, voltage_l1_v=999.0, cover_open_alarm=1.0)
    assert told(master, 1) == [(32, FREQUENCY), (32, POWER)]
    assert sorted(told(master, 3)) == sorted([(32, FREQUENCY), (32, VOLTAGE), (2, cover)]), "one as of before"


def test_a_point_that_is_in_no_class_for_a_while_has_no_events_of_that_while() -> None:
    here, (master, _) = meter()
    cover = point_of(here, "cover_open_alarm", PointType.BINARY_INPUT).index
    here.refresh(cover_open_alarm=1.0, frequency_hz=52.0)
    assert sorted(told(master)) == [(2, cover), (32, FREQUENCY)]
    everything = bytes([1, 0, 6, 30, 0, 6])
    assert assign(master, ALL_OF[0] + everything) == 0
    here.refresh(cover_open_alarm=0.0, frequency_hz=53.0)
    assert told(master) == []
    assert assign(master, ALL_OF[2] + everything) == 0
    here.refresh(frequency_hz=53.01)
    assert told(master) == [], "measured from what stood when the class was given"
    here.refresh(cover_open_alarm=1.0, frequency_hz=53.03)
    assert sorted(told(master, 2)) == [(2, cover), (32, FREQUENCY)]


def test_events_of_freezes_have_the_class_a_master_gives_frozen_counters() -> None:
    here, (master, other) = meter()
    counters = [(23, point.index) for point in here.plan.of(PointType.COUNTER)]
    assert assign(master, ALL_OF[1] + at(21, 0) + ALL_OF[0] + at(21, 1)) == 0
    assert second(master, FunctionCode.IMMED_FREEZE, ALL_COUNTERS) == 0
    assert told(master, 1) == counters[:1]
    assert told(master, 3) == counters[2:]
    assert told(other, 3) == counters


@pytest.mark.parametrize(
    ("body", "bit"),
    [
        (b"", PARAM_ERROR),
        (bytes([30, 0, 6]), PARAM_ERROR),  # a class has to stand in front
        (bytes([60, 2, 0, 0, 5, 30, 0, 6]), PARAM_ERROR),  # of all
        (bytes([60, 5, 6, 30, 0, 6]), PARAM_ERROR),  # there is no class 4
        (ALL_OF[1] + bytes([30, 0, 0, 200, 210]), PARAM_ERROR),
        (ALL_OF[1] + bytes([20, 0, 6]), PARAM_ERROR),  # no events of counters
        (ALL_OF[1] + bytes([10, 0, 6]), PARAM_ERROR),
        (ALL_OF[1] + bytes([40, 0, 6]), PARAM_ERROR),
        (ALL_OF[0] + bytes([20, 0, 6, 10, 0, 6, 40, 0, 6]), 0),  # they have none already
        (ALL_OF[1] + bytes([30, 1, 6]), OBJECT_UNKNOWN),  # by variation 0 only
        (ALL_OF[1] + bytes([110, 0, 6]), OBJECT_UNKNOWN),
        (ALL_OF[1], 0),
    ],
)
def test_a_class_that_cannot_be_given_is_said_and_the_others_are(body: bytes, bit: int) -> None:
    here, (master, _) = meter()
    assert assign(master, body) == bit
    assert assign(master, body + ALL_OF[1] + at(30, FREQUENCY)) == (bit if body else 0)
    here.refresh(frequency_hz=53.0)
    assert told(master, 1) == [(32, FREQUENCY)]


def test_what_a_master_assigned_outlives_its_connection_and_not_a_restart() -> None:
    here, (master, _) = meter()
    assert assign(master, ALL_OF[1] + at(30, FREQUENCY)) == 0
    assert write(master, deadband(FREQUENCY, 5_000)) == 0
    master.link.hang_up(1.0)
    again = Master(here.station, 1, now_s=2.0)
    again.sequence = 7
    here.refresh(frequency_hz=56.0)
    assert told(again, 1) == [(32, FREQUENCY)]
    again.ask(FunctionCode.WARM_RESTART)
    here.refresh(frequency_hz=56.1)
    assert (told(again, 1), told(again, 3)) == ([], [(32, FREQUENCY)])


# ----------------------------------------------------------------------------------- deadbands


def test_deadbands_are_shown_as_the_point_list_has_them_until_they_are_written() -> None:
    here, (master, other) = meter()
    usual = here.table.deadbands(0)
    inputs = here.plan.of(PointType.ANALOG_INPUT)

    def shown(by: Master, variation: int) -> dict[int, float]:
        layout = {0: "<I", 1: "<H", 2: "<I", 3: "<f"}[variation]
        answer = by.ask(FunctionCode.READ, bytes([34, variation, 6]))
        return {index: struct.unpack(layout, octets)[0] for _, _, index, octets in objects(answer)}

    wanted = {point.index: width for point, width in zip(inputs, usual, strict=True)}
    assert max(wanted.values()) > 1.0
    for variation in (0, 1, 2):
        assert shown(master, variation) == {index: round(width) for index, width in wanted.items()}
    scales = {point.index: abs(point.scale) for point in inputs}
    assert shown(master, 3) == pytest.approx({index: width * scales[index] for index, width in wanted.items()})
    assert write(master, deadband(FREQUENCY, 70_000, 2) + deadband(POWER, 123)) == 0
    assert shown(master, 2) == {index: round(w) for index, w in wanted.items()} | {FREQUENCY: 70_000, POWER: 123}
    assert shown(master, 1)[FREQUENCY] == 65_535
    assert shown(other, 2) == {index: round(width) for index, width in wanted.items()}


@pytest.mark.parametrize(("variation", "value"), [(1, 100), (2, 100), (3, 0.1)])
def test_a_deadband_that_a_master_writes_is_measured_from_what_it_was_told_last(variation: int, value: float) -> None:
    here, (master, other) = meter()
    here.refresh(frequency_hz=50.03)
    assert told(master) == told(other) == [(32, FREQUENCY)]
    assert write(master, deadband(FREQUENCY, value, variation)) == 0
    for hz, mine, others in ((50.08, [], [(32, FREQUENCY)]), (50.13, [], [(32, FREQUENCY)])):
        here.refresh(frequency_hz=hz)
        assert (told(master), told(other)) == (mine, others)
    here.refresh(frequency_hz=50.131)
    assert (told(master), told(other)) == ([(32, FREQUENCY)], [])


def test_a_smaller_deadband_is_told_to_the_master_that_wrote_it_alone() -> None:
    here, (master, other) = meter()
    assert write(master, deadband(FREQUENCY, 4)) == 0
    later = Master(here.station, 3)
    later.settle()
    for hz, mine, others in ((50.004, 0, 0), (50.005, 1, 0), (50.010, 1, 0), (50.020, 1, 0), (50.021, 0, 1)):
        here.refresh(frequency_hz=hz)
        assert [len(told(each)) for each in (master, other, later)] == [mine, others, others], hz


def test_a_master_gone_leaves_no_deadband_behind() -> None:
    here, (master, *_) = meter(masters=1)
    assert write(master, deadband(FREQUENCY, 0)) == 0
    master.link.hang_up(1.0)
    successor = Master(here.station, 2, now_s=2.0)
    successor.settle()
    here.refresh(frequency_hz=50.01)
    assert told(successor) == []
    here.refresh(frequency_hz=50.03)
    assert told(successor) == [(32, FREQUENCY)]


def test_a_change_of_quality_is_told_whatever_the_deadband() -> None:
    here, (master, _) = meter()
    assert write(master, deadband(FREQUENCY, 60_000)) == 0
    here.refresh(quality=0x80, frequency_hz=50.0)
    assert told(master) == [(32, FREQUENCY)]


@pytest.mark.parametrize(
    ("body", "bit"),
    [
        (deadband(FREQUENCY, 5)[:-1], PARAM_ERROR),
        (bytes([34, 1, 0x28, 2, 0]) + deadband(FREQUENCY, 5)[5:], PARAM_ERROR),  # fewer than it says
        (deadband(FREQUENCY, -1.0, 3), PARAM_ERROR),
        (deadband(FREQUENCY, float("nan"), 3), PARAM_ERROR),
        (deadband(FREQUENCY, float("inf"), 3), PARAM_ERROR),
        (deadband(FREQUENCY, 5) + deadband(4_711, 5), PARAM_ERROR),  # no such point
        (deadband(FREQUENCY, 5) + bytes([34, 4, 0x17, 1, 0, 0]), OBJECT_UNKNOWN),
        (deadband(FREQUENCY, 5) + bytes([80, 1, 0, 7, 7, 0]), OBJECT_UNKNOWN),
        (deadband(FREQUENCY, 5) + bytes([34, 1, 0x5B]), PARAM_ERROR),
        (bytes([34, 1, 6]), PARAM_ERROR),  # of which points?
        (bytes([34, 1, 7, 1, 5, 0]), PARAM_ERROR),
        (bytes([34, 1, 1, 0, 0, 255, 255, 5, 0]), PARAM_ERROR),
        (bytes([34, 1, 1, 2, 0, 1, 0, 5, 0]), PARAM_ERROR),
    ],
)
def test_deadbands_that_cannot_be_are_refused_all_of_them(body: bytes, bit: int) -> None:
    here, (master, _) = meter()
    usual = here.table.deadbands(0)
    assert write(master, body) == bit
    here.refresh(frequency_hz=50.01)
    assert told(master) == []
    assert here.table.deadbands(0) == usual


def test_deadbands_are_written_by_range_too() -> None:
    _, (master, _) = meter()
    body = bytes([34, 2, 1]) + struct.pack("<HHII", FREQUENCY, POWER, 3, 4)
    assert write(master, body) == 0
    answer = master.ask(FunctionCode.READ, bytes([34, 2, 1]) + struct.pack("<HH", FREQUENCY, POWER))
    assert [(index, int.from_bytes(octets, "little")) for *_, index, octets in objects(answer)] == [
        (FREQUENCY, 3),
        (POWER, 4),
    ]


WIDTHS = st.integers(0, 60)
STEPS = st.lists(st.tuples(st.integers(-40, 40), st.none() | st.tuples(st.integers(0, 1), WIDTHS)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(STEPS)
@example([(1, (0, 0)), (0, (1, 0))])  # a deadband that what stands is already beyond
@example([(10, None), (5, (0, 14)), (0, (0, 3)), (0, None)])
def test_each_master_is_told_by_its_own_deadband_whatever_the_others_write(
    steps: list[tuple[int, tuple[int, int] | None]],
) -> None:
    here, masters = meter()
    value, widths, last = 50_000, [20, 20], [50_000, 50_000]
    for by, written in steps:
        if written is not None:
            who, width = written
            assert write(masters[who], deadband(FREQUENCY, width)) == 0
            widths[who] = width
        value += by
        here.refresh(frequency_hz=value / 1_000)
        for who, master in enumerate(masters):
            moved = abs(value - last[who]) > widths[who]
            assert told(master) == ([(32, FREQUENCY)] if moved else [])
            last[who] = value if moved else last[who]
