"""What a station costs that polls: its share of a step, and the same devices behind one that knows at once."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.loadtests.bench.row import Row

DEVICES: Final = 500
FEW: Final = 32
_WARM_UP: Final = 10
_SITE: Final = """\
name: polled
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
groups:
  meters:
    kind: smart_meter
    count: COUNT
    endpoints: [{protocol: iec104, station: rtu}]
stations:
  rtu:
    protocol: iec104
"""
_BUSES: Final = "{medium: rs485, baud_rate: 115_200, devices_per_bus: 2, timeout_s: 0.2}"
_MODEMS: Final = "{medium: lte, timeout_s: 2}"


def polling_costs(quick: bool) -> Iterator[Row]:
    """(k) A station that scans 500 devices every second, and one that really scans 32: what a step costs in which a
    master listens."""
    pilots = {
        "known at once": _pilot(DEVICES, ""),
        "polled on buses": _pilot(DEVICES, f"    polling: {_BUSES}\n"),
        "polled over LTE": _pilot(DEVICES, f"    polling: {_MODEMS}\n"),
    }
    took_ms = _step_ms(list(pilots.values()), 60 if quick else 300)
    at_once_ms = took_ms[0]
    for what, ms in zip(pilots, took_ms, strict=True):
        yield Row("k", f"a step of {DEVICES} devices at a station, {what}", ms, "ms")
    for what, ms in list(zip(pilots, took_ms, strict=True))[1:]:
        share = 100.0 * (1.0 - at_once_ms / ms)
        yield Row("k", f"of it for the scan, {what}", share, "%", "<= 5", share <= 5.0)
    yield from _really_polled(quick)


def _really_polled(quick: bool) -> Iterator[Row]:
    """The same of few devices, with which octets are exchanged; a step at a speed of 1 is a second."""
    real = _BUSES.replace("{", "{real: true, ")
    pilots = {
        "known at once": _pilot(FEW, ""),
        "polled on buses": _pilot(FEW, f"    polling: {_BUSES}\n"),
        "really polled on buses": _pilot(FEW, f"    polling: {real}\n"),
    }
    at_once_ms, by_columns_ms, real_ms = _step_ms(list(pilots.values()), 60 if quick else 300)
    for what, ms in zip(pilots, (at_once_ms, by_columns_ms, real_ms), strict=True):
        yield Row("k", f"a step of {FEW} devices at a station, {what}", ms, "ms")
    layout = pilots["really polled on buses"].layout.stations[0].polling
    assert layout is not None
    exchanges = float(np.sum(1.0 / layout.polls.every))
    yield Row("k", "really polled, over polled by columns", real_ms / by_columns_ms, "x")
    yield Row("k", f"of it for each of {exchanges:.0f} exchanges", 1e3 * (real_ms - at_once_ms) / exchanges, "us")
    share = (real_ms - at_once_ms) / 10.0
    yield Row("k", "of a second for a scan every second, really polled", share, "%", "<= 5", share <= 5.0)


def _pilot(count: int, polling: str) -> Pilot:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "site.yaml"
        file.write_text(_SITE.replace("COUNT", str(count)) + polling, encoding="utf-8")
        pilot = Pilot(load(str(file)))
    # A master that has started has the station look for events at every step.
    engine = pilot.images.places[0].station.connect("master", 0.0)
    engine.receive(bytes([0x68, 4, 0x07, 0, 0, 0]), 0.0)
    return pilot


def _step_ms(pilots: list[Pilot], steps: int) -> list[float]:
    """Return the median processor time of a step of each [ms]; they take turns."""
    took_s: list[list[float]] = [[] for _ in pilots]
    for n in range(_WARM_UP + steps):
        for pilot, spent_s in zip(pilots, took_s, strict=True):
            begin_s = time.process_time()
            pilot.step(1.0)
            if n >= _WARM_UP:
                spent_s.append(time.process_time() - begin_s)
    return [1e3 * statistics.median(each) for each in took_s]
