"""Faults show at SCADA as late and as wrong as they should: at a station that knows at once, and at one that polls.

A fault begins with the step that ends at 7 s and is over with the one that ends at 17 s. The station that polls reads
its devices at 5 s, 10 s, 15 s and so on, over no medium, and knows a value with the step that follows: so of what its
devices report from 7 s to 17 s it has the first at 11 s, and what they report after that at 21 s.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, nan
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from iec104_bench import Master

from pilotfarm.emulators import registry, site
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.protocols.iec60870.asdu import Cause, Type
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

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
    count: %d
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
    Case("tamper", "cover_open_alarm", ends_s=None),
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
"""Of the whole area: each is the only one in a site."""
ORDERS: Final = {2.0: -1_500.0, 8.0: -1_000.0}
"""With how much storages are told to charge, and after which step. [W]"""

NOT_TOPICAL, INVALID, SILENT = 0x40, 0x80, -1
Told = tuple[float, int]
"""Value and quality of a point."""


@dataclass
class Lived:
    """What was said in a site in which each case has a device of its own, and most have a feeder."""

    reported: list[dict[float, Told]]
    """By case and the end of a step, what the device reports."""
    read: list[dict[str, dict[float, Told]]]
    """What SCADA reads by station."""


def group_of(case: Case) -> str:
    """Return the group of its device: faults of measurement change nothing that a neighbour could feel."""
    return "measured" if registry.fault(case.kind).family == "measurement" else case.kind.replace("-", "_")


def laid(folder: Path, cases: Sequence[Case]) -> SiteLayout:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(group_of(case), []).append(case)
    networks = {name for name, (first, *_) in groups.items() if registry.fault(first.kind).family == "grid"}
    feeders = "\n".join(f"  {name}: {NETWORK if name in networks else STIFF}" for name in groups)
    listed = "".join(GROUP % (name, each[0].device, len(each), name) for name, each in groups.items())
    (folder / "site.yaml").write_text(SITE % (feeders, listed), encoding="utf-8")
    return site.load(str(folder / "site.yaml"))


def lived(layout: SiteLayout, cases: Sequence[Case], faulty: Sequence[Case]) -> Lived:
    pilot = Pilot(layout)
    masters = {place.layout.name: Master(place) for place in pilot.images.places}  # type: ignore[arg-type]
    here = Lived([{} for _ in cases], [{name: {} for name in STATIONS} for _ in cases])
    devices = [seat_of(layout, cases, number) for number in range(len(cases))]
    for case in faulty:
        spec = registry.fault(case.kind)
        target = {"device": devices[cases.index(case)][0]} if case in CASES else {}
        target |= {"quantity": case.quantity} if spec.family == "measurement" else {}
        pilot.farm.faults.add(case.kind, target, case.mode, case.parameters, BEGINS_S, LASTS_S)
    while pilot.farm.time_s < END_S:
        order(pilot)
        pilot.step(1.0)
        for number, case in enumerate(cases):
            group, row = pilot.farm.population.find(devices[number][0])
            marks = group.quality.get(case.quantity)
            told = float(group.reported[case.quantity][row]), 0 if marks is None else int(marks[row])
            here.reported[number][pilot.farm.time_s] = told
            for name, master in masters.items():
                here.read[number][name][pilot.farm.time_s] = read(master, devices[number][1], case.quantity)
    return here


def seat_of(layout: SiteLayout, cases: Sequence[Case], number: int) -> tuple[str, int]:
    """Return the device of a case, and its common address at either station."""
    group = group_of(cases[number])
    row = [each for each in cases if group_of(each) == group].index(cases[number])
    (seat,) = (each for each in layout.stations[0].seats if (each.group, each.row) == (group, row))
    return f"{group}-{row + 1:03d}", seat.address


def order(pilot: Pilot) -> None:
    now_s = pilot.farm.time_s
    for device in pilot.farm if now_s in ORDERS else ():
        if device.kind == "battery":
            values = {"active_power_setpoint_w": ORDERS[now_s], "active_power_setpoint_enabled": 1.0}
            opens = device.group.name == "contactor_stuck" and now_s > BEGINS_S
            device.submit(values | ({"grid_switch": 0.0} if opens else {}), "rest", "", 0.0)


def read(master: Master, address: int, quantity: str) -> Told:
    """Ask for a point, as a SCADA does that reads it; without an answer it is no number, and ``SILENT``."""
    told = master.ask(Type.READ, Cause.REQUEST, address, IOA[quantity])
    asdus = [each for each in told if each.cause == Cause.REQUEST]
    if not asdus:
        return nan, SILENT
    (asdu,) = asdus
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
    layout, area = laid(folder, CASES), laid(folder, AREA[:1])
    pair = lived(layout, CASES, CASES), lived(layout, CASES, ())
    good = lived(area, AREA[:1], ())
    return {case.kind: pair for case in CASES} | {case.kind: (lived(area, AREA[:1], (case,)), good) for case in AREA}


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
MANY: Final = """\
name: many
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
media: false
groups:
%s
stations:
  scada: {protocol: iec104}
