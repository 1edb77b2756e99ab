"""Outstations that keep too few events, or tell more than happen: what is lost is said, and what ends is over."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from dnp3_bench import EVERYTHING, Master, objects
from dnp3_rig import EVENTS, UNIX_S, Rig, point_of, rig
from py1815.application import FunctionCode, IIN2Bit, Response
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.way import Filter
from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.protocols.dnp3.assignments import Reporting

OVERFLOW = IIN2Bit.EVENT_BUFFER_OVERFLOW
CLASS_1 = bytes([60, 2, 6])


def fault(kind: str, mode: str = "", **parameters: Any) -> Filter:
    spec: Any = registry.fault(kind)
    return spec.filter(mode, spec.parameters(**parameters), 1)


def have(here: Rig, *filters: Filter) -> None:
    """Put filters on the seat as a step does it."""
    here.seat.filters = filters
    here.station.filtered = bool(filters)


def events(answer: list[Response]) -> list[tuple[int, int, bytes]]:
    return [(group, index, octets) for group, _, index, octets in objects(answer)]


def indicated(answer: list[Response]) -> bool:
    return bool(answer[-1].iin.second & OVERFLOW)


def moved(here: Rig, *voltages_v: float, at_s: float = UNIX_S) -> int:
    """Have a measurement move past its deadband again and again; return its index."""
    point = point_of(here, "voltage_l1_v", PointType.ANALOG_INPUT)
    for number, voltage_v in enumerate(voltages_v):
        here.refresh(at_s + number, **{point.quantity: voltage_v})
    return point.index


def master_of(here: Rig) -> Master:
    master = Master(here.station)
    master.ask(FunctionCode.READ, EVERYTHING)
    return master


# ----------------------------------------------------------------------------------------- overflow


def test_what_does_not_fit_is_lost_and_said_until_that_is_confirmed() -> None:
    here = rig("smart_meter", unsolicited=False)
    master = master_of(here)
    have(here, fault("dnp3-overflow", events=3))
    index = moved(here, *(200.0 + 10.0 * step for step in range(10)))
    unconfirmed = master.ask(FunctionCode.READ, EVENTS, confirm=False)
    assert indicated(unconfirmed)
    answer = master.ask(FunctionCode.READ, EVENTS)
    told = [struct.unpack("<i", octets[1:5])[0] for group, at, octets in events(answer) if (group, at) == (32, index)]
    assert len(told) == 3
    assert told == sorted(told)
    assert indicated(answer)
    again = master.ask(FunctionCode.READ, EVENTS)
    assert (events(again), indicated(again)) == ([], False)
    moved(here, 350.0, at_s=UNIX_S + 20.0)
    assert not indicated(master.ask(FunctionCode.READ, EVENTS)), "one event fits"


def test_what_is_there_when_the_buffers_shrink_is_lost_too_but_for_the_newest() -> None:
    here = rig("smart_meter", unsolicited=False)
    master = master_of(here)
    moved(here, *(200.0 + 10.0 * step for step in range(10)))
    assert not indicated(master.ask(FunctionCode.READ, CLASS_1))
    have(here, fault("dnp3-overflow"), fault("dnp3-overflow", events=2))
    answer = master.ask(FunctionCode.READ, EVENTS)
    assert indicated(answer)
    counted = Counter(here_class(here, group, index) for group, index, _ in events(answer))
    assert set(counted.values()) == {1}, "the smallest buffer holds"


def here_class(here: Rig, group: int, index: int) -> int:
    kind = PointType.ANALOG_INPUT if group == 32 else PointType.BINARY_INPUT
    section = here.table.sections[kind]
    return Reporting().class_of(section.points[section.position[index]])


def test_who_comes_meanwhile_has_small_buffers_too_and_all_have_large_ones_after() -> None:
    here = rig("smart_meter", unsolicited=False, event_buffer=100)
    first = master_of(here)
    have(here, fault("dnp3-overflow", events=2))
    second = Master(here.station, 3)
    second.ask(FunctionCode.READ, EVERYTHING)
    moved(here, *(200.0 + 10.0 * step for step in range(5)))
    for master in (first, second):
        assert indicated(master.ask(FunctionCode.READ, EVENTS))
    have(here)
    moved(here, *(310.0 + 10.0 * step for step in range(5)), at_s=UNIX_S + 10.0)
    third = Master(here.station, 4)
    third.ask(FunctionCode.READ, EVERYTHING)
    for master in (first, second):
        answer = master.ask(FunctionCode.READ, EVENTS)
        assert not indicated(answer)
        assert sum(group == 32 for group, _, _ in events(answer)) >= 5
    assert {each.events.capacity for each in here.outstation._associations.values()} == {100}


def test_buffers_are_never_larger_than_the_site_has_them() -> None:
    here = rig("smart_meter", unsolicited=False, event_buffer=2)
    master = master_of(here)
    have(here, fault("dnp3-overflow", events=50))
    moved(here, *(200.0 + 10.0 * step for step in range(5)))
    assert indicated(master.ask(FunctionCode.READ, EVENTS))


# -------------------------------------------------------------------------------------------- storm


def polled(master: Master) -> Iterator[tuple[int, int, bytes]]:
    while found := events(master.ask(FunctionCode.READ, EVENTS)):
        yield from found


def reported(here: Rig, kind: PointType) -> list[Point]:
    return [point for point in here.table.sections[kind].points if Reporting().class_of(point)]


@pytest.mark.parametrize("rate", [0.5, 3.0, 40.0])
@pytest.mark.parametrize(("mode", "group"), [("chattering", 2), ("measurements", 32)])
def test_as_many_events_are_told_as_the_rate_says_of_all_points_in_turn(mode: str, group: int, rate: float) -> None:
    here = rig("smart_meter", unsolicited=False)
    kind = PointType.ANALOG_INPUT if group == 32 else PointType.BINARY_INPUT
    inputs = here.table.sections[kind].points
    master = master_of(here)
    have(here, fault("dnp3-storm", mode, events_per_s=rate))
    told: list[tuple[int, int, bytes]] = []
    seconds = max(20, ceil(len(inputs) / rate))  # all of them, since many in a row may be in no class
    for second in range(1, seconds + 1):
        here.refresh(UNIX_S + second)
        told += polled(master)
    assert {each[0] for each in told} == {group}
    silent = len(inputs) - len(reported(here, kind))
    assert rate * seconds * (1 - silent / len(inputs)) - len(inputs) <= len(told) <= rate * seconds + 1
    if rate == 40.0:
        assert {index for _, index, _ in told} == {point.index for point in reported(here, kind)}
    times = [int.from_bytes(octets[-6:], "little") for _, _, octets in told]
    assert times == sorted(times)
    assert times[0] > UNIX_S * 1000
    assert times[-1] <= (UNIX_S + seconds) * 1000


def test_contacts_chatter_and_end_a_step_as_they_are_and_measurements_are_as_they_are() -> None:
    here = rig("smart_meter", unsolicited=False)
    master = master_of(here)
    static = {(g, i): o for g, i, o in events(master.ask(FunctionCode.READ, bytes([1, 2, 6, 30, 1, 6])))}
    for mode in ("chattering", "measurements"):
        have(here, fault("dnp3-storm", mode, events_per_s=400.0))
        here.refresh(here.table.unix_s + 1.0)
        told: dict[int, list[bytes]] = {}
        for _, index, octets in polled(master):
            told.setdefault(index, []).append(octets[:-6])
        assert told
        for index, each in told.items():
            if mode == "measurements":
                assert set(each) == {static[30, index]}
            else:
                assert each[-1] == static[1, index]
                assert all(a[0] ^ b[0] == 0x80 for a, b in pairwise(each)), "each is a change"


def test_a_storm_comes_unsolicited_to_who_has_enabled_that_and_fills_the_buffers_of_others() -> None:
    here = rig("smart_meter", event_buffer=20)
    enabled, other = Master(here.station, 1), Master(here.station, 3)
    for master in (enabled, other):
        for each in (*master.heard(), *master.wait(0.0)):
            master.confirm(each)
        master.settle()
        master.ask(FunctionCode.READ, EVERYTHING)
    enabled.ask(FunctionCode.ENABLE_UNSOLICITED, EVENTS)
    have(here, fault("dnp3-storm", "measurements", events_per_s=200.0))
    here.refresh(UNIX_S + 1.0)
    came = enabled.wait(0.0)
    assert came
    assert all(each.unsolicited for each in came)
    assert other.wait(0.0) == []
    answer = other.ask(FunctionCode.READ, EVENTS)
    assert indicated(answer)
    assert len(events(answer)) > 20


@pytest.mark.parametrize(
    ("off_s", "last_s"), [(-3_600.0, UNIX_S - 3_599.0), (60.0, UNIX_S + 61.0), (-UNIX_S - 1.0, 0.0)]
)
def test_events_that_did_not_happen_have_time_tags_as_others_have(off_s: float, last_s: float) -> None:
    """A time tag that is off, of a clock that is right; there is none before 1970."""
    here = rig("smart_meter", unsolicited=False)
    master = master_of(here)
    Clock([(here.table.clocks, 0)]).put_off(1, lambda unix_s: off_s, tags_only=True)
    have(here, fault("dnp3-storm", "measurements", events_per_s=10.0))
    here.refresh(UNIX_S + 1.0)
    times = [int.from_bytes(octets[-6:], "little") for _, _, octets in polled(master)]
    assert times[-1] == last_s * 1000
    assert all(0 <= last_s * 1000 - each < 1000 for each in times)


def test_a_step_tells_no_more_than_its_bound_and_events_before_the_first_master_are_nobodys() -> None:
    here = rig("smart_meter", unsolicited=False, event_buffer=5_000)
    have(here, fault("dnp3-storm", "measurements", events_per_s=1_000.0))
    here.refresh(UNIX_S + 3_600.0)
    master = master_of(here)
    assert list(polled(master)) == []
    here.refresh(UNIX_S + 7_200.0)
    told = list(polled(master))
    inputs = here.table.sections[PointType.ANALOG_INPUT].points
    share = len(reported(here, PointType.ANALOG_INPUT)) / len(inputs)
    assert 1_000 * share - len(inputs) <= len(told) <= 1_000


def test_a_storm_that_is_over_and_a_device_nobody_reaches_tell_nothing() -> None:
    here = rig("smart_meter", unsolicited=False)
    master = master_of(here)
    have(here, fault("dnp3-storm", "chattering", events_per_s=100.0))
    here.seat.reachable = False
    here.refresh(UNIX_S + 1.0)
    here.seat.reachable = True
    have(here)
    here.refresh(UNIX_S + 2.0)
    assert list(polled(master)) == []
    assert not here.table.followers


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("dnp3-overflow", {"events": 0}),
        ("dnp3-overflow", {"events": 1.5}),
        ("dnp3-storm", {"events_per_s": 0.0}),
        ("dnp3-storm", {"events_per_s": 1_001.0}),
        ("dnp3-storm", {"events_per_s": float("nan")}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.fault(kind).parameters(**parameters)
