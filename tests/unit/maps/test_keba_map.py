"""The registers of a KEBA KeContact P30, as its programmers guide lists them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from modbus_bench import Bench, plausible_columns

from pilotfarm.emulators import registry

READ = (1000, 1004, 1006, 1008, 1010, 1012, 1014, 1016, 1018, 1020, 1036, 1040, 1042, 1044, 1046)
READ += (1100, 1110, 1500, 1502, 1550, 1552, 1600, 1602)
WRITTEN = (5004, 5010, 5014, 5016, 5018, 5020, 5050, 5052)


def station(**values: float) -> Bench:
    columns = plausible_columns(registry.device("ev_charger"), 1) | {"phases": np.array([3.0])}
    columns |= {name: np.array([value]) for name, value in values.items()}
    return Bench("ev_charger", map_name="keba", columns=columns)


def shown(bench: Bench, address: int) -> int:
    return int.from_bytes(bench.registers(address, 2), "big")


def test_each_value_is_read_alone_and_whole() -> None:
    keba = station()
    for address in READ:
        keba.registers(address, 2)
        for first, count in (
            (address, 1),
            (address, 3),
            (address, 4),
            (address + 1, 1),
            (address + 1, 2),
            (address - 1, 2),
        ):
            assert keba.ask(struct.pack(">BHH", 3, first, count)) == b"\x83\x02", (first, count)


def test_it_answers_at_255_too() -> None:
    assert station().registers(1014, 2, unit=255) == station().registers(1014, 2)


def test_what_is_set_cannot_be_read() -> None:
    keba = station()
    for address in WRITTEN:
        for count in (1, 2):
            assert keba.ask(struct.pack(">BHH", 3, address, count)) == b"\x83\x02"


def test_units_are_those_of_the_guide() -> None:
    keba = station(
        charging_power_w=11_040.5,
        current_l1_a=16.001,
        voltage_l2_v=229.6,
        energy_imported_wh=1_234_567.8,
        session_energy_wh=4_321.4,
        current_limit_in_force_a=16.0,
        rated_current_a=32.0,
        owner_card_id=float(0xABC123),
        fallback_current_a=6.0,
        sesp_timeout_s=120.0,
    )
    assert shown(keba, 1020) == 11_040_500
    assert shown(keba, 1008) == 16_001
    assert shown(keba, 1042) == 230
    assert shown(keba, 1036) == 12_345_678
    assert shown(keba, 1502) == 4_321
    assert (shown(keba, 1100), shown(keba, 1110)) == (16_000, 32_000)
    assert shown(keba, 1500) == 0xABC123
    assert (shown(keba, 1600), shown(keba, 1602)) == (6_000, 120)
    assert shown(keba, 1018).to_bytes(4, "big") == bytes((3, 10, 42, 0))
    assert len(str(shown(keba, 1014))) == 8


@pytest.mark.parametrize(
    ("rated", "product"), [(10, 311_111), (16, 312_111), (20, 313_111), (32, 314_111), (63, 314_111)]
)
def test_the_product_says_its_current(rated: int, product: int) -> None:
    assert shown(station(rated_current_a=float(rated)), 1016) == product


@pytest.mark.parametrize(
    ("state", "authorised", "release", "trip", "shows"),
    [
        (0, 0, 1, 0, 1),
        (1, 0, 1, 0, 1),
        (1, 1, 1, 0, 2),
        (1, 0, 0, 0, 5),
        (2, 1, 1, 0, 3),
        (3, 1, 1, 0, 3),
        (4, 0, 1, 0, 1),
        (5, 0, 1, 0, 1),
        (5, 0, 1, 1, 4),
    ],
)
def test_the_state_is_one_of_the_guide_s(state: int, authorised: int, release: int, trip: int, shows: int) -> None:
    keba = station(
        charge_point_state=float(state),
        authorised=float(authorised),
        charge_release=float(release),
        fault_trip=float(trip),
    )
    assert shown(keba, 1000) == shows
    assert shown(keba, 1006) == (0x40000 if trip else 0)


@pytest.mark.parametrize(
    ("state", "connected", "shows"), [(0, 0, 1), (1, 1, 5), (2, 1, 7), (3, 1, 7), (5, 1, 5), (5, 0, 1)]
)
def test_the_cable_is_the_station_s_own(state: int, connected: int, shows: int) -> None:
    assert shown(station(charge_point_state=float(state), vehicle_connected=float(connected)), 1004) == shows


def test_the_power_factor_is_in_thousandths_and_1_without_load() -> None:
    assert shown(station(active_power_w=-3_000.0, reactive_power_var=4_000.0), 1046) == 600
    assert shown(station(active_power_w=0.0, reactive_power_var=0.0), 1046) == 1_000
    assert shown(station(active_power_w=3_000.0, reactive_power_var=0.0), 1046) == 0, "no word for power to the grid"


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_a_single_phase_station_has_its_own_l1_and_0(phase: int) -> None:
    volts = {f"voltage_l{k + 1}_v": 220.0 + k for k in range(3)}
    amperes = {f"current_l{k + 1}_a": 7.0 if k == phase else 0.0 for k in range(3)}
    keba = station(phases=1.0, phase=float(phase), charging_phases=1.0, **volts, **amperes)
    assert [shown(keba, address) for address in (1040, 1042, 1044)] == [220 + phase, 0, 0]
    assert [shown(keba, address) for address in (1008, 1010, 1012)] == [7_000, 0, 0]
    assert shown(keba, 1552) == 0


def write(keba: Bench, address: int, value: int) -> bytes:
    return keba.ask(struct.pack(">BHH", 6, address, value))


@pytest.mark.parametrize(
    ("address", "value", "told"),
    [
        (5004, 6_000, {"current_limit_a": 6.0}),
        (5004, 63_000, {"current_limit_a": 63.0}),
        (5010, 1, {"session_energy_limit_wh": 10.0}),
        (5010, 0, {"session_energy_limit_wh": 0.0}),
        (5014, 0, {"charge_release": 0.0}),
        (5014, 1, {"charge_release": 1.0}),
        (5016, 0, {"fallback_current_a": 0.0}),
        (5016, 8_000, {"fallback_current_a": 8.0}),
        (5018, 0, {"sesp_timeout_s": 0.0}),
        (5018, 600, {"sesp_timeout_s": 600.0}),
        (5052, 0, {"charging_phases": 1.0}),
        (5052, 1, {"charging_phases": 3.0}),
    ],
)
def test_what_is_written_is_told(address: int, value: int, told: dict[str, float]) -> None:
    keba = station()
    assert write(keba, address, value) == struct.pack(">BHH", 6, address, value)
    assert keba.device.told == [told]


@pytest.mark.parametrize(("address", "value"), [(5020, 0), (5020, 1), (5050, 3)])
def test_what_changes_nothing_is_taken(address: int, value: int) -> None:
    keba = station()
    assert write(keba, address, value) == struct.pack(">BHH", 6, address, value)
    assert keba.device.told == []
    assert shown(keba, 1550) == 3


@pytest.mark.parametrize(
    ("address", "value"),
    [
        *((5004, value) for value in (0, 5_999, 63_001)),
        *((5016, value) for value in (1, 5_999)),
        *((5018, value) for value in (9, 601)),
        *((5050, value) for value in (0, 4)),
        *((address, 2) for address in (5014, 5020, 5052)),
    ],
)
def test_what_the_guide_does_not_allow_is_refused(address: int, value: int) -> None:
    keba = station()
    assert write(keba, address, value) == b"\x86\x03"
    assert keba.device.told == []


@pytest.mark.parametrize("address", [1000, 1100, 5000, 5012])
def test_what_is_not_there_to_write_is_refused(address: int) -> None:
    assert write(station(), address, 0) == b"\x86\x02"