%s
"""
METERS: Final = """\
  %s:
    kind: smart_meter
    count: %d
    labels: {batch: %s}
    endpoints: [{protocol: iec104, station: scada}, {protocol: iec104, station: %s}]
"""
RTU: Final = """\
  %s:
    protocol: iec104
    labels: {cell: %s}
    polling: {medium: none, scan_s: 5, slow_s: 10, counters_s: 20, timeout_s: 1, retries: 2, time_stamps: %s}
"""


def many(folder: Path, rtus: Mapping[str, Mapping[str, int]], stamps: str = "device") -> Pilot:
    """Make a site of groups of so many meters, each with a label of its name, at ``scada`` and at the RTU it is of."""
    groups = "".join(METERS % (name, n, name, rtu) for rtu, groups in rtus.items() for name, n in groups.items())
    stations = "".join(RTU % (rtu, rtu, stamps) for rtu in rtus)
    (folder / "site.yaml").write_text(MANY % (groups, stations), encoding="utf-8")
    return Pilot(site.load(str(folder / "site.yaml")))


@pytest.fixture
def two(tmp_path: Path) -> Pilot:
    return many(tmp_path, {"rtu": {"meters": 2}})


Qualities = dict[float, int]


def qualities(pilot: Pilot, to_s: float) -> dict[tuple[str, str], Qualities]:
    """Step until then; by station and device, the quality of a measurement that SCADA reads at the end of each step."""
    places = [(Master(place), place) for place in pilot.images.places]  # type: ignore[arg-type]
    found: dict[tuple[str, str], Qualities] = {}
    while pilot.farm.time_s < to_s:
        pilot.step(1.0)
        for master, place in places:
            for placed in place.placed:
                told = read(master, placed.seat.address, "active_power_w")
                found.setdefault((place.layout.name, placed.seat.device.id), {})[pilot.farm.time_s] = told[1]
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


# --------------------------------------------------------------------------- between a device and who polls it


UNANSWERED, REFUSED, UNHINDERED = [(13.0, 21.0)], [(11.0, 21.0)], list[tuple[float, float]]()
"""When SCADA hears that a device is not topical: after three tries of 1 s, with the first answer, or not at all."""


@dataclass(frozen=True)
class OnPolls:
    """A fault of a device that lies on its way to whoever asks it, and when it is missed at the station that polls."""

    kind: str
    missed: list[tuple[float, float]]
    mode: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


ON_POLLS: Final = (
    OnPolls("silence", UNANSWERED),
    OnPolls("silence", UNANSWERED, "unanswered"),
    OnPolls("blackhole", UNANSWERED),
    OnPolls("loss", UNANSWERED, parameters={"loss_frac": 1.0}),
    # Down from 9 s to 11 s, and so on; or from 11 s to 12 s and from 16 s to 17 s, between scans.
    OnPolls("flapping", UNANSWERED, parameters={"up_s": 2.0, "down_s": 2.0}),
    OnPolls("flapping", UNHINDERED, parameters={"up_s": 4.0, "down_s": 1.0}),
    # 0.6 s each way are 1.2 s and too late for a time-out of 1 s; in one way alone they are in time.
    OnPolls("latency", UNANSWERED, parameters={"delay_s": 0.6}),
    OnPolls("latency", UNHINDERED, parameters={"delay_s": 0.6, "direction": "to_device"}),
    OnPolls("bandwidth", UNANSWERED, parameters={"rate_bit_s": 50.0}),
    OnPolls("bandwidth", UNHINDERED, parameters={"rate_bit_s": 9_600.0}),
    OnPolls("sliced", UNANSWERED, parameters={"piece_octets": 1, "gap_s": 0.2}),
    OnPolls("modbus-exception", REFUSED),
    OnPolls("modbus-exception", UNHINDERED, parameters={"of": "writes"}),
    *(OnPolls("modbus-answer", UNANSWERED, mode) for mode in ("unit", "function", "truncated", "corrupted", "cut")),
    OnPolls("modbus-late", UNANSWERED, parameters={"delay_s": 1.5}),
    OnPolls("modbus-late", UNHINDERED, parameters={"delay_s": 0.2}),
    OnPolls("modbus-late", UNANSWERED, "lagging"),
    # Polls are no connections that could be refused, ended or forgotten.
    *(OnPolls(kind, UNHINDERED) for kind in ("refused", "reset", "half-open")),
)


@dataclass
class Street:
    """A site in which each case of a list has a meter, and the last meter has none."""

    pilot: Pilot
    qualities: dict[tuple[str, str], Qualities]
    online: dict[str, list[tuple[float, float]]]
    """By meter, whether it was there and since which step, as the RTU's sequence of events has it."""


