"""Clients of Alfen, KEBA and Eastron, unmodified, at devices that have one product's map alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import pytest
from alfen_eve_modbus_tcp import CarCharger
from pymodbus.client import ModbusTcpClient
from python_keba_client.keba_modbus_client import CableState, ChargingState, KebaModbusClient
from running_farm import RunningFarm, brought_up, installed, run_client

SITE: Final = Path(__file__).with_name("vendors.yaml")
SDM_MODBUS: Final = ("sdm_modbus==0.7.0", "pymodbus==3.6.9")
"""The client's last release needs a pymodbus from before 3.7."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    with brought_up(tmp_path_factory.mktemp("farm"), str(SITE)) as farm:
        farm.step(60)
        yield farm


@pytest.fixture(scope="module")
def sdm_modbus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The client's packages, in a folder of their own."""
    return str(installed(tmp_path_factory.mktemp("sdm_modbus"), SDM_MODBUS))


def charging(site: RunningFarm, group: str) -> str:
    """A charger of a group with a vehicle that charges on all the phases it has."""
    for name in site.ways("modbus"):
        values = site.values(name) if name.rpartition("-")[0] == group else {}
        on = [values.get(f"current_l{k}_a", 0.0) > 5.0 for k in (1, 2, 3)]
        if (all(on) or (any(on) and group.endswith("single"))) and min(
            values["energy_wanted_wh"], values["time_to_departure_s"]
        ) > 3_600.0:
            return name
    raise AssertionError(f"no vehicle charges at {group}")


@contextmanager
def eve_of(site: RunningFarm, device: str) -> Iterator[CarCharger]:
    way = site.ways("modbus")[device]
    client = CarCharger(host=way.host, port=way.port)
    client.connect()
    try:
        yield client
    finally:
        client.disconnect()


def all_of(site: RunningFarm, device: str) -> Mapping[str, Any]:
    with eve_of(site, device) as client:
        return dict(client.read_all())


# ------------------------------------------------------------------------------------------- Alfen


def test_the_alfen_client_reads_every_register_as_the_ledger_has_it(site: RunningFarm) -> None:
    device = charging(site, "eve")
    truth = site.values(device) | site.ledger_now()[device]
    read = all_of(site, device)
    by_phase = {
        "current_phase_L{}": "current_l{}_a",
        "voltage_phase_L{}N": "voltage_l{}_v",
        "apparent_energy_phase_L{}": "apparent_energy_l{}_vah",
        "real_energy_delivered_phase_L{}": "energy_imported_l{}_wh",
        "real_energy_consumed_phase_L{}": "energy_exported_l{}_wh",
        "reactive_energy_phase_L{}": "reactive_energy_imported_l{}_varh",
    }
    for theirs, ours in by_phase.items():
        for k in (1, 2, 3):
            assert read[theirs.format(k)] == pytest.approx(truth[ours.format(k)], rel=1e-6), theirs
    for k in (1, 2, 3):
        power, var = -truth[f"active_power_l{k}_w"], -truth[f"reactive_power_l{k}_var"]
        assert read[f"real_power_phase_L{k}"] == pytest.approx(power, rel=1e-6)
        assert read[f"apparent_power_phase_L{k}"] == pytest.approx(math.hypot(power, var), rel=1e-6)
        assert read[f"power_factor_phase_L{k}"] == pytest.approx(power / math.hypot(power, var), rel=1e-6)
    assert read["real_energy_delivered_sum"] == pytest.approx(
        sum(read[f"real_energy_delivered_phase_L{k}"] for k in (1, 2, 3))
    )
    assert read["real_power_sum"] > 3_000.0
    assert read["mode_3_state"] == "C2"
    assert [name for name, value in read.items() if isinstance(value, float) and math.isnan(value)] == [
        "temperature",
        "scn_max_current_phase_l1",
        "scn_max_current_phase_l2",
        "scn_max_current_phase_l3",
    ], "not available, as the product says it"
    assert (read["charge_using_1_or_3_phases"], read["modbus_slave_received_setpoint_accounted_for"]) == (3, 1)


def test_the_alfen_s_clock_is_the_site_s(site: RunningFarm) -> None:
    read = all_of(site, charging(site, "eve"))
    now = site.time.astimezone(UTC)
    assert [read[f"c_date_{part}"] for part in ("year", "month", "day")] == [now.year, now.month, now.day]
    assert [read[f"c_time_{part}"] for part in ("hour", "minute", "second")] == [now.hour, now.minute, now.second]
    assert read["c_time_zone"] == 0


