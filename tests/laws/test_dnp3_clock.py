"""A master of DNP3 sets the clock of a device: over serial lines and LAN, for all its masters, asked for or not."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from dnp3_bench import Master, objects
from dnp3_rig import ALL_COUNTERS, CLASS_0, EVENTS, UNIX_S, Rig, rig
from py1815.application import FunctionCode, Response

from pilotfarm.emulators.contracts.clock import Clock

NEED_TIME, PARAMETER_ERROR = 0x10, 0x04
WALL_S = 1_790_000_000.5
LAST_MS = 4_102_444_799_999


def outstation(*, drift_ppm: float = 0.0, **options: object) -> tuple[Rig, Clock, Master]:
    here = rig("smart_meter", unsolicited=False, **options)
    clock = Clock([(here.table.clocks, 0)], drift_ppm=drift_ppm, since_s=UNIX_S)
    here.device.clock = clock  # type: ignore[attr-defined]
    master = Master(here.station)
    master.ask(FunctionCode.READ, CLASS_0)
    return here, clock, master


def time_of(unix_ms: int, variation: int = 1) -> bytes:
    return bytes([50, variation, 7, 1]) + unix_ms.to_bytes(6, "little")


def writes(master: Master, unix_ms: int, variation: int = 1) -> Response:
    (answer,) = master.ask(FunctionCode.WRITE, time_of(unix_ms, variation))
    return answer


def told_ms(answer: Sequence[Response]) -> list[int]:
    return [int.from_bytes(octets[-6:], "little") for *_, octets in objects(answer)]


def asks(master: Master) -> bool:
    (answer,) = master.ask(FunctionCode.READ, bytes([30, 1, 0, 0, 0]))
    return bool(answer.iin.first & NEED_TIME)


def test_events_of_every_master_are_stamped_by_the_clock_as_it_was_set() -> None:
    here, clock, master = outstation(clock_command="set")
    other = Master(here.station, 2)
    other.ask(FunctionCode.READ, CLASS_0)
    here.refresh(UNIX_S, cover_open_alarm=1.0)
    assert writes(master, round(WALL_S * 1000.0)).iin.second == 0
    assert clock.shown_s(UNIX_S) == WALL_S
    here.refresh(UNIX_S + 2.0, cover_open_alarm=0.0)
    wanted = [round(UNIX_S * 1000.0), round((WALL_S + 2.0) * 1000.0)]
    for each in (master, other):
        assert told_ms(each.ask(FunctionCode.READ, EVENTS)) == wanted, "what was before keeps its time"


def test_over_a_lan_the_time_counts_from_when_it_was_recorded() -> None:
    """The LAN procedure of IEEE 1815: record the current time, and write to group 50 variation 3 when that was sent."""
    _, clock, master = outstation(clock_command="set")
    master.ask(FunctionCode.RECORD_CURRENT_TIME)
    master.now_s += 0.75
    assert writes(master, round(WALL_S * 1000.0), 3).iin.second == 0
    assert clock.shown_s(UNIX_S) == WALL_S + 0.75
    assert writes(master, 1_000, 3).iin.second == PARAMETER_ERROR, "nothing was recorded since"
    assert clock.shown_s(UNIX_S) == WALL_S + 0.75


def test_freezes_between_two_steps_have_the_time_just_set_and_later_ones_its_drift() -> None:
    here, _, master = outstation(clock_command="set", drift_ppm=10_000.0)
    writes(master, round(WALL_S * 1000.0))
    for elapsed_s in (0.0, 100.0):
        here.refresh(UNIX_S + elapsed_s)
        master.ask(FunctionCode.IMMED_FREEZE, ALL_COUNTERS)
        frozen = [octets for *_, octets in objects(master.ask(FunctionCode.READ, bytes([21, 5, 6])))]
        assert {int.from_bytes(octets[5:], "little") for octets in frozen} == {
            round((WALL_S + 1.01 * elapsed_s) * 1000)
        }


@pytest.mark.parametrize("unix_ms", [0, 1_000, LAST_MS])
def test_a_wrong_time_is_believed(unix_ms: int) -> None:
    here, clock, master = outstation(clock_command="set", need_time=True)
    assert asks(master)
    answer = writes(master, unix_ms)
    assert (answer.iin.first & NEED_TIME, answer.iin.second) == (0, 0)
    assert clock.shown_s(UNIX_S) == unix_ms / 1000.0
    here.refresh(UNIX_S + 5.0, cover_open_alarm=1.0)
    assert told_ms(master.ask(FunctionCode.READ, EVENTS)) == [min(unix_ms + 5_000, LAST_MS)]


@pytest.mark.parametrize("variation", [1, 3])
@pytest.mark.parametrize("unix_ms", [LAST_MS + 1, 2**48 - 1])
def test_a_time_that_no_clock_shows_is_refused_and_still_asked_for(unix_ms: int, variation: int) -> None:
    here, clock, master = outstation(clock_command="set", need_time=True)
    if variation == 3:
        master.ask(FunctionCode.RECORD_CURRENT_TIME)
    answer = writes(master, unix_ms, variation)
    assert (answer.iin.first & NEED_TIME, answer.iin.second) == (NEED_TIME, PARAMETER_ERROR)
    assert (here.table.clocks, clock.off_s(UNIX_S)) == ({}, 0.0)
    assert here.station.traffic.refusals == {"parameter_error": 1}
    assert asks(master)


def test_a_time_that_is_too_short_is_refused() -> None:
    here, _, master = outstation(clock_command="set")
    (answer,) = master.ask(FunctionCode.WRITE, time_of(1_000)[:-1])
    assert answer.iin.second
    assert here.table.clocks == {}


@pytest.mark.parametrize("options", [{}, {"clock_command": "ignore"}])
@pytest.mark.parametrize("unix_ms", [1_000, 2**48 - 1])
def test_by_default_every_time_is_taken_and_moves_nothing(options: dict[str, object], unix_ms: int) -> None:
    here, _, master = outstation(**options)
    assert not asks(master)
    assert writes(master, unix_ms).iin.second == 0
    here.refresh(UNIX_S + 1e7)
    assert not asks(master)
    assert here.table.clocks == {}


def test_the_time_is_asked_for_again_by_every_answer_once_the_interval_has_passed() -> None:
    here, _, master = outstation(need_time_interval_s=60.0)
    other = Master(here.station, 2)
    for elapsed_s, wanted in ((0.0, False), (59.0, False), (60.0, True), (500.0, True)):
        here.refresh(UNIX_S + elapsed_s)
        assert [asks(each) for each in (master, other)] == [wanted, wanted], elapsed_s
    assert asks(Master(here.station, 3)), "one who comes now"
    writes(other, 1_000)
    for elapsed_s, wanted in ((500.0, False), (559.0, False), (560.0, True)):
        here.refresh(UNIX_S + elapsed_s)
        assert [asks(each) for each in (master, other)] == [wanted, wanted], elapsed_s


@pytest.mark.parametrize(("need_time", "from_s"), [(True, 0.0), (False, 60.0)])
def test_a_restart_begins_the_interval_anew_and_leaves_the_clock(need_time: bool, from_s: float) -> None:
    here, clock, master = outstation(clock_command="set", need_time=need_time, need_time_interval_s=60.0)
    here.refresh(UNIX_S + 30.0)
    writes(master, 5_000_000)
    here.refresh(UNIX_S + 89.0)
    assert not asks(master)
    master.ask(FunctionCode.WARM_RESTART)
    assert clock.shown_s(UNIX_S + 89.0) == 5_059.0
    for elapsed_s in (0.0, 59.0, 60.0):
        here.refresh(UNIX_S + 89.0 + elapsed_s)
        newcomer = Master(here.station, 2 + int(elapsed_s) // 59)
        assert [asks(each) for each in (master, newcomer)] == [elapsed_s >= from_s] * 2


def test_an_interval_without_an_answer_changes_no_class_of_events() -> None:
    """What is stamped after the clock was set once is not marked as of a clock that never was."""
    here, _, master = outstation(clock_command="set", need_time_interval_s=1.0)
    writes(master, 1_000)
    here.refresh(UNIX_S + 5.0, cover_open_alarm=1.0)
    (answer,) = master.ask(FunctionCode.READ, EVENTS)
    assert answer.iin.first & NEED_TIME
    assert [(group, variation) for group, variation, *_ in objects([answer])] == [(2, 2)]
    assert struct.unpack("<I", answer.body[-6:-2])[0] == 6_000