STREET: Final = (*AWAY, *ON_POLLS)
FREE: Final = f"meters-{len(STREET) + 1:03d}"


def meter(number: int) -> str:
    """Name the device of a case: kinds that are aimed by a label have a group of their own."""
    kind = STREET[number].kind
    return f"{kind}-001" if registry.fault(kind).needs else f"meters-{number + 1:03d}"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    labelled = {case.kind: 1 for case in AWAY if registry.fault(case.kind).needs}
    pilot = many(tmp_path_factory.mktemp("street"), {"rtu": {"meters": len(STREET) + 1, **labelled}})
    for number, case in enumerate(STREET):
        target = {"label": f"batch={case.kind}"} if case.kind in labelled else {"device": meter(number)}
        pilot.farm.faults.add(case.kind, target, case.mode, case.parameters, BEGINS_S, LASTS_S)
    found = qualities(pilot, 24.0)
    online: dict[str, list[tuple[float, float]]] = {}
    for each in pilot.images.sequences["rtu"].events:
        if each.quantity == "online":
            since_s = each.heard_s - pilot.farm.unix_s + pilot.farm.time_s
            online.setdefault(each.device, []).append((each.value, since_s))
    return Street(pilot, found, online)


@pytest.mark.parametrize("number", range(len(AWAY)), ids=lambda number: f"{AWAY[number].kind} {AWAY[number].mode}")
def test_a_device_that_is_away_is_missed_at_once_or_when_its_polls_are_given_up(street: Street, number: int) -> None:
    """Three tries of 1 s at 10 s, and three for set-points until 16 s: 15 s is left out, and at 20 s it is back."""
    assert spans(street.qualities["scada", meter(number)], NOT_TOPICAL) == [(7.0, 17.0)]
    assert spans(street.qualities["rtu", meter(number)], NOT_TOPICAL) == UNANSWERED
    assert street.online[meter(number)] == [(0.0, 13.0), (1.0, 21.0)]


@pytest.mark.parametrize("number", range(len(ON_POLLS)), ids=lambda number: f"{ON_POLLS[number]}")
def test_what_lies_between_a_device_and_who_polls_it_is_missed_by_time_outs(street: Street, number: int) -> None:
    case, name = ON_POLLS[number], meter(len(AWAY) + number)
    assert spans(street.qualities["rtu", name], NOT_TOPICAL) == case.missed
    assert spans(street.qualities["rtu", name], SILENT) == []
    assert spans(street.qualities["scada", name], NOT_TOPICAL) == []
    assert spans(street.qualities["scada", name], SILENT) == ([(7.0, 17.0)] if case.kind == "silence" else [])
    assert street.online.get(name, []) == [(float(n), at_s) for span in case.missed for n, at_s in enumerate(span)]


def test_who_has_no_fault_is_as_before(street: Street) -> None:
    assert {mark for name in STATIONS for mark in street.qualities[name, FREE].values()} == {0}
    assert FREE not in street.online


@pytest.mark.parametrize("mode", ["transaction", "protocol", "length", "doubled"])
def test_frames_of_rtu_have_no_header_that_could_be_wrong_and_what_follows_one_is_noise(two: Pilot, mode: str) -> None:
    with pytest.raises(ConfigError, match="no device of the target can have this fault"):
        two.farm.faults.add("modbus-answer", {"device": "meters-001"}, mode)