def test_a_set_point_is_applied_and_accounted_for(site: RunningFarm) -> None:
    device = charging(site, "eve")
    with eve_of(site, device) as client:
        assert client.write("modbus_slave_max_current", 10.0)
        site.step(30)
        assert client.get_applied_current(manage_connection=False) == pytest.approx(10.0)
        assert client.get_accounted_for(manage_connection=False) == 1
        assert 9.0 < site.values(device)["current_l1_a"] <= 10.01
        site.proves(device, "current_limit_a", 10.0, "modbus")
        assert client.write("modbus_slave_max_current", 32.0)
        site.step(30)


def test_a_vehicle_charges_on_one_phase_and_on_three_again(site: RunningFarm) -> None:
    device = charging(site, "eve")
    with eve_of(site, device) as client:
        for phases in (1, 3):
            assert client.write("charge_using_1_or_3_phases", phases)
            site.step(30)
            assert client.get_phases(manage_connection=False) == phases
            read = client.read_all()
            assert sum(read[f"current_phase_L{k}"] > 1.0 for k in (1, 2, 3)) == phases
            site.commanded(device, "charging_phases", float(phases), "modbus")


def test_the_validity_of_the_set_point_counts_down_and_then_the_safe_current_holds(site: RunningFarm) -> None:
    device = charging(site, "eve")
    with eve_of(site, device) as client:
        site.tell(device, sesp_timeout_s=60.0, fallback_current_a=7.0)
        assert client.write("modbus_slave_max_current", 20.0)
        site.step(11)
        assert client.get_fallback_safe_current_time(manage_connection=False) == 50
        site.step(60)
        assert client.get_fallback_safe_current_time(manage_connection=False) == 0
        assert client.get_applied_current(manage_connection=False) == pytest.approx(7.0)
        assert client.get_accounted_for(manage_connection=False) == 0
        site.tell(device, sesp_timeout_s=0.0, current_limit_a=32.0)
        site.step(30)


def test_a_single_phase_alfen_has_its_own_l1_and_three_phases_are_refused(site: RunningFarm) -> None:
    device = charging(site, "eve-single")
    truth, read = site.values(device), all_of(site, device)
    assert read["voltage_phase_L1N"] == pytest.approx(truth["voltage_l2_v"])
    assert read["current_phase_L1"] == pytest.approx(truth["current_l2_a"])
    assert read["real_energy_delivered_phase_L1"] == pytest.approx(truth["energy_imported_wh"])
    absent = [name for name in read if name.endswith(("_L2", "_L3", "_L2N", "_L3N", "L1L2", "L2L3", "L3L1"))]
    assert absent
    assert all(math.isnan(read[name]) for name in absent)
    assert read["charge_using_1_or_3_phases"] == 1
    way = site.ways("modbus")[device]
    with ModbusTcpClient(way.host, port=way.port) as client:
        assert client.write_register(1215, 3).exception_code == 3


# -------------------------------------------------------------------------------------------- KEBA


@contextmanager
def keba_of(site: RunningFarm, device: str) -> Iterator[KebaModbusClient]:
    way = site.ways("modbus")[device]
    client = KebaModbusClient(address=way.host, port=way.port)
    try:
        yield client
    finally:
        client.connection.close()


def test_the_keba_client_reads_what_the_ledger_says(site: RunningFarm) -> None:
    device = charging(site, "keba")
    truth = site.values(device) | site.ledger_now()[device]
    with keba_of(site, device) as keba:
        read = keba.todict()
        assert read["chargingState"]["state"] is ChargingState.CHARGING
        assert read["cableState"]["state"] is CableState.PLUGGED_VEHICLE_LOCKED
        assert read["activePower"] == pytest.approx(truth["charging_power_w"], abs=0.01)
        assert read["totalEnergy"] == pytest.approx(truth["energy_imported_wh"] / 1e3, abs=0.01)
        assert read["chargedEnergy"] == pytest.approx(truth["session_energy_wh"] / 1e3, abs=0.01)
        assert (read["maxSupportedCurrent"], read["maxChargingCurrent"]) == (32, 32)
        assert read["firmwareVersion"] == "3.10.42"
        assert read["RFIDcard"] == f"{int(truth['owner_card_id']):08X}"
        assert len(str(read["serialNumber"])) == 8


def test_a_keba_follows_its_client(site: RunningFarm) -> None:
    device = charging(site, "keba")
    with keba_of(site, device) as keba:
        keba.set_charging_current(10)
        site.step(30)
        assert keba.max_charging_current == 10
        assert 9.0 < site.values(device)["current_l1_a"] <= 10.01
        site.proves(device, "current_limit_a", 10.0, "modbus")
        keba.disable_chargingstation()
        site.step(30)
        assert keba.charging_state["state"] is ChargingState.SUSPENDED
        assert keba.cable_state["state"] is CableState.PLUGGED_VEHICLE
        assert keba.active_power == 0.0
        keba.enable_chargingstation()
        keba.set_charging_current(32)
        site.step(30)
        assert keba.charging_state["state"] is ChargingState.CHARGING


