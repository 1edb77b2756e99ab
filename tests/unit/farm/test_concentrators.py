"""Data concentrators at a site: what they know, what they keep, and what becomes of commands to their meters."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from iec104_bench import Master

from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.load_profile import REGISTERS
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.serving.concentrators import Concentrator
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.stations.demanding import LOOK_AGAIN_S
from pilotfarm.emulators.stations.polled import Polled

SITE: Final = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T23:00:00
groups:
  meters:
    kind: smart_meter
    count: 5
    ratings: {memory: 1}
    endpoints: [{protocol: iec104, station: dc}]
stations:
  dc:
    protocol: iec104
    collecting: {COLLECTING}
"""
MESH: Final = "{medium: radio_mesh}"
NOW_S: Final = 1_000.0
Made = Callable[..., SiteLayout]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def load(collecting: str = MESH, *changes: tuple[str, str]) -> SiteLayout:
        text = SITE.replace("{COLLECTING}", collecting)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        return site.load(str(tmp_path / "site.yaml"))

    return load


def until(pilot: Pilot, local: str, step_s: float = 60.0) -> Concentrator:
    while pilot.farm.now.replace(tzinfo=None) < datetime.fromisoformat(local):
        pilot.step(step_s)
    return pilot.images.concentrators["dc"]


def known(pilot: Pilot) -> Polled:
    found = pilot.images.places[0].placed[0].image.known
    assert isinstance(found, Polled)
    return found


def records(concentrator: Concentrator) -> list[dict[str, Any]]:
    return [json.loads(each.text) for each in concentrator.queue.readings(0, 1_000_000)]


def spans(read: list[dict[str, Any]], device: str = "meters-001") -> list[tuple[datetime, datetime]]:
    return [
        (datetime.fromisoformat(each["begin"]), datetime.fromisoformat(each["end"]))
        for each in read
        if each["device"] == device
    ]


# --------------------------------------------------------------------------------------- what is known


def test_what_is_known_is_as_of_the_last_read(made: Made) -> None:
    pilot = Pilot(made())
    began = known(pilot).columns["energy_imported_wh"].copy()
    scanner = until(pilot, "2025-06-03T00:04:00").rounds
    assert (known(pilot).columns["energy_imported_wh"] == began).all()
    assert scanner.scans == 0
    until(pilot, "2025-06-03T00:05:00", 1.0)
    seen = []
    for _ in range(60):
        before = pilot.farm.groups["meters"].reported["energy_imported_wh"]
        pilot.step(1.0)
        fresh = scanner.known_s[0] > pilot.farm.time_s - 1.0
        assert (known(pilot).columns["energy_imported_wh"][fresh] == before[fresh]).all()
        seen += np.flatnonzero(fresh).tolist()
    assert set(seen) == set(range(5))
    assert scanner.scans == 1
    assert (known(pilot).columns["energy_imported_wh"] > began).all()
    assert not known(pilot).quality


@pytest.mark.parametrize("fault", [{"kind": "offline", "target": {"device": "meters-002"}}, {"kind": "outage"}])
def test_meters_off_their_network_and_without_supply_are_not_read(made: Made, fault: dict[str, Any]) -> None:
    pilot = Pilot(made("{medium: plc_g3}"))
    put = pilot.farm.faults.add(fault["kind"], fault.get("target", {}))
    concentrator = until(pilot, "2025-06-03T00:30:00")
    gone = [1] if fault["kind"] == "offline" else [0, 1, 2, 3, 4]
    assert np.flatnonzero(~concentrator.rounds.answers[0]).tolist() == gone
    assert np.flatnonzero(concentrator.rounds.collector.behind).tolist() == gone
    assert np.flatnonzero(known(pilot).columns["online"] == 0.0).tolist() == gone
    pilot.farm.faults.clear(put.id)
    until(pilot, "2025-06-03T00:34:00")
    assert not spans(records(concentrator), "meters-002"), "the next round has not begun"
    until(pilot, "2025-06-03T01:00:00")
    assert known(pilot).columns["online"].all()
    assert not concentrator.rounds.collector.behind.any()
    assert len(spans(records(concentrator), "meters-002")) == 4