def test_a_fault_of_one_way_to_a_device_is_none_of_its_polls(two: Pilot) -> None:
    for kind in ("silence", "blackhole", "flapping"):
        two.farm.faults.add(
            kind, {"station": "scada"}, parameters={"up_s": 0.1, "down_s": 100} if kind == "flapping" else {}
        )
    two.farm.faults.add("silence", {"device": "meters-001", "protocol": "iec104"})
    while two.farm.time_s < 12.0:
        two.step(1.0)
    scanner = two.images.polling["rtu"].scanner
    assert (scanner.scans, scanner.unanswered) == (2 * 2, 0)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("latency", {"delay_s": 0.1}),
        ("bandwidth", {"rate_bit_s": 9_600.0}),
        ("sliced", {"piece_octets": 2, "gap_s": 0.001}),
    ],
)
def test_answers_come_as_late_as_their_requests_and_octets_make_them(
    two: Pilot, kind: str, parameters: Mapping[str, float]
) -> None:
    """Each of a device's requests is under way both ways, and its values are read before the last answer's way back."""
    two.farm.faults.add(kind, {"device": "meters-001"}, parameters=parameters)
    while two.farm.time_s < 12.0:
        two.step(1.0)
    layout = two.layout.stations[1].polling
    assert layout is not None
    here = (layout.polls.device == 0) & (layout.polls.scan_class == 0)
    ways_s = [
        parameters["delay_s"]
        if kind == "latency"
        else octets * (8.0 / parameters["rate_bit_s"] if kind == "bandwidth" else 0.001 / 2)
        for octets in np.column_stack((layout.asked[here], layout.answered[here])).ravel().tolist()
    ]
    assert len(ways_s) > 2
    scanner = two.images.polling["rtu"].scanner
    assert scanner.known_s[0].tolist() == pytest.approx([10.0 + sum(ways_s[:-1]), 10.0])


def test_of_what_a_fault_may_change_no_more_is_changed(two: Pilot) -> None:
    """Two tries of the scan at 10 s are in vain, 1 s each, and the third is answered."""
    fault = two.farm.faults.add("silence", {"device": "meters-001"}, start_s=BEGINS_S, count=2)
    while two.farm.time_s < 14.0:
        two.step(1.0)
    assert (fault.bites.count, fault.state) == (2, "ended")
    scanner = two.images.polling["rtu"].scanner
    assert scanner.known_s[0].tolist() == [12.0, 10.0]
    assert scanner.unanswered == 0


def test_what_changes_every_poll_of_a_device_counts_its_tries(two: Pilot) -> None:
    """Three at 10 s; at 15 s its bus is busy, and at 20 s it is tried once, and twice more for counters alone."""
    fault = two.farm.faults.add("silence", {"device": "meters-001"}, start_s=BEGINS_S)
    counts = {}
    while two.farm.time_s < 24.0:
        two.step(1.0)
        counts[two.farm.time_s] = fault.bites.count
    assert (counts[10.0], counts[11.0], counts[20.0], counts[21.0], counts[24.0]) == (0, 3, 3, 6, 6)
    assert two.images.polling["rtu"].scanner.left_out == 1


@pytest.mark.parametrize(
    ("kind", "of", "confirmed"),
    [
        ("silence", {}, False),
        ("modbus-exception", {"of": "writes"}, False),
        ("modbus-exception", {"of": "reads"}, True),
    ],
)
def test_commands_to_a_device_meet_what_its_polls_meet(
    tmp_path: Path, kind: str, of: Mapping[str, str], confirmed: bool
) -> None:
    text = (MANY % (METERS % ("units", 1, "units", "rtu"), RTU % ("rtu", "rtu", "device"))).replace(
        "smart_meter", "battery"
    )
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    pilot = Pilot(site.load(str(tmp_path / "site.yaml")))
    pilot.farm.faults.add(kind, {"device": "units-001"}, parameters=of)
    pilot.step(1.0)
    master = Master(pilot.images.places[1])  # type: ignore[arg-type]
    answers = master.ask(
        Type.SETPOINT, Cause.ACTIVATION, 1, IOA["active_power_setpoint_w"], struct.pack("<fB", -1e3, 0)
    )
    master.now_s += 4.0
    master.pull()
    answers += master.heard()
    assert [each.negative for each in answers if each.cause == Cause.ACTIVATION_CON] == [not confirmed]


CHAIN: Final = """\
name: chain
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
media: false
groups:
  near: {kind: smart_meter, count: 2, endpoints: [{protocol: iec104, station: near}, {protocol: iec104, station: top}]}
  far: {kind: smart_meter, count: 1, endpoints: [{protocol: iec104, station: far}, {protocol: iec104, station: top}]}
stations:
  top: {protocol: iec104, polling: {through: [near, far], scan_s: 5, slow_s: 10, counters_s: 20, timeout_s: 1}}
  near: {protocol: iec104, polling: {medium: none, scan_s: 5, slow_s: 10, counters_s: 20}}
  far: {protocol: iec104}
"""


