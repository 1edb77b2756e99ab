"""A prosumer's five units: each is what it would be alone, over its own quantities."""

from __future__ import annotations

import numpy as np
import pytest
from modbus_bench import Bench

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps import prosumer
from pilotfarm.emulators.plans.register_points import unit_id
from pilotfarm.emulators.quantities import COMMON, HOME, STORAGE, quantities, split


def test_each_resource_answers_at_its_own_unit_and_at_no_other() -> None:
    bench = Bench("prosumer")
    homes = {"": 1, "ev": 2, "storage": 3, "pv": 4, "home": 5}
    shared = {"local_mode", "grid_switch_closed", "outside_temperature_degc", "sesp_heartbeat"}
    for unit in bench.plan.units:
        for register in unit.registers:
            assert {homes[split(name)[0]] for name in set(register.names) - shared} <= {unit_id(unit)}


def test_a_resource_is_read_and_told_at_its_unit() -> None:
    bench = Bench("prosumer")
    bench.columns["ev_voltage_l1_v"] = np.array([229.0])
    bench.step()
    assert bench.registers(1232, 2, unit=2) == (229_000).to_bytes(4, "big")
    assert bench.ask("06 0515 0014", unit=2) == bytes.fromhex("06 0515 0014")
    assert bench.device.told == [{"ev_current_limit_a": 20.0}]


def test_homes_behind_a_gateway_take_five_units_each() -> None:
    gateway = Bench("prosumer", (11, 16))
    for unit in range(11, 21):
        assert gateway.registers(40_000, 2, unit) == b"SunS"
    gateway.ask("06 0515 0014", unit=17)
    assert (gateway.devices[0].told, gateway.devices[1].told) == ([], [{"ev_current_limit_a": 20.0}])


@pytest.mark.parametrize("unit", [6, 10, 200])
def test_there_is_no_sixth_unit(unit: int) -> None:
    assert Bench("prosumer").ask("03 9c40 0002", unit) == b"\x83\x0b"


def test_a_device_has_a_unit_for_each_resource_it_has_and_none_between() -> None:
    names = (*COMMON, STORAGE.of("soc_frac"), HOME.of("room_temperature_degc"))
    spec = DeviceSpec("flat", "A flat with a storage", quantities(names), lambda *_: {}, lambda *_: {})
    assert prosumer.MAP.fits(spec)
    assert {row.quantity: row.resource_unit for row in prosumer.MAP.points(spec, {}) if row.quantity in names[-2:]} == {
        STORAGE.of("soc_frac"): 2,
        HOME.of("room_temperature_degc"): 3,
    }
    assert not prosumer.MAP.fits(DeviceSpec("plain", "", quantities(COMMON), lambda *_: {}, lambda *_: {}))