def test_a_concentrator_that_is_down_keeps_its_readings_and_reads_late(made: Made) -> None:
    pilot = Pilot(made())
    concentrator = until(pilot, "2025-06-03T00:04:00")
    fault = pilot.farm.faults.add("rtu-down", {"station": "dc"})
    until(pilot, "2025-06-03T02:00:00")
    assert (concentrator.rounds.scans, concentrator.queue.waiting()) == (0, (0, 0))
    pilot.farm.faults.clear(fault.id)
    until(pilot, "2025-06-03T02:10:00")
    assert concentrator.rounds.scans == 1
    assert concentrator.queue.waiting()[0] == 5 * 4
    fault = pilot.farm.faults.add("rtu-down", {"station": "dc"})
    pilot.step(60.0)
    assert concentrator.queue.waiting()[0] == 5 * 4
    assert known(pilot).columns["online"].tolist() == [0.0] * 5
    pilot.farm.faults.clear(fault.id)
    until(pilot, "2025-06-04T01:00:00", 900.0)
    assert concentrator.queue.waiting()[0] == 5 * (4 + 96)
    assert known(pilot).columns["online"].all()
    assert not known(pilot).quality
    assert all(earlier[1] == later[0] for earlier, later in pairwise(spans(records(concentrator))))


def test_a_concentrator_that_is_down_misses_what_meters_say(made: Made) -> None:
    pilot = Pilot(made())
    down, outage = pilot.farm.faults.add("rtu-down", {"station": "dc"}), pilot.farm.faults.add("outage", start_s=10.0)
    concentrator = until(pilot, "2025-06-02T23:02:00", 10.0)
    assert np.flatnonzero([each.supplied for each in concentrator.outages()]).tolist() == []
    pilot.farm.faults.clear(down.id)
    until(pilot, "2025-06-02T23:03:00", 10.0)
    assert concentrator.queue.alarms(0, 100) == []
    pilot.farm.faults.clear(outage.id)
    until(pilot, "2025-06-02T23:30:00", 60.0)
    words = [json.loads(each.text) for each in concentrator.queue.alarms(0, 100)]
    assert {(each["device"], each["alarm"]) for each in words} == {
        (device, "power_restored") for device in concentrator.devices
    }


def test_who_answers_after_its_last_gasp_has_supply(made: Made) -> None:
    pilot = Pilot(made())
    outage = pilot.farm.faults.add("outage")
    concentrator = until(pilot, "2025-06-02T23:00:30", 1.0)
    gasped = [each.device for each in concentrator.outages() if each.known == "last_gasp"]
    assert gasped
    pilot.farm.faults.clear(outage.id)
    pilot.step(1.0)
    place = concentrator.devices.index(gasped[0])
    concentrator.rounds.demand(place, 1, lambda outcome: None)
    while concentrator.rounds.known_s[0, place] < 30.0:
        assert gasped[0] in [each.device for each in concentrator.outages()]
        pilot.step(1.0)
    assert concentrator.queue.waiting()[1] == len(gasped), "nobody has said yet that its supply is back"
    assert [each.device for each in concentrator.outages()] == gasped[1:]


def test_without_media_a_round_takes_no_time(made: Made) -> None:
    layout = made(MESH, ("name: street", "name: street\nmedia: false"))
    pilot = Pilot(layout)
    concentrator = until(pilot, "2025-06-03T00:05:00")
    pilot.step(1.0)
    pilot.step(1.0)
    assert concentrator.queue.waiting()[0] == 5 * 4
    assert concentrator.rounds.collector.exchanges == 5, "all that a meter has at once"
    offline = pilot.farm.faults.add("offline", {"device": "meters-002"})
    until(pilot, "2025-06-05T12:00:00", 900.0)
    pilot.farm.faults.clear(offline.id)
    before = concentrator.rounds.collector.exchanges
    until(pilot, "2025-06-05T13:00:00", 900.0)
    assert len(spans(records(concentrator), "meters-002")) == 4 + 2 * 96
    assert concentrator.rounds.collector.exchanges == before + 1, "of two days, too"