def test_a_keba_s_session_ends_at_the_energy_it_was_told(site: RunningFarm) -> None:
    device = charging(site, "keba")
    with keba_of(site, device) as keba:
        had = keba.charged_energy
        keba.set_charging_kilowatthours(math.ceil(had) + 1)
        site.step()
        assert site.values(device)["session_energy_limit_wh"] == 1e3 * (math.ceil(had) + 1)
        for _ in range(12):
            site.step(100)
            if keba.active_power == 0.0:
                break
        assert keba.charged_energy == pytest.approx(math.ceil(had) + 1, abs=0.01)
        assert keba.active_power == 0.0


# ----------------------------------------------------------------------------------------- Eastron


def test_sdm_modbus_reads_every_register_as_the_ledger_has_it(site: RunningFarm, sdm_modbus: str) -> None:
    for device in ("eastron-001", "home-001"):
        truth = site.values(device) | site.ledger_now()[device]
        way = site.ways("modbus")[device]
        read = run_client("sdm_modbus_client.py", packages=sdm_modbus, host=way.host, port=way.port, write={})[
            "measured"
        ]
        for k in (1, 2, 3):
            power, var = -truth[f"active_power_l{k}_w"], -truth[f"reactive_power_l{k}_var"]
            apparent = math.hypot(power, var)
            expected = {
                f"l{k}_voltage": truth[f"voltage_l{k}_v"],
                f"l{k}_current": truth[f"current_l{k}_a"],
                f"l{k}_power_active": power,
                f"l{k}_power_apparent": apparent,
                f"l{k}_power_reactive": var,
                f"l{k}_power_factor": power / apparent if apparent else 1.0,
                f"l{k}_phase_angle": math.degrees(math.atan2(var, power)) if apparent else 0.0,
                f"l{k}_import_energy_active": truth[f"energy_imported_l{k}_wh"] / 1e3,
                f"l{k}_export_energy_active": truth[f"energy_exported_l{k}_wh"] / 1e3,
                f"l{k}_import_energy_reactive": truth[f"reactive_energy_imported_l{k}_varh"] / 1e3,
                f"l{k}_export_energy_reactive": truth[f"reactive_energy_exported_l{k}_varh"] / 1e3,
            }
            assert {name: read[name] for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-5)
        assert read["total_energy_apparent"] == pytest.approx(truth["apparent_energy_vah"] / 1e3, rel=1e-5)
        assert read["total_current"] == pytest.approx(truth["charge_ah"], rel=1e-5)
        for pair, (one, other) in {"l12": (1, 2), "l23": (2, 3), "l31": (3, 1)}.items():
            a, b = truth[f"voltage_l{one}_v"], truth[f"voltage_l{other}_v"]
            assert read[f"{pair}_voltage"] == pytest.approx(math.sqrt(a * a + b * b + a * b), rel=1e-6)


def test_sdm_modbus_sees_the_one_phase_of_a_single_phase_meter(site: RunningFarm, sdm_modbus: str) -> None:
    truth = site.values("eastron-single-001")
    way = site.ways("modbus")["eastron-single-001"]
    read = run_client("sdm_modbus_client.py", packages=sdm_modbus, host=way.host, port=way.port, write={})
    measured = read["measured"]
    assert read["set"]["system_type"] == 1, "1P2W"
    assert measured["l1_voltage"] == pytest.approx(truth["voltage_l3_v"])
    assert measured["l1_power_active"] == pytest.approx(-truth["active_power_w"])
    assert measured["l1_import_energy_active"] == pytest.approx(truth["energy_imported_wh"] / 1e3)
    assert [value for name, value in measured.items() if name.startswith(("l2", "l3", "l12"))] == [
        0.0 for name in measured if name.startswith(("l2", "l3", "l12"))
    ]


def test_sdm_modbus_sets_the_meter_and_the_demand_follows(site: RunningFarm, sdm_modbus: str) -> None:
    way = site.ways("modbus")["eastron-001"]
    at = {"host": way.host, "port": way.port}
    before = run_client("sdm_modbus_client.py", packages=sdm_modbus, **at, write={})["set"]
    assert (before["demand_period"], before["system_type"], before["baud"], before["meter_id"]) == (60, 3, 2, 1)
    after = run_client("sdm_modbus_client.py", packages=sdm_modbus, **at, write={"baud": 4, "demand_period": 0})
    assert after["set"]["baud"] == 4
    site.step()
    after = run_client("sdm_modbus_client.py", packages=sdm_modbus, **at, write={})
    truth = site.values("eastron-001")
    assert (after["set"]["baud"], after["set"]["demand_period"]) == (4, 0)
    assert after["measured"]["total_import_demand_power_active"] == pytest.approx(-truth["active_power_w"], rel=1e-5)
    site.commanded("eastron-001", "demand_period_s", 0.0, "modbus")
