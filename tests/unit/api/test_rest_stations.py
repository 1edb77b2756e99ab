"""What REST says of stations, and how far those that poll are behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rest_client import Rest

from pilotfarm.emulators import site

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
groups:
  meters:
    kind: smart_meter
    count: 5
    endpoints: [{protocol: iec104, station: rtu}, {protocol: modbus, station: gateway}]
stations:
  rtu:
    protocol: iec104
    medium: gprs
    polling: {baud_rate: 115_200, scan_s: 2, slow_s: 4, counters_s: 4, devices_per_bus: 3, timeout_s: 0.1}
  gateway: {protocol: modbus}
"""


def test_a_station_that_polls_says_how_old_is_what_it_knows(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    rest.pilot.farm.faults.add("offline", {"device": "meters-005"})
    for _ in range(10):
        rest.pilot.step(1.0)
    rtu, gateway = rest.get("/api/v1/stations")
    assert gateway == {"name": "gateway", "protocol": "modbus", "medium": "none", "devices": 5, "polling": None}
    assert (rtu["name"], rtu["protocol"], rtu["medium"], rtu["devices"]) == ("rtu", "iec104", "gprs", 5)
    polling, scanner = rtu["polling"], rest.pilot.images.polling["rtu"].scanner
    assert (polling["protocol"], polling["medium"], polling["buses"], polling["scan_s"]) == ("modbus", "rs485", 2, 2.0)
    assert (polling["scans"], polling["scans_left_out"]) == (2 * 5, 0)
    assert polling["silent"] == ["meters-005"]
    assert polling["polls_unanswered"] == scanner.unanswered > 5
    ages = polling["age_s"]
    assert ages.keys() == {"scan", "slow", "counters"}
    assert ages["scan"]["max"] == pytest.approx(10.0)  # nobody has read the fifth
    assert 0.0 < ages["scan"]["median"] <= 3.0
    assert ages["scan"]["median"] < ages["counters"]["median"] <= 5.0
    known_s = rest.pilot.farm.time_s - scanner.known_s[0]
    assert ages["scan"]["p95"] == pytest.approx(float(np.quantile(known_s, 0.95)))
