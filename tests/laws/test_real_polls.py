"""Real polls and polls by columns hold each other: the same values, as old within a poll, of the same devices.

Two stations have the same devices: one exchanges octets over links and engines, with draws of its own, and the other
works out by arrays what comes when.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pilotfarm.emulators import registry, site
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import PollingLayout
from pilotfarm.emulators.stations.polled import Polled, Poller
from pilotfarm.emulators.stations.real.scanner import RealScanner

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T11:00:00
step_s: STEP
groups:
  meters:
    kind: smart_meter
    count: 14
    endpoints: &both [{protocol: iec104, station: s1}, {protocol: iec104, station: s2}]
  storages: {kind: battery, count: 8, endpoints: *both}
  roofs: {kind: pv_generator, count: 6, endpoints: *both}
  chargers: {kind: ev_charger, count: 4, endpoints: *both}
stations:
  s1: {protocol: iec104, polling: {medium: MEDIUM, POLLING}}
  s2: {protocol: iec104, polling: {medium: MEDIUM, POLLING, real: true}}
"""
BY_COLUMNS, REAL = "s1", "s2"
MEDIA = {
    "rs485": (1.0, 18, "baud_rate: 115_200, devices_per_bus: 4, scan_s: 5, slow_s: 10, counters_s: 15, timeout_s: 0.3"),
    "plc_g3": (10.0, 35, "devices_per_bus: 1, scan_s: 120, slow_s: 120, counters_s: 240, timeout_s: 8, retries: 6"),
    "lte": (1.0, 18, "scan_s: 5, slow_s: 10, counters_s: 15, timeout_s: 1.5, retries: 3"),
}
"""How long a step is and how many are taken, until some time after a scan has begun; and how the station polls."""
GONE, UNKNOWN = ("meters", 2), ("storages", 0, "soc_frac")


class Seen(NamedTuple):
    """What devices reported from a time on."""

    time_s: float
    reported: Mapping[str, Mapping[str, Floats]]


class Run:
    """A site with faults, and two stations that poll the same devices, played for so many steps."""

    def __init__(self, folder: Path, medium: str, wall_s: float = 1_750_000_000.0) -> None:
        self.step_s, steps, polling = MEDIA[medium]
        text = SITE.replace("MEDIUM", medium).replace("POLLING", polling).replace("STEP", f"{self.step_s:g}")
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        clock = ManualClock(wall_s)
        self.pilot = Pilot(site.load(str(folder / "site.yaml")), clock)
        add = self.pilot.farm.faults.add
        add("noise", {"group": "meters", "quantity": "active_power_*w"}, parameters={"std": 20.0})
        add("offline", {"device": f"{GONE[0]}-{GONE[1] + 1:03}"})
        add("missing", {"device": f"{UNKNOWN[0]}-{UNKNOWN[1] + 1:03}", "quantity": UNKNOWN[2]})
        self.seen = [self._now()]
        for _ in range(steps):
            clock.advance(self.step_s)
            self.pilot.step(self.step_s)
            self.seen.append(self._now())

    def _now(self) -> Seen:
        farm = self.pilot.farm
        return Seen(farm.time_s, {name: dict(group.reported) for name, group in farm.groups.items()})

    @property
    def layout(self) -> PollingLayout:
        found = self.pilot.layout.stations[0].polling
        assert found is not None
        return found

    @property
    def places(self) -> list[tuple[str, int]]:
        return [(seat.group, seat.row) for seat in self.pilot.layout.stations[0].seats]

    def scanner(self, station: str) -> Poller:
        return self.pilot.images.polling[station].scanner

    def known(self, station: str, group: str) -> Polled:
        number = -1 - (BY_COLUMNS, REAL).index(station)
        found = next(image.known for viewpoint, image in self.pilot.images if viewpoint[:3:2] == (group, number))
        assert isinstance(found, Polled)
        return found

    def reported(self, group: str, row: int, name: str, read_s: float) -> list[float]:
        """What a device said while it was polled: its last answer was of then, and the first of up to a scan before."""
        upto = [each for each in self.seen if each.time_s <= read_s + 1e-9]
        last = [each for each in upto if each.time_s > read_s - self.layout.scan_s]
        return [float(each.reported[group][name][row]) for each in upto[len(upto) - len(last) - 1 :]]


