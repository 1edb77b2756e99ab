"""Faults show at SCADA as late and as wrong as they should: at a station that knows at once, and at one that polls.

A fault begins with the step that ends at 7 s and is over with the one that ends at 17 s. The station that polls reads
its devices at 5 s, 10 s, 15 s and so on, over no medium, and knows a value with the step that follows: so of what its
devices report from 7 s to 17 s it has the first at 11 s, and what they report after that at 21 s.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final

import pytest
from iec104_bench import Master

from pilotfarm.emulators import registry, site
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.protocols.iec60870.asdu import Cause, Type
from pilotfarm.emulators.serving.pilot import Pilot

SITE: Final = """\
name: behind
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
media: false
feeders:
%s
groups:
%s
stations:
  scada: {protocol: iec104}
  rtu:
    protocol: iec104
    polling: {medium: none, scan_s: 5, slow_s: 10, counters_s: 20, timeout_s: 1, retries: 2}
"""
GROUP: Final = """\
  %s:
    kind: %s
    count: 1
    feeder: %s
    endpoints: [{protocol: iec104, station: scada}, {protocol: iec104, station: rtu}]
"""
STIFF: Final = "{resistance_ohm: 0.05, reactance_ohm: 0.03}"
NETWORK: Final = "{transformers: 1, branches: 1}"
BEGINS_S, LASTS_S, END_S = 7.0, 10.0, 23.0
STATIONS: Final = ("scada", "rtu")


@dataclass(frozen=True)
class Case:
    """A fault on a device, and a quantity in which it shows."""

    kind: str
    quantity: str = "active_power_w"
    device: str = "smart_meter"
    mode: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    shows_s: float = BEGINS_S
    """With which step the device reports it."""
    ends_s: float | None = 17.0
    """And with which no more; ``None`` where what it has done goes away by and by."""


CASES: Final = (
    Case("stuck", parameters={"value": 77.0}),
    Case("bias", parameters={"offset": 500.0}),
    Case("noise", parameters={"std": 500.0}),
    Case("drift", parameters={"rate_per_h": 36_000.0}, shows_s=8.0),
    Case("spike", parameters={"offset": 1e4, "spikes_per_h": 3_600.0, "lasts_s": 1.0}),
    Case("quantised", parameters={"step": 1e4}),
    Case("missing"),
    Case("phase-missing", "voltage_l1_v"),
    Case("phases-swapped", "voltage_l1_v"),
    Case("sign-turned"),
    Case("out-of-range", parameters={"value": 1e6}),
    Case("quality"),
    Case("trip", "fault_trip", "battery"),
    Case("derating", device="battery", parameters={"share_frac": 0.9}, ends_s=None),
    Case("over-temperature", "temperature_max_degc", "battery", parameters={"rise_k": 20.0}),
    Case("contactor-stuck", "grid_switch_closed", "battery", shows_s=9.0),
    Case("sensor-lost", "temperature_degc", "battery"),
    Case("follows-none", device="battery", shows_s=9.0),
    Case("follows-slowly", device="battery", parameters={"time_s": 30.0}, shows_s=9.0),
    Case("identification-refused", "identified", "battery"),
    Case("outage", "voltage_l1_v", ends_s=None),
    Case("phase-loss", "voltage_l1_v", ends_s=None),
    Case("voltage-sag", "voltage_l1_v", parameters={"voltage_pu": 0.6}, ends_s=None),
    Case("voltage-swell", "voltage_l1_v", parameters={"voltage_pu": 1.15}, ends_s=None),
    Case("islanding", "voltage_l1_v", ends_s=None),
    Case("tap", "voltage_l1_v", parameters={"steps": 2}, ends_s=None),
    Case("weak-grid", "voltage_l1_v", parameters={"factor": 50.0}, ends_s=None),
    Case("weather", "irradiance_horizontal_w_per_m2", "pv_generator", parameters={"irradiance_factor": 0.3}),
    Case("load", parameters={"added_w": 500.0}),
)
AREA: Final = (
    Case("generation-loss", "frequency_hz", parameters={"power_w": 3e9}, ends_s=None),
    Case("frequency-offset", "frequency_hz", parameters={"offset_hz": -0.3}),
)
"""Of the whole area: each has a site for itself."""
ORDERS: Final = {2.0: -1_500.0, 8.0: -1_000.0}
"""With how much storages are told to charge, and after which step. [W]"""

Told = tuple[float, int]
"""Value and quality of a point."""


@dataclass
class Lived:
    """What was said in a site in which each case has a device, a group and a feeder of its own."""

    pilot: Pilot
    reported: list[dict[float, Told]]
    """By case and the end of a step, what the device reports."""
    read: list[dict[str, dict[float, Told]]]
    """What SCADA reads by station."""


def name_of(case: Case) -> str:
    return case.kind.replace("-", "_")


def made(folder: Path, cases: Sequence[Case]) -> Pilot:
    networks = {each.kind for each in cases if registry.fault(each.kind).family == "grid"}
    feeders = "\n".join(f"  {name_of(each)}: {NETWORK if each.kind in networks else STIFF}" for each in cases)
    groups = "".join(GROUP % (name_of(each), each.device, name_of(each)) for each in cases)
    (folder / "site.yaml").write_text(SITE % (feeders, groups), encoding="utf-8")
    return Pilot(site.load(str(folder / "site.yaml")))


def lived(folder: Path, cases: Sequence[Case], *, faulty: bool) -> Lived:
    pilot = made(folder, cases)
    masters = {place.layout.name: Master(place) for place in pilot.images.places}  # type: ignore[arg-type]
    here = Lived(pilot, [{} for _ in cases], [{name: {} for name in STATIONS} for _ in cases])
    for case in cases if faulty else ():
        spec = registry.fault(case.kind)
        target = {} if cases is not CASES else {"group": name_of(case)}
        target |= {"quantity": case.quantity} if spec.family == "measurement" else {}
        pilot.farm.faults.add(case.kind, target, case.mode, case.parameters, BEGINS_S, LASTS_S)
    while pilot.farm.time_s < END_S:
        order(pilot)
        pilot.step(1.0)
        for number, case in enumerate(cases):
            note(here, masters, number, case)
    return here


def order(pilot: Pilot) -> None:
    now_s = pilot.farm.time_s
    for device in pilot.farm if now_s in ORDERS else ():
        if device.kind == "battery":
            values = {"active_power_setpoint_w": ORDERS[now_s], "active_power_setpoint_enabled": 1.0}
            opens = device.group.name == "contactor_stuck" and now_s > BEGINS_S
            device.submit(values | ({"grid_switch": 0.0} if opens else {}), "rest", "", 0.0)


def note(here: Lived, masters: Mapping[str, Master], number: int, case: Case) -> None:
    farm = here.pilot.farm
    group = farm.groups[name_of(case)]
    marks = group.quality.get(case.quantity)
    here.reported[number][farm.time_s] = float(group.reported[case.quantity][0]), 0 if marks is None else int(marks[0])
    for name, master in masters.items():
        here.read[number][name][farm.time_s] = read(master, number + 1, case.quantity)


def read(master: Master, address: int, quantity: str) -> Told:
    """Ask for a point, as a SCADA does that reads it."""
    told = master.ask(Type.READ, Cause.REQUEST, address, IOA[quantity])
    (asdu,) = (each for each in told if each.cause == Cause.REQUEST)
    element = asdu.body[3:]
    if len(element) == 5:
        value, quality = struct.unpack("<fB", element)
        return value, quality
    return float(element[0] & 0x01), element[0] & 0xF0


def same(one: Told, other: Told) -> bool:
    return one == pytest.approx(other, rel=1e-6, abs=1e-30, nan_ok=True)


def read_s(time_s: float) -> float:
    """When the station had read what it knows with the step that ends then."""
    return 5.0 * (ceil(time_s / 5.0) - 1)


def known_s(time_s: float) -> float:
    """With which step the station knows what devices report from a step on."""
    return 5.0 * ceil(time_s / 5.0) + 1.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Lived, Lived]]:
    """By kind, what was said with the fault and without it."""
    folder = tmp_path_factory.mktemp("behind")
    found = {}
    for cases in (CASES, *((each,) for each in AREA)):
        pair = lived(folder, cases, faulty=True), lived(folder, cases, faulty=False)
        found |= {case.kind: pair for case in cases}
    return found


@pytest.mark.parametrize("case", [*CASES, *AREA], ids=lambda case: case.kind)
def test_scada_reads_what_is_reported_and_of_who_polls_what_was_at_the_last_scan(
    runs: Mapping[str, tuple[Lived, Lived]], case: Case
) -> None:
    number = CASES.index(case) if case in CASES else 0
    faulty, good = runs[case.kind]
    for here in (faulty, good):
        reported, told = here.reported[number], here.read[number]
        assert all(same(told["scada"][at_s], reported[at_s]) for at_s in reported)
        assert all(same(told["rtu"][at_s], reported[read_s(at_s)]) for at_s in reported if read_s(at_s) in reported)
    for name, first_s, end_s in (
        ("scada", case.shows_s, case.ends_s),
        ("rtu", known_s(case.shows_s), case.ends_s and known_s(case.ends_s)),
    ):
        wrong = [
            at_s for at_s, told in faulty.read[number][name].items() if not same(told, good.read[number][name][at_s])
        ]
        assert wrong[0] == first_s, name
        assert end_s is None or wrong[-1] == end_s - 1.0, name


# ------------------------------------------------------------------------------- devices that are away


AWAY: Final = (
    Case("offline"),
    Case("offline", mode="cut"),
    Case("offline", mode="silent"),
    Case("restart", parameters={"down_s": 10.0}),
    Case("exchanged", parameters={"down_s": 10.0}),
    Case("firmware-bad", parameters={"down_s": 10.0, "every_s": 60.0}),
    Case("cell-down"),
)
NOT_TOPICAL, INVALID = 0x40, 0x80
TWO: Final = """\
name: two
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
media: false
groups:
  meters:
    kind: smart_meter
    count: 1
    labels: {batch: old}
    endpoints: [{protocol: iec104, station: scada}, {protocol: iec104, station: rtu}]
  others:
    kind: smart_meter
    count: 1
    endpoints: [{protocol: iec104, station: scada}, {protocol: iec104, station: rtu}]
