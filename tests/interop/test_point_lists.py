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
      - {protocol: iec104, station: lister}
      - {protocol: modbus, station: logger}
  storage:
    kind: battery
    count: 1
    endpoints:
      - {protocol: modbus, options: {sunspec_base: 50000}}
      - {protocol: dnp3, address: 77}
      - {protocol: iec104, station: lister}
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
  lister:
    protocol: iec104
    points:
      - {devices: meters-*, quantity: [active_power_w, voltage_l1_v, frequency_hz], address: 100, step: 10}
      - {devices: meters-*, quantity: voltage_l1_v, address: 200, type: M_ME_TE_1, scale: 0.1}
      - {devices: meters-*, quantity: [energy_imported_wh, energy_exported_wh], address: 300}
      - {devices: storage-001, quantity: active_power_w, address: 20, type: M_ME_TD_1, scale: 20000, common_address: 7}
      - {devices: storage-001, quantity: online, address: 30, type: M_DP_TB_1, common_address: 7, group: 3}
      - {devices: storage-001, quantity: active_power_setpoint_w, address: 40, type: M_ME_TF_1, common_address: 7}
      - {devices: storage-001, quantity: active_power_setpoint_w, address: 500, type: C_SE_NB_1, scale: 100,
         common_address: 7}
      - {devices: storage-001, quantity: active_power_setpoint_w, address: 501, type: C_SE_NA_1, scale: 20000,
         common_address: 7}
  logger:
    protocol: modbus
    points:
      - {devices: meters-*, quantity: [voltage_l1_v, active_power_w], address: 10, type: int32, scale: 0.01}
      - {devices: meters-*, quantity: energy_imported_wh, address: 10, type: input float32}
      - {devices: meters-*, quantity: online, address: 5, unit: 1}
"""


def test_a_stranger_reads_what_rest_shows_and_commands_by_a_list(tmp_path: Path) -> None:
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
        (way,) = {(row["host"], int(row["port"])) for row in rows if row["station"] == "lister"}
        heard = run_client("c104_lists.py", host=way[0], port=way[1], rest=str(farm.rest.base_url))
        told = farm.values("storage-001")
    seen: Counter[tuple[str, str]] = Counter()
    for number, row in enumerate(rows):
        if str(number) not in read:
            assert "r" not in row["access"] or "(" in row["data_type"], row
            continue
        value, scale = truth[row["device"]][row["quantity"]], abs(float(row["scale"]))
        if row["object"] in ("counter", "integrated total"):
            slack = scale
        else:
            step = {"9": 1.0 / 32768.0, "11": 1.0}.get(row["read_code"], 0.0) if row["protocol"] == "iec104" else 1.0
            slack = 0.0 if "float" in row["data_type"] else 0.5001 * step * scale
        assert abs(read[str(number)] - value) <= slack + 1e-6 * abs(value) + 1e-9, row
        seen[row["protocol"], row["station"]] += 1
    assert [seen.pop(each) for each in (("dnp3", "listed"), ("iec104", "lister"), ("modbus", "logger"))] == [14, 15, 8]
    stations = {("modbus", "gateway"), ("iec104", "rtu"), ("dnp3", "drops")}
    assert set(seen) == {("modbus", ""), ("iec104", ""), ("dnp3", ""), *stations}
    assert min(seen.values()) > 50
    assert [heard[each] for each in ("group", "wrong type", "scaled", "normalized")] == [True, False, True, True]
    assert heard["points of the group"] == {"7": {"30": [2.0, "M_DP_NA_1", True]}}
    # Of an object that c104 has not met before it tells the first news twice.
    news = [(each["type"], each["cause"], each["value"]) for each in heard["news"] if each["ioa"] == 40]
    assert list(dict.fromkeys(news)) == [
        ("M_ME_TF_1", "RETURN_INFO_REMOTE", 1200.0),
        ("M_ME_TF_1", "RETURN_INFO_REMOTE", -2500.0),
    ]
    assert told["active_power_setpoint_w"] == -2500.0
    assert told["active_power_w"] < -1000.0, "the device follows"
    assert {each["ioa"] for each in heard["news"] if each["ca"] == 7} == {20, 40}
