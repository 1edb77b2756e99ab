"""aiophoenixcontactcharx, Home Assistant's client for CHARX SEC, reads and commands the charger of the site tiny."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from aiophoenixcontactcharx import ChargingPointData, CharxClient, CharxModbusError, VehicleStatus
from pymodbus.client import ModbusTcpClient
from running_farm import RunningFarm

CHARGER: Final = "charger-001"


def speak(site: RunningFarm, say: Callable[[CharxClient], Awaitable[Any]]) -> Any:
    """Hold one conversation with the charger, on a connection of its own."""
    way = site.ways("modbus")[CHARGER]

    async def over() -> Any:
        async with CharxClient(way.host, way.port) as client:
            return await say(client)

    return asyncio.run(over())


def charging_point(site: RunningFarm) -> Any:
    (point,) = speak(site, lambda client: client.fetch_data(1)).charging_points
    return point


def test_the_client_reads_what_the_ledger_says(site: RunningFarm) -> None:
    truth = site.values(CHARGER) | site.ledger_now()[CHARGER]
    status = charging_point(site).status
    measured = {
        "charging_power_w": status.active_power_mw / 1e3,
        "reactive_power_var": -status.reactive_power_mvar / 1e3,
        "apparent_power_va": status.apparent_power_mva / 1e3,
        **{f"voltage_l{k}_v": getattr(status, f"voltage_l{k}_mv") / 1e3 for k in (1, 2, 3)},
        **{f"current_l{k}_a": getattr(status, f"current_l{k}_ma") / 1e3 for k in (1, 2, 3)},
    }
    assert measured == pytest.approx({name: truth[name] for name in measured}, abs=6e-4)
    assert measured["charging_power_w"] > 1000.0, "a vehicle charges when tiny begins"
    counted = {
        "energy_imported_wh": status.energy_active_wh,
        "session_energy_wh": status.session_energy_wh,
        "session_duration_s": status.connection_time_s,
        "charging_duration_s": status.charging_duration_s,
        "current_limit_in_force_a": status.setpoint_a,
    }
    assert counted == pytest.approx({name: truth[name] for name in counted}, abs=1.0)
    assert status.vehicle_status is VehicleStatus.C2
    assert status.last_rfid.rstrip("0") == f"{int(truth['owner_card_id']):08X}".rstrip("0")


def test_the_group_block_and_the_configuration_are_those_of_one_charging_point(site: RunningFarm) -> None:
    info = speak(site, lambda client: client.get_device_info())
    config = charging_point(site).config
    assert (info.designation, info.num_controllers) == (CHARGER, 1)
    assert (info.num_status_bcd, info.num_charging) == (1, 1)
    assert info.group_active_power_mw == charging_point(site).status.active_power_mw
    assert config.max_current_cfg_a == site.values(CHARGER)["rated_current_a"]
    assert config.min_current_cfg_a == 6


def most_ma(point: ChargingPointData) -> int:
    """The current of the phase that carries most: a vehicle may charge on any one, or on all three."""
    return max(point.status.current_l1_ma, point.status.current_l2_ma, point.status.current_l3_ma)


def test_a_lower_current_is_followed(site: RunningFarm) -> None:
    most = int(site.values(CHARGER)["rated_current_a"])
    speak(site, lambda client: client.set_max_current(1, 10))
    site.step(60)
    point = charging_point(site)
    assert (point.control.max_current_a, point.status.setpoint_a) == (10, 10)
    assert 9_000 < most_ma(point) <= 10_010
    site.proves(CHARGER, "current_limit_a", 10.0, "modbus")
    speak(site, lambda client: client.set_dynamic_max_current(most))
    site.step(60)
    assert most_ma(charging_point(site)) > 10_010


def test_withdrawing_the_release_ends_charging_and_giving_it_resumes(site: RunningFarm) -> None:
    speak(site, lambda client: client.set_charging_release(1, False))
    site.step(30)
    stopped = charging_point(site)
    assert not stopped.control.charging_release
    assert stopped.status.active_power_mw == 0
    assert stopped.status.vehicle_status is not VehicleStatus.C2
    speak(site, lambda client: client.set_charging_release(1, True))
    site.step(30)
    resumed = charging_point(site)
    assert resumed.control.charging_release
    assert resumed.status.active_power_mw > 1_000_000
    site.proves(CHARGER, "charge_release", 1.0, "modbus")


def test_a_charging_point_out_of_service_does_not_charge(site: RunningFarm) -> None:
    speak(site, lambda client: client.set_availability(1, False))
    site.step(30)
    point = charging_point(site)
    assert not point.control.available
    assert point.status.active_power_mw == 0
    speak(site, lambda client: client.set_availability(1, True))
    site.step(30)
    assert charging_point(site).status.active_power_mw > 1_000_000


def test_when_the_watchdog_runs_out_the_fallback_current_is_in_force(site: RunningFarm) -> None:
    speak(site, lambda client: client.set_watchdog(1, 20, 7))
    site.step(60)
    point = charging_point(site)
    assert (point.control.watchdog_timer_s, point.control.watchdog_current_a) == (20, 7)
    assert 6_000 < most_ma(point) <= 7_010
    assert site.values(CHARGER)["sesp_link_lost"] == 1.0
    speak(site, lambda client: client.set_watchdog(1, 65_535, 7))
    site.step(60)
    assert most_ma(charging_point(site)) > 7_010


@pytest.mark.parametrize(("register", "value"), [(1301, 5), (1301, 81), (1300, 2), (167, 0)])
def test_what_is_out_of_range_is_refused_and_nothing_changes(site: RunningFarm, register: int, value: int) -> None:
    """The client checks its arguments itself, so the registers are written past it."""
    before = charging_point(site).control
    way = site.ways("modbus")[CHARGER]
    with ModbusTcpClient(way.host, port=way.port) as client:
        assert client.write_register(register, value).exception_code == 3
    site.step()
    assert charging_point(site).control == before


def test_registers_that_are_not_modelled_are_refused(site: RunningFarm) -> None:
    with pytest.raises(CharxModbusError):
        speak(site, lambda client: client.set_digital_outputs(1, 1))