# ------------------------------------------------------------------------------------------ clocks


def off_s(pilot: Pilot) -> list[float]:
    return [pilot.farm.device(f"meters-{row:03}").clock.off_s(pilot.farm.unix_s) for row in range(1, 6)]


def test_clocks_that_are_off_by_more_than_ten_seconds_are_set_at_night(made: Made) -> None:
    pilot = Pilot(made(MESH, ("memory: 1", "memory: 1, clock_drift_ppm: -5000")))
    for row, drift_ppm in ((1, 5_000.0), (2, 5_100.0), (4, 5_000.0), (5, 5_000.0)):
        pilot.farm.faults.add("clock-drift", {"device": f"meters-{row:03}"}, parameters={"drift_ppm": drift_ppm})
    for row, step_s in ((4, 9.9), (5, 10.5)):
        pilot.farm.faults.add("clock-step", {"device": f"meters-{row:03}"}, parameters={"step_s": step_s})
    concentrator = until(pilot, "2025-06-03T00:04:00")
    drift_s = 64 * 60.0
    assert off_s(pilot) == pytest.approx([0.0, 1e-4 * drift_s, -5e-3 * drift_s, 9.9, 10.5], abs=0.4), (
        "faults begin with the first step"
    )
    until(pilot, "2025-06-03T00:20:00")
    assert (concentrator.clocks_set, concentrator.clocks_not_set) == (2, 0)
    off = off_s(pilot)
    assert -5e-3 * 900 <= off[2] < 0.0, "it drifts on"
    assert off[3:] == pytest.approx([9.6, 0.0], abs=0.1)
    assert concentrator.queue.waiting()[1] == 0
    until(pilot, "2025-06-03T23:00:00", 900.0)
    assert concentrator.clocks_set == 2
    until(pilot, "2025-06-04T00:20:00", 300.0)
    assert concentrator.clocks_set == 3, "the third has gone wrong again"


def test_a_concentrator_whose_own_clock_is_off_sets_all_its_meters_wrong(made: Made) -> None:
    pilot = Pilot(made())
    pilot.farm.faults.add("clock-step", {"station": "dc"}, parameters={"step_s": 3_600.0})
    concentrator = until(pilot, "2025-06-03T00:30:00")
    assert concentrator.clocks_set == 5
    assert off_s(pilot) == [3_600.0] * 5


def test_a_clock_that_cannot_be_set_is_an_alarm(made: Made) -> None:
    pilot = Pilot(made("{medium: plc_g3, tries: 2}"))
    pilot.farm.faults.add("clock-step", {"device": "meters-001"}, parameters={"step_s": 60.0})
    concentrator = until(pilot, "2025-06-03T00:05:00")
    polling = pilot.images.polling["dc"]
    to_s = pilot.farm.time_s
    while concentrator.rounds.collector.behind[0] or concentrator.rounds.collector.idle:
        to_s += 0.05
        polling.advance(to_s)
    polling.reachable[0] = False
    polling.advance(to_s + 60.0)
    ((text),) = [each.text for each in concentrator.queue.alarms(0, 10)]
    alarm = json.loads(text)
    assert (alarm["device"], alarm["alarm"], alarm["since"]) == ("meters-001", "clock_not_set", alarm["received"])
    assert (concentrator.clocks_set, concentrator.clocks_not_set) == (0, 1)
    assert off_s(pilot)[0] == 60.0
    assert not concentrator.rounds.answers[0, 0]


# ---------------------------------------------------------------------------------------- commands


def ordered(master: Master, pilot: Pilot, on: int) -> list[Asdu]:
    """Have the second meter move its relay; what comes back at once."""
    seat = pilot.images.places[0].placed[1].seat
    return master.ask(Type.DOUBLE_COMMAND, Cause.ACTIVATION, seat.address, IOA["grid_switch"], bytes([1 + on]))