@pytest.fixture(scope="module", params=MEDIA)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("both"), request.param)


def resolutions(run: Run, group: str) -> dict[str, float]:
    """How fine what can be read of a device is; of what is not told by a number as it stands, exact."""
    layout, here = run.layout, run.pilot.farm.groups[group]
    found: dict[str, float] = {}
    for point in registry.point_map(layout.maps[group]).points(here.spec, here.columns):
        if point.read_code is not None:
            exact = point.data_type.startswith("float") or "(" in point.data_type
            found.setdefault(point.quantity, 0.0 if exact else 0.5 * abs(point.scale))
    return found


def test_they_poll_at_the_same_times_and_find_out_the_same(run: Run) -> None:
    by_columns, real = run.scanner(BY_COLUMNS), run.scanner(REAL)
    silent = [place for place, answers in zip(run.places, by_columns.answers[0], strict=True) if not answers]
    assert silent == [GONE]
    assert (by_columns.answers == real.answers).all()
    assert real.scans == pytest.approx(by_columns.scans, rel=0.03)
    polls = run.layout.polls
    every = np.array([polls.every[polls.scan_class == each][0] for each in range(3)])
    # By a poll that only one of them has been through, and by where in a scan they have it.
    late = np.abs(by_columns.known_s - real.known_s) / (run.layout.scan_s * every[:, None])
    assert 0.0 < late.max() < 1.1
    assert np.quantile(late, 0.9) < 0.5


def test_what_they_know_is_what_devices_said_when_they_were_read(run: Run) -> None:
    real = run.scanner(REAL)
    assert isinstance(real, RealScanner)
    held = moved = 0
    for place, (group, row) in enumerate(run.places):
        fine = resolutions(run, group)
        for scan_class, says in enumerate(real.peers[place].master.says):
            for name in sorted(says - {"online"}):
                if (group, row, name) == UNKNOWN:
                    continue
                for station in (BY_COLUMNS, REAL):
                    value = run.known(station, group).columns[name][row]
                    said = run.reported(group, row, name, run.scanner(station).known_s[scan_class, place])
                    within = max(fine[name], 2.0**-23 * max(map(abs, said))) if station == REAL else 0.0
                    assert min(abs(each - value) for each in said) <= within * 1.000001, (name, value, said)
                    moved += said[0] != said[-1]
                held += 1
    assert held > 1_000
    assert moved > 100


def test_what_is_not_topical_or_not_there_is_the_same(run: Run) -> None:
    for group in run.layout.maps:
        by_columns, real = (run.known(station, group) for station in (BY_COLUMNS, REAL))
        good = np.zeros(len(by_columns.columns["online"]), dtype=np.uint8)
        assert by_columns.columns["online"].tolist() == real.columns["online"].tolist()
        for name in sorted(set().union(*run.layout.names[group])):
            one, other = (each.quality.get(name, good) for each in (by_columns, real))
            assert (one & Quality.NOT_TOPICAL).tolist() == (other & Quality.NOT_TOPICAL).tolist(), name
            if (group, name) == (UNKNOWN[0], UNKNOWN[2]):
                assert np.flatnonzero(other & Quality.INVALID).tolist() == [UNKNOWN[1]]
                assert np.flatnonzero(one & Quality.INVALID).tolist() == [UNKNOWN[1]]
    # The card has several registers, none of which says it all.
    assert (run.known(REAL, "chargers").quality["owner_card_id"] & Quality.INVALID).all()


def test_a_run_again_is_the_same_whatever_the_wall_clock_says(tmp_path: Path, run: Run) -> None:
    if run.layout.medium != "plc_g3":
        return
    again = Run(tmp_path, run.layout.medium, wall_s=1_900_000_000.0)
    ours, theirs = run.scanner(REAL), again.scanner(REAL)
    assert ours.known_s.tobytes() == theirs.known_s.tobytes()
    assert (ours.scans, ours.left_out, ours.unanswered) == (theirs.scans, theirs.left_out, theirs.unanswered)
    for group in again.layout.maps:
        one, other = run.known(REAL, group), again.known(REAL, group)
        assert all(one.columns[name].tobytes() == other.columns[name].tobytes() for name in one.columns)
        assert {name: marks.tobytes() for name, marks in one.quality.items()} == {
            name: marks.tobytes() for name, marks in other.quality.items()
        }
