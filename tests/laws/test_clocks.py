"""Whose clock stamps what: a device has one over all protocols, an RTU one for all its devices."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from test_device_and_clock_faults import Ear

from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.protocols.iec60870.times import time_of
from pilotfarm.emulators.serving.images import Images, Placed
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

GROUPS = """\
  pv:
    kind: pv_generator
    count: 2
    feeder: east
    endpoints:
      - {protocol: iec104, station: north}
      - {protocol: iec104, station: south}
      - {protocol: iec104, ip: 127.9.0.1, options: {clock_command: set}}
      - {protocol: dnp3, ip: 127.9.1.1, options: {clock_command: set}}
  chargers:
    kind: ev_charger
    count: 2
    feeder: west
    ratings: {clock_drift_ppm: {choice: [10000]}}
    endpoints:
      - {protocol: iec104, station: north}
      - {protocol: modbus, map: alfen, station: gateway}
"""
STATIONS = """\
stations:
  north: {protocol: iec104, host: 127.9.2.1, clock_drift_ppm: -5000, options: {clock_command: set}}
  south: {protocol: iec104, host: 127.9.2.2, options: {clock_command: set}}
  gateway: {protocol: modbus, host: 127.9.2.3}
"""
DRIFT_PPM = {"chargers": 10_000.0, "north": -5_000.0}
Make = Callable[..., SiteLayout]


class Site:
    """A pilot, and an ear at every device of every station."""

    def __init__(self, make_layout: Make) -> None:
        self.pilot = Pilot(make_layout(GROUPS, stations=STATIONS))
        self.farm = self.pilot.farm
        self.placed = {
            (place.layout.name or place.layout.protocol, placed.group, placed.row): placed
            for place in self.pilot.images.places
            for placed in place.placed
        }
        self.ears: dict[tuple[str, str, int], Ear] = {}
        for key, placed in self.placed.items():
            if hasattr(placed.seat.table, "listen"):
                self.ears[key] = ear = Ear()
                placed.seat.table.listen(placed.row, ear, *([1] if placed.way.station.protocol == "iec104" else []))

    def offsets_s(self, dt_s: float = 900.0) -> dict[tuple[str, str, int], float]:
        """Take a step, and return by how much the tags of what moved in it are off."""
        for ear in self.ears.values():
            ear.tags, ear.times_ms = [], []
        self.pilot.step(dt_s)
        found = {}
        for key, ear in self.ears.items():
            shown = {time_of(tag) for tag in ear.tags} | {each / 1000.0 for each in ear.times_ms}
            (shown_s,) = shown
            assert shown_s is not None
            found[key] = round(shown_s - self.farm.unix_s, 3)
        return found

    def set(self, key: tuple[str, str, int], by_s: float) -> None:
        """Have a master set the clock at a place to what the site's time is, and so much more."""
        self.placed[key].seat.clock.set(self.farm.unix_s + by_s, self.farm.unix_s)


@pytest.fixture
def site(make_layout: Make) -> Site:
    return Site(make_layout)


def drifted(site: Site, since_s: float = 0.0) -> dict[tuple[str, str, int], float]:
    """By how much each place is off if nobody has done anything since."""
    time_s = site.farm.time_s - since_s
    return {key: round(DRIFT_PPM.get(key[0], 0.0) * 1e-6 * time_s, 3) for key in site.ears}


def test_an_rtu_stamps_by_its_own_clock_and_a_device_by_its_own(site: Site) -> None:
    found = site.offsets_s()
    assert found == drifted(site)
    assert found["north", "chargers", 0] == found["north", "pv", 1] == -4.505, "900 s after a warm-up of 1 s"
    assert [site.farm.device(f"chargers-00{n}").clock.off_s(site.farm.unix_s) for n in (1, 2)] == pytest.approx(
        [9.01] * 2
    )


@pytest.mark.parametrize("key", [("north", "pv", 0), ("north", "chargers", 1)])
def test_who_sets_an_rtu_at_one_of_its_devices_sets_it_for_all_and_for_nobody_else(
    site: Site, key: tuple[str, str, int]
) -> None:
    site.offsets_s()
    site.set(key, 3_600.0)
    found = site.offsets_s()
    assert {each for key, each in found.items() if key[0] == "north"} == {3_600.0 - 4.5}
    assert {each for key, each in found.items() if key[0] != "north"} == {0.0}


@pytest.mark.parametrize(("by", "other"), [("iec104", "dnp3"), ("dnp3", "iec104")])
def test_a_device_has_one_clock_over_all_protocols(site: Site, by: str, other: str) -> None:
    site.offsets_s()
    site.set((by, "pv", 1), -7_200.0)
    found = site.offsets_s()
    assert {key: each for key, each in found.items() if each == -7_200.0} == {
        (by, "pv", 1): -7_200.0,
        (other, "pv", 1): -7_200.0,
    }


def alfen_clock(placed: Placed) -> tuple[int, ...]:
    table = placed.seat.table
    start = table.plan.place(1, 168, 6)
    return struct.unpack(">6h", table.row(placed.row)[start : start + 12])


def test_a_register_map_with_a_clock_shows_the_devices_own(site: Site) -> None:
    placed = site.placed["gateway", "chargers", 0]
    for _ in range(4):
        site.pilot.step(900.0)
    assert alfen_clock(placed) == (2026, 6, 21, 9, 0, 37), "2026-06-21T09:00:01 UTC and 1 % of an hour and a second"
    placed.seat.clock.set(86_400.0 * 365.0, site.farm.unix_s)
    site.pilot.step(1.0)
    assert alfen_clock(placed) == (1971, 1, 1, 0, 0, 1)
    assert alfen_clock(site.placed["gateway", "chargers", 1])[0] == 2026