def heard(master: Master, pilot: Pilot, seconds: int) -> list[tuple[int, bool]]:
    """What the master hears while so many seconds pass."""
    found: list[Asdu] = []
    for _ in range(seconds):
        pilot.step(1.0)
        master.now_s += 1.0
        master.pull()
        found += master.heard()
    return [(each.cause, each.negative) for each in found if each.type == Type.DOUBLE_COMMAND]


def test_a_relay_command_is_confirmed_when_the_meter_has_said_that_it_is_done(made: Made) -> None:
    pilot = Pilot(made())
    master = Master(pilot.images.places[0], NOW_S)  # type: ignore[arg-type]
    meter = pilot.farm.device("meters-002")
    assert ordered(master, pilot, 0) == []
    assert meter.value("grid_switch_closed") == 1.0
    assert master.engine.deadline_s() == pytest.approx(NOW_S + LOOK_AGAIN_S)
    assert heard(master, pilot, 60) == [(Cause.ACTIVATION_CON, False), (Cause.ACTIVATION_TERM, False)]
    assert meter.value("grid_switch_closed") == 0.0
    assert known(pilot).columns["grid_switch_closed"].tolist() == [1.0] * 5, "it was read back before it was opened"


@pytest.mark.parametrize("kind", ["offline", "outage"])
def test_a_relay_command_to_a_meter_out_of_contact_is_refused_after_its_tries(made: Made, kind: str) -> None:
    pilot = Pilot(made("{medium: radio_mesh, timeout_s: 4, tries: 3}"))
    pilot.farm.faults.add(kind, {"device": "meters-002"} if kind == "offline" else {})
    pilot.step(1.0)
    master = Master(pilot.images.places[0], NOW_S)  # type: ignore[arg-type]
    assert ordered(master, pilot, 0) == []
    assert heard(master, pilot, 11) == []
    assert heard(master, pilot, 2) == [(Cause.ACTIVATION_CON, True)]
    assert heard(master, pilot, 5) == []
    assert pilot.farm.device("meters-002").value("grid_switch") == 1.0
    assert known(pilot).columns["online"].tolist() == [1.0, 0.0, 1.0, 1.0, 1.0], "it has been found out"


def test_a_command_comes_when_its_master_is_gone_and_fails_when_the_concentrator_goes_down(made: Made) -> None:
    pilot = Pilot(made())
    master = Master(pilot.images.places[0], NOW_S)  # type: ignore[arg-type]
    ordered(master, pilot, 0)
    master.engine.hang_up(NOW_S)
    heard(master, pilot, 60)
    meter = pilot.farm.device("meters-002")
    assert meter.value("grid_switch_closed") == 0.0
    master = Master(pilot.images.places[0], NOW_S)  # type: ignore[arg-type]
    ordered(master, pilot, 1)
    pilot.farm.faults.add("rtu-down", {"station": "dc"})
    heard(master, pilot, 60)
    assert meter.value("grid_switch_closed") == 0.0


def test_a_meter_that_was_told_and_has_not_said_so_does_it_and_its_master_hears_no(made: Made) -> None:
    pilot = Pilot(made())
    seat = pilot.images.places[0].placed[1].seat
    master = Master(pilot.images.places[0], NOW_S)  # type: ignore[arg-type]
    ordered(master, pilot, 0)
    collector = pilot.images.concentrators["dc"].rounds.collector
    to_s = pilot.farm.time_s
    while collector.exchanges - collector.unanswered == 0:
        to_s += 0.1
        pilot.images.polling["dc"].advance(to_s)
    pilot.images.polling["dc"].reachable[1] = False
    pilot.images.polling["dc"].advance(to_s + 60.0)
    assert seat.device.value("grid_switch") == 0.0
    assert [command.acknowledged_s for _, _, command in pilot.farm.commands.take()] == [None]
    master.now_s += 1.0
    master.pull()
    assert [each.negative for each in master.heard() if each.type == Type.DOUBLE_COMMAND] == [True]


# ---------------------------------------------------------------------------------------- readings