@pytest.mark.parametrize(
    ("kind", "target", "silent"),
    [
        ("silence", {"station": "near"}, {"near"}),
        ("blackhole", {"station": "near"}, {"near"}),
        ("silence", {"station": "far"}, {"far"}),
        ("silence", {"station": "top"}, set()),
        ("silence", {"device": "near-001"}, set()),
        ("modbus-exception", {"device": "near-001"}, set()),
    ],
)
def test_what_lies_before_a_station_hinders_the_one_that_polls_it(
    tmp_path: Path, kind: str, target: Mapping[str, str], silent: set[str]
) -> None:
    """Three tries of 1 s at 10 s; where a device is silent, the station above it is still answered by its own."""
    (tmp_path / "site.yaml").write_text(CHAIN, encoding="utf-8")
    pilot = Pilot(site.load(str(tmp_path / "site.yaml")))
    pilot.farm.faults.add(kind, target, start_s=BEGINS_S, duration_s=LASTS_S)
    missed = {}
    while pilot.farm.time_s < 22.0:
        pilot.step(1.0)
        scanner = pilot.images.polling["top"].scanner
        missed[pilot.farm.time_s] = {
            name for number, name in enumerate(("near", "far")) if not scanner.answers[0, number]
        }
    assert (missed[12.0], missed[13.0], missed[20.0], missed[22.0]) == (set(), silent, silent, set())
    assert (pilot.images.polling["near"].scanner.unanswered > 0) == ("device" in target)


# ------------------------------------------------------------------------------------------------- clocks


CLOCKS: Final = (
    # Of what is read at 15 s, or heard at 16 s, since 7 s.
    Case("clock-step", parameters={"step_s": 3600.0}),
    Case("clock-drift", parameters={"drift_ppm": 1e5}),
    Case("clock-zone", parameters={"hours": -2.0}),
    Case("stale-time-tag", parameters={"lag_s": 60.0}),
)
OFF_S: Final = {"clock-step": 3600.0, "clock-drift": 0.1, "clock-zone": -7200.0, "stale-time-tag": -60.0}
"""How far each is off; of the drift, a second."""


@pytest.mark.parametrize("stamps", ["station", "device"])
def test_a_wrong_clock_shows_in_events_that_it_stamps_and_in_no_others(tmp_path: Path, stamps: str) -> None:
    """Each fault is one of a device, or of an RTU that has two of them."""
    of_stations = stamps == "station"
    names = {case.kind.replace("-", "_"): case for case in CLOCKS}
    pilot = many(tmp_path, {name: {f"at_{name}": 2} for name in names}, stamps)
    for name, case in names.items():
        target = {"station": name} if of_stations else {"device": f"at_{name}-001"}
        pilot.farm.faults.add(case.kind, target, case.mode, case.parameters, BEGINS_S)
    pilot.farm.faults.add("quality", {"quantity": "relay_open"}, start_s=12.0)
    while pilot.farm.time_s < 17.0:
        pilot.step(1.0)
    start_s = pilot.farm.unix_s - pilot.farm.time_s
    for name, case in names.items():
        events = pilot.images.sequences[name].events
        stamped_s = {each.device: each.stamped_s - start_s for each in events if each.quantity == "relay_open"}
        right_s = 16.0 if of_stations else 15.0
        wrong_s = right_s + OFF_S[case.kind] * (right_s - BEGINS_S if case.kind == "clock-drift" else 1.0)
        other_s = wrong_s if of_stations else right_s
        assert stamped_s == pytest.approx({f"at_{name}-001": wrong_s, f"at_{name}-002": other_s}, abs=1e-5)


# ------------------------------------------------------------------------------------ stations themselves


@dataclass(frozen=True)
class OfStation:
    """A fault of a station, how its listener meets masters meanwhile, and whether it goes on polling."""

    kind: str
    admission: Admission
    polls: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)


OF_STATIONS: Final = (
    OfStation("offline", Admission.REFUSE, True),
    OfStation("refused", Admission.REFUSE_NEW, True),
    OfStation("cell-down", Admission.SILENT, True),
    OfStation("rtu-down", Admission.REFUSE, False),
    OfStation("gateway-restart", Admission.REFUSE, False, {"down_s": 10.0}),
    OfStation("restart", Admission.REFUSE, False, {"down_s": 10.0}),
)


