"""Real polls and polls by columns hold each other: the same values, as old within a poll, of the same devices.

Both are the same site; one exchanges octets over links and engines, with draws of its own, and the other works out by
arrays what comes when.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pilotfarm.emulators import registry, site
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.stations.polled import Polled
from pilotfarm.emulators.wire.derived import Flags
from pilotfarm.emulators.wire.resource import ResourceSource

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T11:00:00
step_s: 1
groups:
  meters: {kind: smart_meter, count: 14, endpoints: [{protocol: iec104, station: rtu}]}
  storages: {kind: battery, count: 8, endpoints: [{protocol: iec104, station: rtu}]}
  roofs: {kind: pv_generator, count: 6, endpoints: [{protocol: iec104, station: rtu}]}
  chargers: {kind: ev_charger, count: 4, endpoints: [{protocol: iec104, station: rtu}]}
stations:
  rtu: {protocol: iec104, polling: POLLING}
"""
MEDIA = {
    "rs485": "baud_rate: 115_200, devices_per_bus: 4, scan_s: 5, slow_s: 10, counters_s: 15, timeout_s: 0.3, retries: 4",
    "plc_g3": "devices_per_bus: 1, scan_s: 60, slow_s: 60, counters_s: 60, timeout_s: 8, retries: 6",
    "lte": "scan_s: 5, slow_s: 10, counters_s: 15, timeout_s: 2.5, retries: 4",
}
SCANS = 8
GONE = "meters-003"


def pilot(folder: Path, medium: str, *, real: bool, scan: str = "") -> Pilot:
    (folder / "site.yaml").write_text(
        SITE.replace("POLLING", f"{{medium: {medium}, real: {str(real).lower()}, {scan or MEDIA[medium]}}}"),
        encoding="utf-8",
    )
    return Pilot(site.load(str(folder / "site.yaml")), ManualClock())


def step(here: Pilot, steps: int = 1) -> None:
    assert isinstance(here.clock, ManualClock)
    for _ in range(steps):
        here.clock.advance(1.0)
        here.step(1.0)


def known(here: Pilot) -> dict[str, Polled]:
    found = {viewpoint[0]: image.known for viewpoint, image in here.images if isinstance(image.known, Polled)}
    assert found
    return found
