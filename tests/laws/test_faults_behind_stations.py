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

NOT_TOPICAL, INVALID, SILENT = 0x40, 0x80, -1
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
    """Three tries of 1 s at 10 s, and three for set-points until 16 s: 15 s is left out, and at 20 s it is back."""
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


@pytest.mark.parametrize("case", ON_POLLS, ids=lambda case: f"{case.kind} {case.mode or ''} {case.missed}")
def test_what_lies_between_a_device_and_who_polls_it_is_missed_by_time_outs(two: Pilot, case: OnPolls) -> None:
    two.farm.faults.add(case.kind, {"device": "meters-001"}, case.mode, case.parameters, BEGINS_S, LASTS_S)
    found = qualities(two, 24.0)
    assert spans(found["rtu", 1], NOT_TOPICAL) == case.missed
    assert spans(found["rtu", 1], SILENT) == []
    assert spans(found["scada", 1], NOT_TOPICAL) == []
    assert spans(found["scada", 1], SILENT) == ([(7.0, 17.0)] if case.kind == "silence" else [])
    for name in STATIONS:
        assert set(found[name, 2].values()) == {0}


@pytest.mark.parametrize("mode", ["transaction", "protocol", "length", "doubled"])
def test_frames_of_rtu_have_no_header_that_could_be_wrong_and_what_follows_one_is_noise(two: Pilot, mode: str) -> None:
    with pytest.raises(ConfigError, match="no device of the target can have this fault"):
        two.farm.faults.add("modbus-answer", {"device": "meters-001"}, mode)


@pytest.mark.parametrize("kind", ["silence", "blackhole", "latency"])
def test_a_fault_of_one_way_to_a_device_is_none_of_its_polls(two: Pilot, kind: str) -> None:
    two.farm.faults.add(kind, {"station": "scada"}, parameters={"delay_s": 5.0} if kind == "latency" else {})
    qualities(two, 12.0)
    assert two.images.polling["rtu"].scanner.unanswered == 0


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
    fault = two.farm.faults.add("silence", {"device": "meters-001"}, start_s=BEGINS_S)
    while two.farm.time_s < 14.0:
        two.step(1.0)
    assert fault.bites.count == 3


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
    (tmp_path / "site.yaml").write_text(TWO.replace("smart_meter", "battery"), encoding="utf-8")
    pilot = Pilot(site.load(str(tmp_path / "site.yaml")))
    pilot.farm.faults.add(kind, {"device": "meters-001"}, parameters=of)
    pilot.step(1.0)
    master = Master(pilot.images.places[1])  # type: ignore[arg-type]
    answers = master.ask(
        Type.SETPOINT, Cause.ACTIVATION, 1, IOA["active_power_setpoint_w"], struct.pack("<fB", -1e3, 0)
    )
    master.now_s += 4.0
    master.pull()
    answers += master.heard()
    assert [each.negative for each in answers if each.cause == Cause.ACTIVATION_CON] == [not confirmed]


# ------------------------------------------------------------------------------------------------- clocks


CLOCKS: Final = (
    # Of what is read at 15 s, or heard at 16 s, since 7 s.
    Case("clock-step", parameters={"step_s": 3600.0}),
    Case("clock-drift", parameters={"drift_ppm": 1e5}),
    Case("clock-zone", parameters={"hours": -2.0}),
    Case("stale-time-tag", parameters={"lag_s": 60.0}),
)
OFF_S: Final = {"clock-step": 3600.0, "clock-drift": 0.1, "clock-zone": -7200.0, "stale-time-tag": -60.0}


@pytest.mark.parametrize("of_station", [False, True])
@pytest.mark.parametrize("case", CLOCKS, ids=lambda case: case.kind)
def test_a_wrong_clock_shows_in_events_that_it_stamps_and_in_no_others(
    tmp_path: Path, case: Case, of_station: bool
) -> None:
    text = TWO.replace("time_stamps: device", "time_stamps: station") if of_station else TWO
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    pilot = Pilot(site.load(str(tmp_path / "site.yaml")))
    target = {"station": "rtu"} if of_station else {"device": "meters-001"}
    pilot.farm.faults.add(case.kind, target, case.mode, case.parameters, BEGINS_S)
    pilot.farm.faults.add("outage", start_s=12.0)
    while pilot.farm.time_s < 17.0:
        pilot.step(1.0)
    start_s = pilot.farm.unix_s - pilot.farm.time_s
    stamped_s = {
        each.device: each.stamped_s - start_s
        for each in pilot.images.sequences["rtu"].events
        if each.quantity == "power_failure_alarm"
    }
    right_s = 16.0 if of_station else 15.0
    off_s = OFF_S[case.kind] * (right_s - BEGINS_S if case.kind == "clock-drift" else 1.0)
    others_s = right_s + off_s if of_station else right_s
    assert stamped_s == pytest.approx({"meters-001": right_s + off_s, "others-001": others_s}, abs=1e-5)


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