stations:
  scada: {protocol: iec104}
  rtu:
    protocol: iec104
    labels: {cell: north}
    polling: {medium: none, scan_s: 5, slow_s: 10, counters_s: 20, timeout_s: 1, retries: 2, time_stamps: device}
"""


@pytest.fixture
def two(tmp_path: Path) -> Pilot:
    (tmp_path / "site.yaml").write_text(TWO, encoding="utf-8")
    return Pilot(site.load(str(tmp_path / "site.yaml")))


Qualities = dict[float, int]


def qualities(pilot: Pilot, to_s: float, quantity: str = "active_power_w") -> dict[tuple[str, int], Qualities]:
    """Step until then; by station and common address, the quality that SCADA reads at the end of each step."""
    masters = {place.layout.name: Master(place) for place in pilot.images.places}  # type: ignore[arg-type]
    found: dict[tuple[str, int], Qualities] = {}
    while pilot.farm.time_s < to_s:
        pilot.step(1.0)
        for name, master in masters.items():
            for address in (1, 2):
                told = read(master, address, quantity)
                found.setdefault((name, address), {})[pilot.farm.time_s] = told[1]
    return found


def spans(marks: Qualities, quality: int) -> list[tuple[float, float]]:
    """From and until which step a quality stood."""
    found: list[tuple[float, float]] = []
    for at_s in (each for each, mark in marks.items() if mark == quality):
        if found and found[-1][1] == at_s:
            found[-1] = found[-1][0], at_s + 1.0
        else:
            found.append((at_s, at_s + 1.0))
    return found


@pytest.mark.parametrize("case", AWAY, ids=lambda case: f"{case.kind} {case.mode or ''}")
def test_a_device_that_is_away_is_missed_at_once_or_when_its_polls_are_given_up(two: Pilot, case: Case) -> None:
    """The scan at 10 s asks three times and waits 1 s each time, the one at 15 s once, that at 20 s is answered."""
    target = {"label": "batch=old"} if registry.fault(case.kind).needs else {"device": "meters-001"}
    two.farm.faults.add(case.kind, target, case.mode, case.parameters, BEGINS_S, LASTS_S)
    found = qualities(two, 24.0)
    assert spans(found["scada", 1], NOT_TOPICAL) == [(7.0, 17.0)]
    assert spans(found["rtu", 1], NOT_TOPICAL) == [(13.0, 21.0)]
    for marks in (found["scada", 2], found["rtu", 2]):
        assert set(marks.values()) == {0}
    told = [(each.device, each.value, each.heard_s) for each in two.images.sequences["rtu"].events]
    start_s = two.farm.unix_s - two.farm.time_s
    online = [(value, heard_s - start_s) for device, value, heard_s in told if device == "meters-001"]
    assert (0.0, 13.0) in online
    assert (1.0, 21.0) in online


# ------------------------------------------------------------------------------------ stations themselves


@dataclass(frozen=True)
class OfStation:
    """A fault of a station, how its listener meets masters meanwhile, and whether it goes on polling."""

    kind: str
    admission: Admission
    polls: bool
    target: Mapping[str, str] = field(default_factory=lambda: {"station": "rtu"})
    parameters: Mapping[str, Any] = field(default_factory=dict)


OF_STATIONS: Final = (
    OfStation("offline", Admission.REFUSE, True),
    OfStation("refused", Admission.REFUSE_NEW, True),
    OfStation("cell-down", Admission.SILENT, True, {"label": "cell=north"}),
    OfStation("rtu-down", Admission.REFUSE, False),
    OfStation("gateway-restart", Admission.REFUSE, False, parameters={"down_s": 10.0}),
    OfStation("restart", Admission.REFUSE, False, parameters={"down_s": 10.0}),
)


@pytest.mark.parametrize("case", OF_STATIONS, ids=lambda case: case.kind)
def test_a_station_that_is_cut_off_polls_on_and_one_that_is_down_begins_with_nothing_known(
    two: Pilot, case: OfStation
) -> None:
    numbers = {place.layout.name: number for number, place in enumerate(two.images.places)}
    listeners = {name: two.server._listeners[number] for name, number in numbers.items()}
    scanner, sequence = two.images.polling["rtu"].scanner, two.images.sequences["rtu"]
    two.farm.faults.add("outage", start_s=12.0)
    two.farm.faults.add(case.kind, case.target, None, case.parameters, BEGINS_S, LASTS_S)
    while two.farm.time_s < 16.0:
        two.step(1.0)
        shut = two.farm.time_s >= BEGINS_S
        assert listeners["rtu"].admission == (case.admission if shut else Admission.OPEN)
        assert listeners["scada"].admission == Admission.OPEN
    failures = [each for each in sequence.events if each.quantity == "power_failure_alarm"]
    if case.polls:
        assert scanner.scans == 2 * 3
        # SCADA is told of it once it is back, with the time at which it was read.
        assert [each.device for each in failures] == ["meters-001", "others-001"]
        assert {each.stamped_s for each in failures} == {two.farm.unix_s - 1.0}
    else:
        assert scanner.scans == 2 * 1
        assert not failures
    assert scanner.unanswered == 0
    two.step(1.0)
    assert listeners["rtu"].admission == Admission.OPEN
    found = qualities(two, 26.0)
    first = [] if case.polls else [(18.0, 21.0)]
    assert spans(found["rtu", 1], INVALID) == spans(found["rtu", 2], INVALID) == first
    assert set(found["rtu", 1].values()) == ({0} if case.polls else {0, INVALID})
    assert set(found["scada", 1].values()) == {0}
    alarms = [each for each in sequence.events if each.quantity == "power_failure_alarm"]
    assert alarms == failures, "the first that is known is no event"
