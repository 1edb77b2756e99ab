"""A flood of events, from what a device shows, and through the station to its masters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iec104_bench import START_S, Bench, Master, spec_of

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.way import Object, Restless
from pilotfarm.emulators.protocols.iec60870.times import time_of

OFF_ON: list[Object] = [(1, b"\xe8\x03\0\0"), (1, b"\xe9\x03\0\x01"), (3, b"\x4c\x04\0\x02"), (13, b"\xd0\x07\0AAAA\0")]
"""Two single points, a double point and a measurement."""
METER = spec_of(("voltage_l1_v", "grid_switch", "online", "energy_exported_wh"))
MODES = registry.fault("iec104-flood").modes


STATES = OFF_ON[:3]


def shown(mode: str) -> list[Object]:
    return [each for each in OFF_ON if each[0] in flood(mode).types]


def flood(mode: str, events_per_s: float = 10.0) -> Restless:
    spec: Any = registry.fault("iec104-flood")
    made = spec.filter(mode, spec.parameters(events_per_s=events_per_s), 1)
    assert isinstance(made, Restless)
    assert (made.inward(b"\x2d", 0.0), made.outward(b"\x2d", 0.0)) == ((b"\x2d", None), b"\x2d")
    return made


@given(
    mode=st.sampled_from(MODES),
    events_per_s=st.floats(0.01, 1_000.0),
    steps_s=st.lists(st.floats(0.01, 5.0), min_size=1, max_size=20),
)
def test_as_many_are_told_as_the_rate_says_at_times_in_their_step(
    mode: str, events_per_s: float, steps_s: list[float]
) -> None:
    each, at_s, total = flood(mode, events_per_s), START_S, 0
    for dt_s in steps_s:
        told = list(each.unasked(shown(mode), at_s, at_s + dt_s))
        times = [time_s for _, time_s in told]
        assert times == sorted(times)
        assert all(at_s < time_s <= at_s + dt_s for time_s in times)
        at_s, total = at_s + dt_s, total + len(told)
        assert len(told) <= 1_000
    assert total == pytest.approx(events_per_s * sum(steps_s), abs=1.001) or events_per_s * max(steps_s) > 999


def test_there_is_a_bound_to_what_one_step_has() -> None:
    assert len(list(flood("states", 1_000.0).unasked(STATES, 0.0, 900.0))) == 1_000
    assert list(flood("measurements").unasked([], 0.0, 900.0)) == []


def test_objects_take_turns() -> None:
    each, seen = flood("states", 1.0), Counter[bytes]()
    for second in range(30):
        seen.update(octets for (_, octets), _ in each.unasked(STATES, second, second + 1.0))
    assert seen == {octets: 10 for _, octets in STATES}


@given(count=st.integers(1, 40))
def test_a_contact_that_chatters_ends_as_it_is(count: int) -> None:
    told: dict[bytes, list[bytes]] = {}
    for (_, octets), _ in flood("chattering", float(count)).unasked(STATES, 0.0, 1.0):
        told.setdefault(octets[:3], []).append(octets)
    turned = {b"\xe8\x03\0": b"\xe8\x03\0\x01", b"\xe9\x03\0": b"\xe9\x03\0\0", b"\x4c\x04\0": b"\x4c\x04\0\x01"}
    right = {octets[:3]: octets for _, octets in STATES}
    for ioa, octets in told.items():
        wanted = [right[ioa] if left % 2 == 0 else turned[ioa] for left in range(len(octets))][::-1]
        assert octets == wanted


# --------------------------------------------------------------------------------------- the station


def flooded(mode: str, events_per_s: float = 10.0, **options: Any) -> Bench:
    bench = Bench(2, METER, **options)
    put(bench, flood(mode, events_per_s))
    return bench


def put(bench: Bench, *filters: Restless) -> None:
    """Have filters at the first device, as faults have them put there."""
    bench.seats[0].filters = filters
    bench.station.filtered = bool(filters)


@pytest.mark.parametrize(("mode", "types"), [("states", {30, 31}), ("measurements", {36})])
def test_a_master_is_told_all_of_it_and_nothing_of_other_devices(mode: str, types: set[int]) -> None:
    bench = flooded(mode)
    master = Master(bench)
    bench.step()  # the first that the station hears of
    master.pull()
    master.heard()
    bench.step(2.0)
    master.pull()
    told = master.heard()
    assert {(each.type, each.cause, each.address) for each in told} == {(kind, 3, 1) for kind in types}
    if mode == "states":
        assert sum(each.count for each in told) == 20
    else:
        assert sum(each.count for each in told) == 1, "of a measurement the newest waits"


def test_a_flood_is_as_the_device_shows_and_tagged_within_its_step() -> None:
    bench = flooded("states", 4.0)
    master = Master(bench)
    bench.step()
    master.pull()
    master.heard()
    bench.step(1.0)
    master.pull()
    told = master.heard()
    states = {octets for _, octets in bench.table.objects(0, (1, 3))}
    times = []
    for each in told:
        size = len(each.body) // each.count
        for at in range(0, len(each.body), size):
            assert each.body[at : at + size - 7] in states
            times.append(time_of(each.body[at + size - 7 : at + size]))
    assert sorted(times) == [bench.unix_s - back for back in (0.75, 0.5, 0.25, 0.0)]


def test_every_started_master_is_told_and_who_comes_later_finds_it_kept() -> None:
    bench = flooded("states")
    masters = [Master(bench), Master(bench)]
    bench.step()
    bench.step()
    counts = []
    for master in masters:
        master.pull()
        counts.append(sum(each.count for each in master.heard() if each.cause == 3))
    assert counts == [10, 10]
    for master in masters:
        master.engine.hang_up(0.0)
    bench.step()
    assert bench.station.waiting_events == 10


def test_a_flood_ends_with_its_fault_and_leaves_a_station_that_never_had_it() -> None:
    bench, plain = flooded("chattering"), Bench(2, METER)
    masters = [Master(bench), Master(plain)]
    for each in (bench, plain):
        each.step()
        each.step()
    for master in masters:
        master.pull()
        master.frames.clear()
    put(bench)
    for each in (bench, plain):
        each.set("grid_switch", 0, 0.0 if each.columns["grid_switch"][0] else 1.0)
        each.step()
    for master in masters:
        master.pull()
    told = [master.heard() for master in masters]
    assert told[0] == told[1]
    assert told[0]


def test_a_device_that_its_station_has_lost_tells_nothing() -> None:
    bench = flooded("states")
    master = Master(bench)
    bench.step()
    bench.reach(0, False)
    bench.step()
    master.pull()
    master.heard()
    bench.step()
    master.pull()
    assert master.heard() == []


def test_a_clock_that_is_off_stamps_the_flood_too() -> None:
    bench = flooded("states", 1.0)
    master = Master(bench)
    bench.step()
    master.pull()
    master.heard()
    Clock([(bench.table.clocks, 0)]).set(bench.unix_s + 60.0, bench.unix_s)
    bench.step()
    master.pull()
    (told,) = master.heard()
    assert time_of(told.body[-7:]) == bench.unix_s + 60.0


def test_a_queue_that_is_full_lets_the_oldest_go() -> None:
    bench = flooded("states", 1_000.0, event_queue=100)
    master = Master(bench)
    bench.step()
    bench.step()
    assert bench.station.waiting_events <= 100
    assert bench.station.lost_events >= 900
    master.pull()
    assert sum(each.count for each in master.heard()) <= 100 + 12


class Asked(Restless):
    """A filter that notes what it is asked."""

    types = (1, 3, 13, 15)

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[Object], float, float]] = []

    def unasked(self, shown: Sequence[Object], since_s: float, until_s: float) -> Iterable[tuple[Object, float]]:
        self.asked.append((shown, since_s, until_s))
        return ()


def test_a_filter_is_asked_once_a_step_with_all_of_its_types() -> None:
    bench, each = Bench(1, METER), Asked()
    put(bench, each)
    bench.step()
    assert each.asked == [], "nobody listens"
    Master(bench)
    began_s = bench.unix_s
    for dt_s in (1.0, 2.0, 0.0, 3.0):  # a second table of a station comes with the same time
        bench.step(dt_s)
    assert [asked[1:] for asked in each.asked] == [(began_s + 1.0, began_s + 3.0), (began_s + 3.0, began_s + 6.0)]
    assert {kind for kind, _ in each.asked[0][0]} == {1, 3, 13, 15}
    bench.station.filtered = False
    bench.step()
    assert len(each.asked) == 2
