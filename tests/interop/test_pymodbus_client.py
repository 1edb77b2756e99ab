"""pymodbus' client calls every Modbus function that the devices of the site tiny serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from pymodbus.client import ModbusTcpClient
from running_farm import RunningFarm

from pilotfarm.emulators.maps.modbus_bits import COILS, DISCRETES

DEVICE: Final = "battery-001"
GATEWAY_TARGET_FAILED: Final = 0x0B


@pytest.fixture
def client(site: RunningFarm) -> Iterator[ModbusTcpClient]:
    way = site.ways("modbus")[DEVICE]
    with ModbusTcpClient(way.host, port=way.port, timeout=5) as made:
        yield made


def register(site: RunningFarm, quantity: str) -> int:
    """The last register the point list has for a quantity: in a SunSpec chain the newest model's."""
    rows = [row for row in site.points(DEVICE, "modbus") if row["quantity"] == quantity]
    return [int(row["address"].split()[1]) for row in rows if row["address"].startswith("register")][-1]


def signed(registers: list[int]) -> int:
    return int.from_bytes(b"".join(each.to_bytes(2, "big") for each in registers), "big", signed=True)


def words(value: int) -> list[int]:
    raw = value.to_bytes(4, "big", signed=True)
    return [int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:], "big")]


def test_coils_and_discrete_inputs_are_the_states_of_the_device(site: RunningFarm, client: ModbusTcpClient) -> None:
    values = site.values(DEVICE)
    for names, bits in (
        (COILS, client.read_coils(0, count=len(COILS)).bits),
        (DISCRETES, client.read_discrete_inputs(0, count=len(DISCRETES)).bits),
    ):
        assert {name: bits[k] for k, name in enumerate(names) if name in values} == {
            name: bool(values[name]) for name in names if name in values
        }


def test_holding_and_input_registers_are_the_same(client: ModbusTcpClient) -> None:
    for address in (40_000, 40_070, 40_195):
        assert client.read_holding_registers(address, count=100).registers == (
            client.read_input_registers(address, count=100).registers
        )


def test_a_coil_and_several_coils_are_written(site: RunningFarm, client: ModbusTcpClient) -> None:
    enable, support = COILS.index("active_power_limit_enabled"), COILS.index("volt_var_enabled")
    assert not client.write_coil(enable, True).isError()
    assert not client.write_coils(support, [True, True]).isError()
    site.step()
    values = site.values(DEVICE)
    names = ("active_power_limit_enabled", "volt_var_enabled", "frequency_support_enabled")
    assert [values[name] for name in names] == [1.0, 1.0, 1.0]
    assert client.read_coils(support, count=2).bits[:2] == [True, True]
    for address in (enable, support, support + 1):
        client.write_coil(address, False)
    site.step()


def test_one_register_several_and_a_masked_one_are_written(site: RunningFarm, client: ModbusTcpClient) -> None:
    setpoint = register(site, "active_power_setpoint_w")
    least = register(site, "soc_min_frac")
    assert not client.write_registers(setpoint, words(-1234)).isError()
    assert not client.write_register(least, 2000).isError()
    site.step()
    assert site.values(DEVICE)["active_power_setpoint_w"] == -1234.0
    assert signed(client.read_holding_registers(setpoint, count=2).registers) == -1234
    (now,) = client.read_holding_registers(least).registers
    assert not client.mask_write_register(address=least, and_mask=0xFFF0, or_mask=0x0005).isError()
    site.step()
    assert client.read_holding_registers(least).registers == [now & 0xFFF0 | 0x0005]


EVCC: Final = {
    "hold": ((17, 0), (5, 2), (12, 0), (15, 0)),
    "charge": ((17, 1), (5, 2), (12, -4_000), (15, 0)),
    "normal": ((17, 0), (5, 0), (12, 10_000)),
}
"""What evcc writes to model 124 of a Fronius hybrid in each of its battery modes: offset and number, in its order."""


def test_a_storage_follows_the_modes_of_evcc(site: RunningFarm, client: ModbusTcpClient) -> None:
    """Register by register, while the storage is asked to deliver."""
    (model,) = (at - 17 for at in [register(site, "grid_charging_allowed")])
    assert client.read_holding_registers(model, count=2).registers == [124, 24]
    rated_w = site.values(DEVICE)["rated_power_w"]
    site.tell(DEVICE, active_power_setpoint_w=0.5 * rated_w)
    for mode, share in (("hold", 0.0), ("charge", -0.4), ("normal", 0.5)):
        for offset, number in EVCC[mode]:
            assert not client.write_register(model + offset, number & 0xFFFF).isError()
            site.step()
        site.step(10)
        assert site.values(DEVICE)["active_power_w"] == pytest.approx(share * rated_w, abs=1.0), mode
        assert client.read_holding_registers(model + 8).registers == [
            round(10_000 * site.values(DEVICE)["soc_frac"])
        ], "ChaState"
    site.tell(DEVICE, active_power_setpoint_enabled=0.0, grid_charging_allowed=1.0)
    site.step()


def test_registers_are_written_and_read_in_one_request(site: RunningFarm, client: ModbusTcpClient) -> None:
    setpoint = register(site, "reactive_power_setpoint_var")
    answer = client.readwrite_registers(
        read_address=40_000, read_count=2, write_address=setpoint, values=words(321), device_id=1
    )
    assert answer.registers == [0x5375, 0x6E53]
    site.step()
    assert site.values(DEVICE)["reactive_power_setpoint_var"] == 321.0


def test_a_device_says_who_it_is(client: ModbusTcpClient) -> None:
    basic = client.read_device_information(read_code=1, object_id=0)
    assert basic.information == {0: b"pilotfarm", 1: b"PF-BAT", 2: b"1.0"}
    regular = client.read_device_information(read_code=2, object_id=0)
    assert basic.information.items() <= regular.information.items()
    assert client.read_device_information(read_code=4, object_id=1).information == {1: b"PF-BAT"}


def test_every_exception_is_the_standards(site: RunningFarm, client: ModbusTcpClient) -> None:
    least = register(site, "soc_min_frac")
    limits = {
        "no such register": client.read_holding_registers(9, count=2).exception_code,
        "not writable": client.write_register(40_000, 1).exception_code,
        "no such coil": client.read_coils(5000, count=1).exception_code,
        "half a value": client.write_register(register(site, "active_power_setpoint_w"), 1).exception_code,
        "out of range": client.write_register(least, 60_000).exception_code,
        "not served": client.read_exception_status().exception_code,
        "no such unit": client.read_holding_registers(40_000, count=2, device_id=77).exception_code,
    }
    assert limits == {
        "no such register": 2,
        "not writable": 2,
        "no such coil": 2,
        "half a value": 2,  # this address with this length
        "out of range": 3,
        "not served": 1,
        "no such unit": GATEWAY_TARGET_FAILED,
    }
