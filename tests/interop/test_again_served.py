"""A farm under masters leaves the ledger of one that nobody serves, if both are told the same at the same steps."""

from __future__ import annotations

from pathlib import Path

from again_rig import digests
from pymodbus.client import ModbusTcpClient
from running_farm import brought_up

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.tables import read
from pilotfarm.emulators.site import load

DEVICE = "battery-001"
SETPOINT_W = -1_234
METERS, STD = {"kind": "smart_meter", "quantity": "voltage_l*"}, {"std": 2.0}
NOISE = {"kind": "noise", "target": METERS, "parameters": STD, "duration_s": 3.0}
OFFSET = {"offset_hz": -0.2}
DIP = {"kind": "frequency-offset", "parameters": OFFSET, "start": 6.0, "duration_s": 4.0}


def served(folder: Path) -> Path:
    """Told by REST and a Modbus master, which also reads, paused and stepped, at last as fast as it can."""
    with brought_up(folder, "tiny", "--speed", "0.001") as site:  # no step before it is paused
        way = site.ways("modbus")[DEVICE]
        rows = [row for row in site.points(DEVICE, "modbus") if row["object"] == "holding register"]
        at = {row["quantity"]: row["number"] for row in rows}
        with ModbusTcpClient(way.host, port=way.port) as client:
            site.rest.post("faults", json=NOISE).raise_for_status()
            site.tell("charger-001", active_power_limit_frac=0.25)
            words = [SETPOINT_W >> 16 & 0xFFFF, SETPOINT_W & 0xFFFF]
            assert not client.write_registers(at["active_power_setpoint_w"], words, device_id=way.address).isError()
            for _ in range(3):
                site.step()
                assert not client.read_holding_registers(40_000, count=100, device_id=way.address).isError()
            assert not client.write_register(at["active_power_setpoint_enabled"], 1, device_id=way.address).isError()
            site.rest.post("faults", json=DIP).raise_for_status()
            site.step(10)
        return site.recorded


def alone(folder: Path) -> Path:
    farm = Farm(load("tiny"))
    farm.step(WARM_UP_S)
    farm.observers.append(ledger := Ledger(folder, farm, ManualClock()))
    farm.step(1.0)
    farm.faults.add("noise", METERS, parameters=STD, duration_s=3.0)
    farm.device("charger-001").submit(enabled({"active_power_limit_frac": 0.25}), "rest", "", 0.0)
    farm.device(DEVICE).submit({"active_power_setpoint_w": SETPOINT_W}, "modbus", "", 0.0)
    for _ in range(3):
        farm.step(1.0)
    farm.device(DEVICE).submit({"active_power_setpoint_enabled": 1.0}, "modbus", "", 0.0)
    farm.faults.add("frequency-offset", parameters=OFFSET, start_s=farm.time_s + 6.0, duration_s=4.0)
    for _ in range(10):
        farm.step(1.0)
    ledger.close()
    return folder


def test_who_serves_reads_and_paces_a_farm_changes_no_byte(tmp_path: Path) -> None:
    found, wanted = served(tmp_path), alone(tmp_path / "alone")
    assert read(found, "commands").to_pylist() == read(wanted, "commands").to_pylist()
    assert read(found, "faults").to_pylist() == read(wanted, "faults").to_pylist()
    assert digests(found) == digests(wanted)
    assert len(digests(found)) == 5
    assert {row["outcome"] for row in read(found, "effects").to_pylist()} == {"effective"}
    assert all(row["peer"] for row in read(found, "receipts").to_pylist())
