"""What data concentrators cost: the rounds of a night, with what they keep."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.loadtests.bench.row import Row

CONCENTRATORS, FEW = 100, 5
METERS: Final = 100
_STEP_S: Final = 300.0
_BEGIN_H, _NIGHT_H = 24.5, 7.5
"""From the start of the site to midnight, and from there to the morning."""
_HEAD: Final = """\
name: night
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-01T23:30:00
"""
_GROUP: Final = """\
  street-NUMBER:
    kind: smart_meter
    count: COUNT
    ratings: {memory: 1}
    endpoints: [{protocol: iec104, station: dc-NUMBER}]
"""
_STATION: Final = "  dc-NUMBER: {protocol: iec104, collecting: {medium: plc_g3, folder: FOLDER}}\n"


def nights(quick: bool) -> Iterator[Row]:
    """(n) A day of 100 concentrators of 100 meters, read in a night over power lines and kept on disk."""
    concentrators = FEW if quick else CONCENTRATORS
    with tempfile.TemporaryDirectory() as folder:
        pilot = _pilot(concentrators, folder)
        _advance(pilot, _BEGIN_H)
        before = _waiting(pilot)
        took_s = _advance(pilot, _NIGHT_H)
        read = _waiting(pilot) - before
        exchanges = sum(each.rounds.collector.exchanges for each in pilot.images.concentrators.values())
        pilot.images.close()
    what = f"a night of {concentrators} concentrators of {METERS} meters"
    yield Row("n", f"{what}: processor time", took_s, "s", "" if quick else "<= 60", None if quick else took_s <= 60.0)
    yield Row("n", f"{what}: readings", float(read), "")
    yield Row("n", f"{what}: of it for each exchange", 1e6 * took_s / exchanges, "us")


def _advance(pilot: Pilot, hours: float) -> float:
    """Take steps, and return what concentrators took of the processor time. [s]"""
    took_s = 0.0
    for _ in range(round(hours * 3_600.0 / _STEP_S)):
        pilot.farm.step(_STEP_S)
        begin_s = time.process_time()
        for polling in pilot.images.polling.values():
            polling.advance(pilot.farm.time_s)
        took_s += time.process_time() - begin_s
        pilot.images.refresh()
    return took_s


def _waiting(pilot: Pilot) -> int:
    return sum(each.queue.waiting()[0] for each in pilot.images.concentrators.values())


def _pilot(concentrators: int, folder: str) -> Pilot:
    groups, stations = (
        "".join(text.replace("NUMBER", str(number)) for number in range(1, concentrators + 1))
        for text in (_GROUP.replace("COUNT", str(METERS)), _STATION.replace("FOLDER", folder))
    )
    file = Path(folder) / "site.yaml"
    file.write_text(f"{_HEAD}groups:\n{groups}stations:\n{stations}", encoding="utf-8")
    return Pilot(load(str(file)))
