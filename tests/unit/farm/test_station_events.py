"""When events of a station that polls are said to have happened, and which it keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from iec104_bench import START_S, Bench, Master

from pilotfarm.emulators import site
from pilotfarm.emulators.maps.mesa_der import MAP as MESA
from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Cause
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.stations import sequence as kept
from pilotfarm.emulators.stations.sequence import Event

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
groups:
  meters:
    kind: smart_meter
    count: 3
    endpoints: [{protocol: iec104, station: rtu}]
  storages:
    kind: battery
    count: 2
    ratings: {clock_drift_ppm: 50_000}
    endpoints: [{protocol: iec104, station: rtu}]
stations:
  rtu:
    protocol: iec104
    clock_drift_ppm: 20_000
    polling: {medium: none, scan_s: 5, slow_s: 5, counters_s: 5, time_stamps: STAMPS}
"""
BEGAN_S = datetime.fromisoformat("2025-06-02T06:00:00+00:00").timestamp()
STAMPS = ("station", "device")
Made = Callable[..., Pilot]
TRIPPED = "fault_trip"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(stamps: str = "station", *changes: tuple[str, str]) -> Pilot:
        text = SITE.replace("STAMPS", stamps)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        return Pilot(site.load(str(tmp_path / "site.yaml")))

    return make


def run(pilot: Pilot, to_s: float) -> None:
    while pilot.farm.time_s < to_s:
        pilot.step(1.0)


def told(pilot: Pilot, to_s: float) -> dict[int, set[float]]:
    """The times of the events that a master is told until then, by common address. [s since the site's start]"""
    pilot.farm.faults.add("noise", {"quantity": "active_power_w"}, parameters={"std": 5_000.0})
    (place,) = pilot.images.places
    master = Master(place)  # type: ignore[arg-type]
    found: dict[int, set[float]] = {}
    while pilot.farm.time_s < to_s:
        pilot.step(1.0)
        master.pull()
        for asdu in master.heard():
            assert asdu.cause == Cause.SPONTANEOUS
            size = len(asdu.body) // asdu.count
            tags = {asdu.body[(n + 1) * size - 7 : (n + 1) * size] for n in range(asdu.count)}
            times = (FORMAT_104.time_of(tag) for tag in tags)
            found.setdefault(asdu.address, set()).update(round(each - BEGAN_S, 6) for each in times if each is not None)
    return found


def events(pilot: Pilot) -> list[Event]:
    return list(pilot.images.sequences["rtu"].events)


@pytest.mark.parametrize(
    ("stamps", "meter_s", "storage_s"),
    # The RTU's clock gains 0.02 s a second, that of a storage 0.05 s, that of a meter none.
    [("station", {6.12, 11.22}, {6.12, 11.22}), ("device", {5.0, 10.0}, {5.25, 10.5})],
)
def test_events_have_the_time_of_the_station_that_heard_or_of_the_device_that_was_read(
    made: Made, stamps: str, meter_s: set[float], storage_s: set[float]
) -> None:
    """Read at 5 s and 10 s by the site's clock, and known with the steps that end at 6 s and 11 s."""
    found = told(made(stamps), 12.0)
    assert found == {1: meter_s, 2: meter_s, 3: meter_s, 4: storage_s, 5: storage_s}


def test_a_fault_of_a_devices_clock_shows_in_its_own_times_alone(made: Made) -> None:
    for stamps, meter_s in (("station", 6.12), ("device", 5.0 - 3600.0)):
        pilot = made(stamps)
        pilot.farm.faults.add("clock-step", {"device": "meters-002"}, parameters={"step_s": -3600.0})
        found = told(pilot, 7.0)
        assert found[2] == {meter_s}
        assert (found[1] == found[2]) is (stamps == "station")


def test_what_a_station_finds_out_by_itself_has_its_own_time(made: Made) -> None:
    pilot = made("device")
    pilot.farm.faults.add("offline", {"device": "storages-001"})
    # The scan at 5 s waits three times for 1 s, and that is known with the step that ends at 8 s.
    assert told(pilot, 9.0)[4] == {8.16}


def test_a_read_answer_that_has_come_later_has_the_time_of_the_read(made: Made) -> None:
    """Over a slow mesh the step in which an answer comes is not the one in which the device had the value."""
    pilot = made(
        "device",
        ("medium: none, scan_s: 5", "medium: radio_mesh, timeout_s: 5, scan_s: 60"),
        ("slow_s: 5, counters_s: 5", "slow_s: 60, counters_s: 60"),
    )
    scanner = pilot.images.polling["rtu"].scanner
    found = told(pilot, 119.0)
    later_s = [scanner.known_s[0, place] for place in range(3)]
    assert len(set(later_s)) == 3
    for place, read_s in enumerate(later_s):
        assert read_s > 60.0
        assert list(found[place + 1]) == pytest.approx([read_s], abs=0.001)


