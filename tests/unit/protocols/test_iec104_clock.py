"""Clock synchronisation (C_CS, IEC 60870-5-101, 7.4.7) that sets the clock of what answers, or refuses to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from iec104_bench import ACT, CON, SETPOINT, Bench, Master, float_element, unit

from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.protocols.iec60870.asdu import TEST_BIT, Asdu, Cause, Type
from pilotfarm.emulators.protocols.iec60870.times import time_tag

BROADCAST = 0xFFFF
WALL_S = 1_790_000_000.5


def rtu(n: int = 2, *, drift_ppm: float = 0.0, **options: str | float) -> tuple[Bench, Clock]:
    """A station of ``n`` devices with a clock of its own."""
    bench = Bench(n, **{"clock_command": "set", **options})
    clock = Clock([(bench.table.clocks, row) for row in range(n)], drift_ppm=drift_ppm, since_s=bench.unix_s)
    for seat in bench.seats:
        seat.stations_clock = clock
    return bench, clock


def tags(told: Sequence[Asdu]) -> list[bytes]:
    return [each.body[-7:] for each in told]


def happens(bench: Bench, row: int, master: Master, dt_s: float = 1.0) -> bytes:
    """Let a state change in a step, and return its time tag."""
    bench.set("fault_trip", row, 1.0 - bench.columns["fault_trip"][row])
    bench.step(dt_s)
    master.frames.clear()
    master.pull()
    (told,) = [each for each in master.heard() if each.type == Type.SINGLE_TAGGED]
    assert told.address == row + 1
    return told.body[-7:]


@pytest.mark.parametrize(("to", "by"), [(1, [1]), (2, [2]), (BROADCAST, [1, 2])])
def test_a_master_sets_the_one_clock_of_an_rtu_at_any_of_its_addresses(to: int, by: list[int]) -> None:
    bench, clock = rtu()
    master, before_s = Master(bench), bench.unix_s
    told = master.ask(Type.CLOCK, ACT, to, 0, time_tag(WALL_S))
    assert [(each.cause, each.negative, each.address) for each in told] == [(CON, False, each) for each in by]
    assert set(tags(told)) == {time_tag(before_s)}, "what it showed before"
    assert clock.shown_s(before_s) == WALL_S
    assert [happens(bench, row, master) for row in (0, 1)] == [time_tag(WALL_S + 1.0), time_tag(WALL_S + 2.0)]
    again = master.ask(Type.CLOCK, ACT, 1, 0, time_tag(WALL_S - 60.0))
    assert tags(again) == [time_tag(WALL_S + 2.0)]
    assert tags(master.ask(Type.CLOCK, ACT, 2, 0, time_tag(WALL_S))) == [time_tag(WALL_S - 60.0)], "within the step"
    assert bench.table.unix_s == before_s + 2.0


def test_confirmations_that_wait_for_the_master_show_the_time_before_all_the_same() -> None:
    bench, _ = rtu(20)
    master = Master(bench, acknowledges=False)
    before_s = bench.unix_s
    told = master.ask(Type.CLOCK, ACT, BROADCAST, 0, time_tag(WALL_S))
    assert len(told) == 12, "k"
    bench.step()
    master.acknowledge()
    told += [each for each in master.heard() if each.type == Type.CLOCK]
    assert (len(told), set(tags(told))) == (20, {time_tag(before_s)})


def test_once_confirmed_for_all() -> None:
    bench, clock = rtu(broadcast_confirm="once")
    (told,) = Master(bench).ask(Type.CLOCK, ACT, BROADCAST, 0, time_tag(WALL_S))
    assert (told.cause, told.negative, told.address, clock.shown_s(bench.unix_s)) == (CON, False, BROADCAST, WALL_S)


def test_a_clock_that_is_set_drifts_on() -> None:
    bench, _ = rtu(drift_ppm=-1_000.0)
    master = Master(bench)
    assert happens(bench, 0, master, 100.0) == time_tag(bench.unix_s - 0.1)
    master.ask(Type.CLOCK, ACT, 1, 0, time_tag(WALL_S))
    assert happens(bench, 1, master, 100.0) == time_tag(WALL_S + 99.9)


@pytest.mark.parametrize(
    ("tag", "zone"),
    [
        (time_tag(WALL_S)[:2] + bytes((time_tag(WALL_S)[2] | 0x80,)) + time_tag(WALL_S)[3:], "UTC"),  # IV
        (b"\x00\x00\x00\x08\x1f\x02\x1a", "UTC"),  # 31 February 2026
        (b"\x00\x00\x00\x08\x00\x02\x1a", "UTC"),  # day 0
        (b"\x00\x00\x00\x08\x01\x0d\x1a", "UTC"),  # month 13
        (b"\x00\x00\x00\x18\x01\x02\x1a", "UTC"),  # 24 o'clock
        (b"\x00\x00\x3c\x08\x01\x02\x1a", "UTC"),  # minute 60
        (b"\x60\xea\x00\x08\x01\x02\x1a", "UTC"),  # 60,000 ms
        (b"\x00\x00\x00\x08\x01\x02\x64", "UTC"),  # year 100
        (bytes(7), "UTC"),
        (b"\x00\x00\x00\x00\x01\x01\x46", "Europe/Oslo"),  # midnight of 1 January 1970 in Oslo is still 1969 in UTC
    ],
)
@pytest.mark.parametrize("test", [0, TEST_BIT])
def test_an_invalid_time_is_refused_as_it_came_and_the_clock_goes_on(tag: bytes, zone: str, test: int) -> None:
    bench, clock = rtu(time_zone=zone)
    clock.set(WALL_S, bench.unix_s)
    for to, by in ((2, [2]), (BROADCAST, [1, 2])):
        told = Master(bench).send(unit(Type.CLOCK, ACT | test, to, 0, tag))
        assert [(each.cause, each.negative, each.address) for each in told] == [(CON, True, each) for each in by]
        assert set(tags(told)) == {tag}
    assert clock.shown_s(bench.unix_s) == WALL_S
    assert bench.station.traffic.refusals == {"negative_confirmation": 2}


@pytest.mark.parametrize("shown_s", [0.0, 951_782_400.0, 3_155_759_999.0])
def test_a_wrong_time_is_believed(shown_s: float) -> None:
    """Also one that began a century ago, a leap day, and the last one that two digits tell."""
    bench, clock = rtu()
    master = Master(bench)
    assert not master.ask(Type.CLOCK, ACT, 1, 0, time_tag(shown_s))[0].negative
    assert clock.shown_s(bench.unix_s) == shown_s


def test_a_time_in_the_zone_of_the_station_is_taken_by_its_summer_time_bit() -> None:
    bench, clock = rtu(time_zone="Europe/Oslo")
    for shown_s in (1_782_000_000.0, 1_797_000_000.0):  # June and December 2026
        Master(bench).ask(Type.CLOCK, ACT, 1, 0, time_tag(shown_s, "Europe/Oslo"))
        assert clock.shown_s(bench.unix_s) == shown_s


def test_the_test_bit_rehearses() -> None:
    bench, clock = rtu()
    (told,) = Master(bench).send(unit(Type.CLOCK, ACT | TEST_BIT, 1, 0, time_tag(WALL_S)))
    assert (told.negative, told.test, tags([told])) == (False, True, [time_tag(bench.unix_s)])
    assert clock.off_s(bench.unix_s) == 0.0


@pytest.mark.parametrize("options", [{}, {"clock_command": "ignore"}])
def test_by_default_every_time_is_confirmed_and_nothing_set(options: dict[str, str]) -> None:
    bench = Bench(**options)
    for tag in (time_tag(WALL_S), bytes(7)):
        (told,) = Master(bench).ask(Type.CLOCK, ACT, 1, 0, tag)
        assert (told.cause, told.negative, told.body[-7:]) == (CON, False, time_tag(bench.unix_s))
    assert bench.table.clocks == {}


def test_the_age_of_commands_is_judged_by_the_clock_as_it_was_set() -> None:
    bench, _ = rtu(command_max_age_s=5.0)
    master = Master(bench)
    master.ask(Type.CLOCK, ACT, 1, 0, time_tag(WALL_S))
    for age_s, cause in ((4.0, CON), (6.0, None)):
        told = master.ask(Type.SETPOINT_TAGGED, ACT, 1, SETPOINT, float_element(5.0) + time_tag(WALL_S - age_s))
        assert (told[0].cause if not told[0].negative else None) == cause


def test_cyclic_values_and_return_information_keep_the_time_of_the_site() -> None:
    """A clock set an hour back does not hold up what is due by the site."""
    bench, _ = rtu(cyclic_s=2.0)
    master = Master(bench)
    bench.step()
    master.ask(Type.CLOCK, ACT, 1, 0, time_tag(bench.unix_s - 3_600.0))
    bench.step(2.0)
    master.frames.clear()
    master.pull()
    assert any(each.cause == Cause.CYCLIC for each in master.heard())