@pytest.mark.parametrize(("day", "quarters"), [("2025-03-30", 92), ("2025-10-26", 100), ("2025-06-03", 96)])
def test_intervals_sum_to_the_registers_over_both_clock_changes_and_none_comes_before_its_end(
    made: Made, day: str, quarters: int
) -> None:
    begin = datetime.fromisoformat(day).replace(hour=0)
    before = begin.replace(day=begin.day - 1)
    pilot = Pilot(made(MESH, ("2025-06-02T23:00:00", f"{before:%Y-%m-%d}T22:00:00")))
    concentrator = until(pilot, f"{day}T23:00:00", 900.0)
    until(pilot, f"{begin.replace(day=begin.day + 1):%Y-%m-%d}T06:00:00", 900.0)
    read = records(concentrator)
    for each in read:
        begin, end = (datetime.fromisoformat(each[name]).timestamp() for name in ("begin", "end"))
        assert end == begin + 900.0
        assert datetime.fromisoformat(each["end"]) <= datetime.fromisoformat(each["read_at"])
    memory = pilot.farm.memories["meters"]
    for row in range(5):
        first, last = memory.profile.days(row)[-2:]
        mine = [
            each
            for each in read
            if each["device"] == f"meters-{row + 1:03}"
            and first.end_s < datetime.fromisoformat(each["end"]).timestamp() <= last.end_s
        ]
        assert len(mine) == quarters
        sums = [sum(each[name] for each in mine) for name in REGISTERS]
        assert sums == [after - then for after, then in zip(last.values, first.values, strict=True)]
        assert sums[0] > 0


def test_an_exchanged_meter_takes_with_it_what_was_not_read_and_the_new_one_sums_to_its_registers(made: Made) -> None:
    pilot = Pilot(made())
    until(pilot, "2025-06-03T12:00:00", 900.0)
    pilot.farm.faults.add("exchanged", {"device": "meters-001"}, parameters={"down_s": 600.0})
    read = [each for each in records(until(pilot, "2025-06-04T02:00:00", 900.0)) if each["device"] == "meters-001"]
    assert {each["serial"] for each in read[:4]} == {"meters-001"}
    new = [each for each in read[4:] if each["serial"] == pilot.farm.device("meters-001").serial]
    assert new == read[4:] != []
    assert new[0]["begin"] >= "2025-06-03T12:00"
    profile = pilot.farm.memories["meters"].profile
    assert new[-1]["end"] == "2025-06-04T00:00:00+02:00"
    kept = [each.values for each in profile.intervals(0) if each.end_s <= profile.days(0)[-1].end_s]
    assert [tuple(each[name] for name in REGISTERS) for each in new] == kept


def test_what_has_no_room_is_read_again_and_all_comes_once(made: Made) -> None:
    noon = ("2025-06-02T23:00:00", "2025-06-03T12:00:00")
    pilot = Pilot(made("{medium: plc_prime, again_s: 900, queue: 100}", noon, ("count: 5", "count: 9")))
    concentrator = until(pilot, "2025-06-03T23:50:00", 900.0)
    queue, read, full = concentrator.queue, list[dict[str, Any]](), 0
    for _ in range(12):
        pilot.step(900.0)
        waiting = queue.readings(0, 1_000)
        assert len(waiting) <= 100
        read += [json.loads(each.text) for each in waiting]
        if len(waiting) > 93:
            full += queue.problem.startswith("the queue is full: ")
        if waiting:
            queue.acknowledge_readings(waiting[-1].number)
    assert full >= 3
    for device in concentrator.devices:
        mine = spans(read, device)
        assert len(mine) == 48
        assert all(earlier[1] == later[0] for earlier, later in pairwise(mine))
    assert not queue.problem


_RUN: Final = """
import sys
from pilotfarm.emulators import site
from pilotfarm.emulators.serving.pilot import Pilot
pilot = Pilot(site.load(sys.argv[1]))
queue = pilot.images.concentrators["dc"].queue
for _ in range(5_000):
    pilot.step(30.0)
    if queue.waiting()[0]:
        print(queue.waiting()[0], flush=True)
"""