@pytest.mark.parametrize("stamps", STAMPS)
def test_the_sequence_has_states_alarms_and_who_is_there(made: Made, stamps: str) -> None:
    pilot = made(stamps)
    run(pilot, 2.0)
    pilot.farm.faults.add("trip", {"device": "storages-002"})
    pilot.farm.faults.add("offline", {"device": "meters-001"})
    run(pilot, 9.0)
    found = events(pilot)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert {each.device for each in found} == {"storages-002", "meters-001"}
    by_name = {(each.device, each.quantity): each for each in found}
    assert len(by_name) == len(found)
    trip = by_name["storages-002", TRIPPED]
    assert (trip.value, trip.quality, trip.heard_s - BEGAN_S) == (1.0, 0, 6.0)
    assert trip.stamped_s - BEGAN_S == pytest.approx(6.12 if stamps == "station" else 5.25)
    assert by_name["storages-002", "running"].value == 0.0
    # Of the silent one this alone, though all of its values are old: its three tries are over at 8 s.
    (gone,) = (each for each in found if each.device == "meters-001")
    assert (gone.quantity, gone.value, gone.heard_s - BEGAN_S) == ("online", 0.0, 8.0)
    assert gone.stamped_s - BEGAN_S == pytest.approx(8.16)


def test_what_a_device_says_of_a_state_is_an_event_too(made: Made) -> None:
    pilot = made()
    fault = pilot.farm.faults.add("quality", {"device": "meters-002", "quantity": "relay_open"})
    run(pilot, 7.0)
    pilot.farm.faults.clear(fault.id)
    pilot.farm.faults.add("missing", {"device": "meters-002", "quantity": "running"})
    run(pilot, 17.0)
    assert [(each.quantity, each.quality) for each in events(pilot)] == [
        ("relay_open", 0x80),
        ("running", 0x80),
        ("relay_open", 0),
    ]


def test_events_of_a_step_stand_in_the_order_in_which_the_station_has_its_devices(made: Made) -> None:
    pilot = made()
    run(pilot, 2.0)
    pilot.farm.faults.add("outage")
    run(pilot, 7.0)
    devices = list(dict.fromkeys(each.device for each in events(pilot)))
    assert devices == ["meters-001", "meters-002", "meters-003", "storages-001", "storages-002"]
    assert [each.device for each in events(pilot)] == sorted(each.device for each in events(pilot))


def test_the_newest_are_kept_and_others_counted(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "EVENTS_KEPT", 7)
    pilot = made()
    run(pilot, 2.0)
    pilot.farm.faults.add("outage")
    run(pilot, 17.0)
    sequence = pilot.images.sequences["rtu"]
    assert sequence.count > 7
    assert [each.number for each in sequence.events] == list(range(sequence.count - 6, sequence.count + 1))
    assert sequence.dropped == sequence.count - 7


def test_counts_and_measurements_are_no_events(made: Made) -> None:
    pilot = made()
    pilot.farm.faults.add("noise", {"quantity": "*_w"}, parameters={"std": 100.0})
    pilot.farm.faults.add("bias", {"group": "meters", "quantity": "sesp_receipts"}, parameters={"offset": 3.0})
    run(pilot, 12.0)
    assert not events(pilot)


def test_the_same_site_has_the_same_sequence(made: Made) -> None:
    def lived() -> list[Event]:
        pilot = made("device", ("medium: none, scan_s: 5", "medium: zigbee, timeout_s: 0.3, scan_s: 5"))
        run(pilot, 2.0)
        pilot.farm.faults.add("outage", duration_s=9.0)
        pilot.farm.faults.add("offline", {"device": "meters-00[12]"}, duration_s=20.0, spread_s=20.0)
        run(pilot, 60.0)
        return events(pilot)

    first = lived()
    assert len(first) > 20
    assert first == lived()


def test_by_dnp3_events_have_the_devices_time_as_well() -> None:
    bench = Bench(1)
    table = Dnp3Table(MESA.plan(bench.spec), 1, bench.columns)
    heard: list[tuple[Point, int]] = []

    class Hears:
        def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None:
            heard.append((point, unix_ms))

        def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None:
            heard.append((point, unix_ms))

    table.refresh(bench.columns, {}, START_S)
    table.listen(0, Hears())
    table.stamps = lambda row, quantities: START_S - 9.5 if "running" in quantities else None
    for name in ("running", "local_mode", "active_power_w"):
        bench.set(name, 0, 1.0 - bench.columns[name][0])
    table.refresh(bench.columns, {}, START_S + 1.0)
    by_read = {point.type: unix_ms for point, unix_ms in heard if "running" in point.source.quantities}
    assert by_read == {PointType.BINARY_INPUT: int((START_S - 9.5) * 1000)}
    assert {unix_ms for point, unix_ms in heard if "running" not in point.source.quantities} == {
        int((START_S + 1.0) * 1000)
    }