@dataclass
class Town:
    """A site in which each case of ``OF_STATIONS`` has an RTU of two meters."""

    pilot: Pilot
    admissions: dict[str, dict[float, Admission]]
    """By station and the end of a step."""
    before: dict[str, tuple[int, list[float]]]
    """By RTU, how many scans it has begun by 16 s, and when what happened at 12 s is said to have been read."""
    since_s: dict[str, float]
    """By RTU, since when it has known its counters at 17 s; of one that has just begun, since when it knows nothing."""
    qualities: dict[tuple[str, str], Qualities]
    """From 18 s on."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    rtus = {case.kind.replace("-", "_"): case for case in OF_STATIONS}
    pilot = many(tmp_path_factory.mktemp("town"), {name: {f"at_{name}": 2} for name in rtus})
    pilot.farm.faults.add("quality", {"quantity": "relay_open"}, start_s=12.0)
    for name, case in rtus.items():
        target = {"label": f"cell={name}"} if "label" in registry.fault(case.kind).needs else {"station": name}
        pilot.farm.faults.add(case.kind, target, None, case.parameters, BEGINS_S, LASTS_S)
    here = Town(pilot, {}, {}, {}, {})
    while pilot.farm.time_s < 17.0:
        pilot.step(1.0)
        for number, place in enumerate(pilot.images.places):
            admission = pilot.server._listeners[number].admission
            here.admissions.setdefault(place.layout.name, {})[pilot.farm.time_s] = admission
        if pilot.farm.time_s == 16.0:
            start_s = pilot.farm.unix_s - pilot.farm.time_s
            for name in rtus:
                stamped_s = [each.stamped_s - start_s for each in pilot.images.sequences[name].events]
                here.before[name] = pilot.images.polling[name].scanner.scans, stamped_s
    here.since_s = {name: float(pilot.images.polling[name].scanner.known_s[2].max()) for name in rtus}
    here.qualities = qualities(pilot, 26.0)
    return here


@pytest.mark.parametrize("case", OF_STATIONS, ids=lambda case: case.kind)
def test_a_station_that_is_cut_off_polls_on_and_one_that_is_down_begins_with_nothing_known(
    town: Town, case: OfStation
) -> None:
    """Two buses are scanned at 5 s, 10 s and 15 s; what it tells of 12 s afterwards has the time of the last."""
    name = case.kind.replace("-", "_")
    for at_s, admission in town.admissions[name].items():
        assert admission == (case.admission if BEGINS_S <= at_s < BEGINS_S + LASTS_S else Admission.OPEN)
    assert town.before[name] == ((2 * 3, [15.0, 15.0]) if case.polls else (2 * 1, []))
    for device in (f"at_{name}-001", f"at_{name}-002"):
        marks = town.qualities[name, device]
        assert spans(marks, INVALID) == ([] if case.polls else [(18.0, 21.0)])
        assert set(marks.values()) == ({0} if case.polls else {0, INVALID})
        assert set(town.qualities["scada", device].values()) == {0}
    assert town.since_s[name] == (1.0 if case.polls else 16.0)
    # The first that is known is no event.
    assert town.pilot.images.sequences[name].count == (2 if case.polls else 0)
    assert town.pilot.images.polling[name].scanner.unanswered == 0


def test_the_address_of_nobody_else_is_shut(town: Town) -> None:
    assert set(town.admissions["scada"].values()) == {Admission.OPEN}


# ---------------------------------------------------------------------------------------------- all of them


ELSEWHERE: Final = {
    "medium": "between stations and masters alone, and their values are as they are; test_media_overrides",
    **{
        kind: "what the station itself says over IEC 104, whether it polls or not; test_iec104_faults and others"
        for kind in registry.FAULTS
        if kind.startswith("iec104-")
    },
    **{
        kind: "what outstations say; no station polls over DNP3 in columns of Modbus; test_dnp3_faults and others"
        for kind in registry.FAULTS
        if kind.startswith("dnp3-")
    },
}
"""Kinds that do not show in what a station knows of its devices, and why."""


def test_every_kind_of_fault_has_its_case_or_a_reason_to_have_none() -> None:
    cases = [*CASES, *AREA, *AWAY, *ON_POLLS, *CLOCKS, *OF_STATIONS]
    assert {each.kind for each in cases} | ELSEWHERE.keys() == set(registry.FAULTS)
    assert not {each.kind for each in cases} & ELSEWHERE.keys()