def test_a_killed_farm_loses_nothing_and_goes_on_where_it_was(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    layout = made(f"{{medium: plc_prime, folder: {folder}}}", ("23:00:00", "22:00:00"), ("count: 5", "count: 20"))
    command = [sys.executable, "-c", _RUN, str(tmp_path / "site.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        told = int(killed.stdout.readline())
        killed.send_signal(signal.SIGKILL)
    pilot = Pilot(layout)
    concentrator = pilot.images.concentrators["dc"]
    assert concentrator.queue.waiting()[0] >= told > 0
    read_to = dict(concentrator.queue.read_to())
    before = records(concentrator)
    assert 0 < len(read_to) <= 20
    until(pilot, "2025-06-03T03:00:00", 300.0)
    read = records(concentrator)
    assert read[: len(before)] == before
    for device in concentrator.devices:
        mine = spans(read, device)
        assert len(mine) == 8
        assert all(earlier[1] == later[0] for earlier, later in pairwise(mine))
    asyncio.run(pilot.close())
    other = made(f"{{medium: plc_prime, folder: {folder}}}", ("name: street", "name: street\nseed: 2"))
    with pytest.raises(ConfigError, match="is the queue of dc of street, seed 1, not of dc of street, seed 2"):
        Pilot(other)


def test_a_folder_that_cannot_be_had_is_told(made: Made, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be made as the folder of dc"):
        Pilot(made(f"{{medium: radio_mesh, folder: {tmp_path / 'taken'}}}"))


# -------------------------------------------------------------------------------------- site file


def problems(layout: Callable[[], object]) -> Iterator[tuple[int, str, str]]:
    with pytest.raises(ConfigError) as caught:
        layout()
    for each in caught.value.problems:
        yield each.line, each.where, each.message


AT: Final = "stations.dc.collecting"


@pytest.mark.parametrize(
    ("collecting", "changes", "where", "message"),
    [
        ("{medium: rs485}", [], f"{AT}.medium", "there is no medium of meters 'rs485'; known are "),
        ("{medium: plc_g4}", [], f"{AT}.medium", "there is no medium of meters 'plc_g4'; known are "),
        ("{at: 01:00}", [], f"{AT}.medium", "is missing"),
        ("{medium: plc_g3, at: 24:00}", [], f"{AT}.at", "must be a time of day, such as '00:05', not '24:00'"),
        ("{medium: plc_g3, at: noon}", [], f"{AT}.at", "must be a time of day, such as '00:05', not 'noon'"),
        ("{medium: plc_g3, at: 5}", [], f"{AT}.at", "must be a text"),
        ("{medium: plc_g3, queue: 0}", [], f"{AT}.queue", "must be at least 100, not 0"),
        ("{medium: plc_g3, scan_s: 5}", [], f"{AT}.scan_s", "unknown key"),
        ("{medium: plc_g3}\n    polling: {}", [], AT, "a station that collects in rounds does not poll, too"),
        (MESH, [("{memory: 1}", "{memory: 0}")], AT, "meters-001 keeps no load profile; give the ratings of meters"),
        (MESH, [("smart_meter", "battery"), ("    ratings: {memory: 1}\n", "")], AT, "a battery keeps no load profile"),
        (
            "{medium: plc_g3, at: 04:00}",
            [("count: 5", "count: 1_000")],
            f"{AT}.medium",
            "to read 1000 meters takes 1000 x 11 s = 3.06 h, and from 04:00 to 07:00 it is 3 h; have several",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(
    made: Made, collecting: str, changes: list[tuple[str, str]], where: str, message: str
) -> None:
    ((line, at, said),) = problems(lambda: made(collecting, *changes))
    assert (at, said[: len(message)]) == (where, message)
    assert 11 <= line + (not changes) <= 14


@pytest.mark.parametrize("at", ["20:00", "06:59", "07:00"])
def test_the_night_is_as_long_as_it_is(made: Made, at: str) -> None:
    many = ("count: 5", "count: 3_000")
    if at != "06:59":
        assert made(f"{{medium: plc_g3, at: {at}}}", many).stations[0].collecting
        return
    ((*_, said),) = problems(lambda: made(f"{{medium: plc_g3, at: {at}}}", many))
    assert "from 06:59 to 07:00 it is 0.0167 h" in said
