"""A meter without supply: it says so once, is off the network, and says that it is back."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from dnp3_bench import EVERYTHING, objects
from dnp3_bench import Master as Dnp3Master
from py1815.application import FunctionCode

from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.reach import out_of_reach
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

METERS = """\
  m:
    kind: smart_meter
    count: 2
    feeder: east
    ratings: {{last_gasp_s: {last_s}}}
    endpoints: [{{protocol: dnp3}}, {{protocol: iec104, station: rtu}}]
  other: {{kind: smart_meter, count: 1, feeder: west, ratings: {{last_gasp_s: 3}}, endpoints: [{{protocol: modbus}}]}}
"""
STATIONS = "stations:\n  rtu: {protocol: iec104}\n"
EVENTS = bytes([60, 2, 6, 60, 3, 6, 60, 4, 6])
FAILURE = 51_108
"""Binary input of ``power_failure_alarm`` in the vendor range of the point list."""

Made = Callable[..., SiteLayout]


def _course(pilot: Pilot, steps: int, dt_s: float = 1.0) -> list[tuple[bool, float]]:
    """By steps: whether the first meter can be reached, and whether it says that its supply has failed."""
    seen = []
    for _ in range(steps):
        pilot.step(dt_s)
        seen.append((pilot.ways.reachable("m", 0), pilot.farm.device("m-001").value("power_failure_alarm")))
    return seen


@pytest.mark.parametrize("last_s", [0.0, 1.0, 3.0])
def test_a_meter_lasts_as_long_as_its_rating_says_and_is_back_before_it_says_so(
    make_layout: Made, last_s: float
) -> None:
    pilot = Pilot(make_layout(METERS.format(last_s=last_s), stations=STATIONS))
    outage = pilot.farm.faults.add("outage", {"feeder": "east"})
    seen = _course(pilot, 7)
    lasting = last_s or math.inf
    assert seen == [(k < lasting, 1.0) for k in range(7)]
    assert out_of_reach(pilot.farm.faults, pilot.farm.population) == ({("m", 0), ("m", 1)} if last_s else set())
    assert pilot.ways.reachable("other", 0)
    pilot.farm.faults.clear(outage.id)
    assert _course(pilot, 2) == [(True, 1.0 if last_s else 0.0), (True, 0.0)]


def test_each_meter_lasts_as_long_as_its_own_capacitor(make_layout: Made) -> None:
    ratings = "ratings: {last_gasp_s: {choice: [1, 2, 4]}}"
    pilot = Pilot(make_layout(f"  m: {{kind: smart_meter, count: 12, feeder: east, {ratings}, endpoints: []}}\n"))
    lasts_s = pilot.farm.groups["m"].layout.ratings["last_gasp_s"]
    assert set(lasts_s.tolist()) == {1.0, 2.0, 4.0}
    pilot.farm.faults.add("outage", {"feeder": "east"}, duration_s=6.0)
    for k in range(8):
        pilot.step(1.0)
        assert [pilot.ways.reachable("m", row) for row in range(12)] == [k >= 6 or k < each for each in lasts_s]


def test_a_meter_that_lasts_for_less_than_a_step_is_heard_all_the_same(make_layout: Made) -> None:
    pilot = Pilot(make_layout(METERS.format(last_s=5.0), stations=STATIONS))
    pilot.farm.faults.add("outage", {"feeder": "east"}, duration_s=180.0)
    assert _course(pilot, 6, 60.0) == [(True, 1.0), (False, 1.0), (False, 1.0), (True, 1.0), (True, 0.0), (True, 0.0)]


def test_a_master_hears_the_last_gasp_with_its_time_and_after_it_that_the_supply_is_back(make_layout: Made) -> None:
    pilot = Pilot(make_layout(METERS.format(last_s=2.0), stations=STATIONS))
    place = next(each for each in pilot.images.places if each.layout.protocol == "dnp3")

    def master() -> Dnp3Master:
        return Dnp3Master(place.station, 1, outstation=place.placed[0].seat.address)  # type: ignore[arg-type]

    def heard(by: Dnp3Master) -> list[tuple[bool, int]]:
        """The events of the alarm: whether it stands, and since when [ms since 1970]."""
        told = [each for each in by.ask(FunctionCode.READ, EVENTS) if not each.control.uns]
        found = [octets for group, _, index, octets in objects(told) if (group, index) == (2, FAILURE)]
        return [(bool(octets[0] & 0x80), int.from_bytes(octets[1:7], "little")) for octets in found]

    first = master()
    first.settle()
    first.ask(FunctionCode.READ, EVERYTHING)
    pilot.farm.faults.add("outage", {"feeder": "east"}, duration_s=5.0)
    pilot.step(1.0)
    failed_ms = round(pilot.farm.unix_s * 1_000.0)
    assert heard(first) == [(True, failed_ms)]
    for _ in range(5):
        pilot.step(1.0)
    assert first.link.closed
    assert pilot.ways.reachable("m", 0)
    again = master()
    again.settle()
    heard(again)
    pilot.step(1.0)
    assert heard(again) == [(False, round(pilot.farm.unix_s * 1_000.0))]


def test_an_rtu_keeps_what_it_knew_of_a_meter_that_is_dark_as_not_topical(make_layout: Made) -> None:
    pilot = Pilot(make_layout(METERS.format(last_s=1.0), stations=STATIONS))
    placed = next(
        each for place in pilot.images.places if place.layout.name == "rtu" for each in place.placed if each.row == 0
    )
    pilot.farm.faults.add("outage", {"feeder": "east"}, duration_s=3.0)
    known, seen = placed.image.known, []
    assert known is not None
    for _ in range(6):
        pilot.step(1.0)
        marks = known.quality.get("power_failure_alarm")
        old = marks is not None and bool(marks[0] & Quality.NOT_TOPICAL)
        seen.append((float(known.columns["power_failure_alarm"][0]), old))
    assert seen == [(1.0, False), (1.0, True), (1.0, True), (1.0, False), (0.0, False), (0.0, False)]