@pytest.mark.parametrize(
    ("target", "grips"),
    [
        ({"group": "pv"}, lambda name, group: group == "pv" and name in ("iec104", "dnp3")),
        ({"station": "north"}, lambda name, group: name == "north"),
        ({"station": ["north", "south"], "device": "pv-001"}, lambda name, group: name in ("north", "south")),
        ({"station": "gateway"}, lambda name, group: False),
        ({"protocol": "iec104", "group": "pv"}, lambda name, group: group == "pv" and name in ("iec104", "dnp3")),
    ],
)
def test_a_fault_grips_the_clocks_of_devices_or_of_the_rtu_that_it_names(
    site: Site, target: dict[str, object], grips: Callable[[str, str], bool]
) -> None:
    fault = site.farm.faults.add("clock-step", target, parameters={"step_s": 50.0})
    found = site.offsets_s()
    own = drifted(site)
    assert {key: round(found[key] - own[key], 3) for key in own} == {
        key: 50.0 if grips(key[0], key[1]) else 0.0 for key in own
    }
    chargers_s = [site.farm.device(name).clock.off_s(site.farm.unix_s) for name in ("chargers-001", "chargers-002")]
    assert chargers_s == pytest.approx([9.01 + (50.0 if target == {"station": "gateway"} else 0.0)] * 2)
    site.farm.faults.clear(fault.id)
    assert site.offsets_s() == drifted(site)


def test_a_fault_begins_and_ends_with_a_step(site: Site) -> None:
    fault = site.farm.faults.add("clock-step", {"device": "pv-001"}, parameters={"step_s": 50.0})
    clock = site.farm.device("pv-001").clock
    assert clock.off_s(site.farm.unix_s) == 0.0
    site.pilot.step(1.0)
    clock = site.farm.device("pv-001").clock
    assert clock.off_s(site.farm.unix_s) == 50.0
    site.farm.faults.clear(fault.id)
    assert clock.off_s(site.farm.unix_s) == 50.0
    site.pilot.step(1.0)
    assert clock.off_s(site.farm.unix_s) == 0.0
    assert 0 not in site.farm.groups["pv"].clocks


def test_a_master_heals_a_step_and_a_drift_goes_on_until_its_fault_ends(site: Site) -> None:
    faults = site.farm.faults
    faults.add("clock-step", {"device": "pv-001"}, parameters={"step_s": 50.0})
    drift = faults.add("clock-drift", {"device": "pv-001"}, parameters={"drift_ppm": 1_000.0})
    key = "dnp3", "pv", 0
    assert [site.offsets_s()[key] for _ in range(2)] == [50.0, 50.9]
    site.set(key, 0.0)
    assert [site.offsets_s()[key] for _ in range(2)] == [0.9, 1.8]
    faults.clear(drift.id)
    assert site.offsets_s()[key] == 0.0
    faults.clear_all()
    assert site.offsets_s() == drifted(site)


@pytest.mark.parametrize("kind", ["clock-drift", "clock-step", "clock-zone"])
def test_once_a_clock_fault_has_ended_nothing_tells_that_it_was(make_layout: Make, kind: str) -> None:
    struck, spared = Site(make_layout), Site(make_layout)
    example = {"clock-drift": {"drift_ppm": 1e5}, "clock-step": {"step_s": -1.5}, "clock-zone": {"hours": 3}}
    for target in ({}, {"station": ["north", "south", "gateway"]}):
        struck.farm.faults.add(kind, target, parameters=example[kind], duration_s=100.0)
    for _ in range(3):
        for each in (struck, spared):
            each.pilot.step(60.0)
    assert struck.offsets_s() == spared.offsets_s()
    for (_, here), (_, there) in zip(struck.pilot.images, spared.pilot.images, strict=True):
        assert here.table.clocks.keys() == there.table.clocks.keys()
        for row in range(here.group.size):
            assert bytes(here.table.row(row)) == bytes(there.table.row(row))  # type: ignore[attr-defined]


def test_where_nothing_drifts_and_nobody_sets_a_clock_no_table_has_any(farm: Farm) -> None:
    images = Images(farm)
    farm.step(1.0)
    assert all(image.table.clocks == {} for _, image in images)
    assert isinstance(farm.device("storage-001").clock, Clock)
    assert all(image.table.clocks == {} for _, image in images), "who looks changes nothing"


@pytest.mark.parametrize(
    ("stations", "said"),
    [
        ("  gateway: {protocol: modbus, clock_drift_ppm: 5}\n", "no clock of its own"),
        ("  gateway: {protocol: iec104, clock_drift_ppm: 100001}\n", "100000"),
        ("  gateway: {protocol: iec104, clock_drift_ppm: .nan}\n", "clock_drift_ppm"),
        ("  gateway: {protocol: iec104, options: {clock_command: sets}}\n", "clock_command"),
    ],
)
def test_a_clock_that_cannot_be_is_a_problem_of_the_site_file(make_layout: Make, stations: str, said: str) -> None:
    protocol = "modbus" if "modbus" in stations else "iec104"
    group = (
        f"  m: {{kind: smart_meter, count: 1, endpoints: [{{protocol: {protocol}, station: gateway}}], feeder: east}}\n"
    )
    with pytest.raises(ConfigError, match=said):
        make_layout(group, stations=f"stations:\n{stations}")


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_rating_of_a_clock_has_bounds(make_layout: Make, sign: str) -> None:
    group = "  m: {{kind: smart_meter, count: 1, feeder: east, ratings: {{clock_drift_ppm: {}}}}}\n"
    assert make_layout(group.format(f"{sign}100000"))
    with pytest.raises(ConfigError, match="clock_drift_ppm"):
        make_layout(group.format(f"{sign}100001"))
