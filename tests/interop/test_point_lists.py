"""Who has nothing but the CSV of `pilotfarm points` reads every point, on every protocol and kind of station."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

from running_farm import brought_up, network, run_client

STREET = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
groups:
  homes:
    kind: prosumer
    count: 2
    endpoints:
      - {protocol: modbus, station: gateway}
      - {protocol: iec104, station: rtu}
      - {protocol: dnp3, station: drops}
  cars:
    kind: ev_charger
    count: 2
    endpoints:
      - {protocol: modbus, map: alfen, station: gateway}
      - {protocol: modbus, map: alfen, port: 15020, address: 7}
  meters:
    kind: smart_meter
    count: 2
    ratings: {phases: {choice: [1, 3]}}
    endpoints:
      - {protocol: modbus}
      - {protocol: iec104, station: rtu}
      - {protocol: iec104}
      - {protocol: dnp3}
      - {protocol: dnp3, station: listed}
  storage:
    kind: battery
    count: 1
    endpoints: [{protocol: modbus, options: {sunspec_base: 50000}}, {protocol: dnp3, address: 77}]
stations:
  rtu: {protocol: iec104}
  gateway: {protocol: modbus}
  drops: {protocol: dnp3}
  listed:
    protocol: dnp3
    points:
      - {devices: "*", quantity: [active_power_w, voltage_l1_v], address: 1000, step: 10, link_address: 30}
      - {devices: "*", quantity: frequency_hz, address: 0, type: g30v5, link_address: 30}
      - {devices: "*", quantity: active_power_w, address: 100, type: g30v2, scale: 10, link_address: 30}
      - {devices: "*", quantity: energy_imported_wh, address: 5, scale: 100, link_address: 30}
      - {devices: "*", quantity: [online, general_alarm], address: 0, link_address: 30}
"""


def test_a_stranger_reads_what_rest_shows(tmp_path: Path) -> None:
    site = tmp_path / "street.yaml"
    site.write_text(STREET, encoding="utf-8")
    command = [sys.executable, "-m", "pilotfarm.api.cli", "points", str(site), "--addresses", network()]
    listed = subprocess.run(command, capture_output=True, check=True)
    handed_over = tmp_path / "points.csv"
    handed_over.write_bytes(listed.stdout)
    rows = list(csv.DictReader(io.StringIO(listed.stdout.decode(), newline="")))
    with brought_up(tmp_path, str(site)) as farm:
        farm.step(60)
        read = run_client("stranger.py", path=str(handed_over))
        truth = {device: farm.values(device) for device in {row["device"] for row in rows}}
    seen: Counter[tuple[str, str]] = Counter()
    for number, row in enumerate(rows):
        if str(number) not in read:
            assert "r" not in row["access"] or "(" in row["data_type"], row
            continue
        value, scale = truth[row["device"]][row["quantity"]], abs(float(row["scale"]))
        if row["object"] in ("counter", "integrated total"):
            slack = scale
        else:
            slack = 0.0 if "float" in row["data_type"] or row["protocol"] == "iec104" else 0.5001 * scale
        assert abs(read[str(number)] - value) <= slack + 1e-6 * abs(value) + 1e-9, row
        seen[row["protocol"], row["station"]] += 1
    assert seen.pop(("dnp3", "listed")) == 14
    stations = {("modbus", "gateway"), ("iec104", "rtu"), ("dnp3", "drops")}
    assert set(seen) == {("modbus", ""), ("iec104", ""), ("dnp3", ""), *stations}
    assert min(seen.values()) > 50
