"""The charging point's registers, as the manuals of CHARX SEC and Alfen Eve have them."""

from __future__ import annotations

import numpy as np
import pytest
from modbus_bench import Bench, plausible_columns

from pilotfarm.emulators import registry

STATES = {0: ("A1", "A1"), 1: ("B1", "B2"), 2: ("C1", "C2"), 3: ("D1", "D2"), 4: ("E0", "E0"), 5: ("F0", "F0")}


@pytest.fixture
def charger() -> Bench:
    return Bench("ev_charger")


def set_values(bench: Bench, **values: float) -> None:
    bench.columns |= {name: np.array([value]) for name, value in values.items()}
    bench.step()


def number(bench: Bench, address: int, dtype: str, unit: int = 1) -> float:
    return float(np.frombuffer(bench.registers(address, np.dtype(dtype).itemsize // 2, unit), dtype)[0])


def test_windows_clients_read_are_there_with_their_holes(charger: Bench) -> None:
    for first, count in ((100, 68), (1100, 24), (1232, 77), (300, 6), (306, 22), (328, 34), (362, 64), (1200, 16)):
        charger.registers(first, count)
    for first, count in ((100, 79), (1100, 6), (1400, 17), (1417, 15)):
        charger.registers(first, count, unit=200)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("authorised", [0, 1])
def test_the_vehicle_state_is_two_letters(charger: Bench, state: int, authorised: int) -> None:
    set_values(charger, charge_point_state=float(state), authorised=float(authorised))
    assert charger.registers(1299, 1).decode() == STATES[state][authorised]
    alfen = {"A1": "A", "E0": "E", "F0": "F"}
    shown = STATES[state][authorised]
    assert charger.registers(1201, 5).rstrip(b"\0").decode() == alfen.get(shown, shown)


def test_power_into_the_vehicle_is_positive(charger: Bench) -> None:
    set_values(charger, active_power_w=-7_360.0, charging_power_w=7_360.0, reactive_power_var=-100.0)
    assert number(charger, 1244, ">u4") == 7_360_000
    assert number(charger, 1246, ">i4") == 100_000
    assert number(charger, 344, ">f4") == 7_360.0


def test_a_discharging_vehicle_shows_no_charging_power(charger: Bench) -> None:
    set_values(charger, active_power_w=5_000.0, charging_power_w=0.0)
    assert number(charger, 1244, ">u4") == 0
    assert number(charger, 344, ">f4") == -5_000.0


def test_the_last_card_is_shown_in_hexadecimal_and_no_card_is_no_text(charger: Bench) -> None:
    set_values(charger, owner_card_id=float(0xABC123))
    assert charger.registers(1275, 10).rstrip(b"\0") == b"00ABC123"
    set_values(charger, owner_card_id=0.0)
    assert charger.registers(1275, 10) == bytes(20)


def test_the_watchdog_is_the_timeout_of_the_sesp_and_65535_is_never(charger: Bench) -> None:
    for timeout_s, wire in ((0.0, 65_535), (60.0, 60), (604_800.0, 65_534)):
        set_values(charger, sesp_timeout_s=timeout_s)
        assert number(charger, 1307, ">u2") == wire
    charger.write(1306, (10).to_bytes(2, "big") + (120).to_bytes(2, "big"))
    charger.write(1307, b"\xff\xff")
    assert charger.device.told == [{"fallback_current_a": 10.0, "sesp_timeout_s": 120.0}, {"sesp_timeout_s": 0.0}]
    assert charger.write(1307, b"\0\0") == b"\x90\x03"


@pytest.mark.parametrize("current_a", [0, 5, 81, 65_535])
def test_a_current_outside_6_to_80_a_is_refused_with_exception_3(charger: Bench, current_a: int) -> None:
    for address in (167, 1301):
        assert charger.write(address, current_a.to_bytes(2, "big")) == b"\x90\x03"
    assert charger.device.told == []


def test_the_group_counts_its_one_charging_point(charger: Bench) -> None:
    for state, counts in ((0, [0, 1, 0]), (2, [0, 0, 1]), (5, [1, 0, 0])):
        set_values(charger, charge_point_state=float(state))
        assert list(np.frombuffer(charger.registers(148, 3), ">u2")) == counts


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_a_single_phase_point_has_its_own_l1_and_knows_no_other_current(phase: int) -> None:
    columns = plausible_columns(registry.device("ev_charger"), 1)
    columns |= {f"voltage_l{k + 1}_v": np.array([220.0 + k]) for k in range(3)}
    columns |= {f"current_l{k + 1}_a": np.array([9.0 if k == phase else 0.0]) for k in range(3)}
    point = Bench("ev_charger", columns=columns | {"phases": np.array([1.0]), "phase": np.array([float(phase)])})
    assert [number(point, 1232 + 2 * k, ">u4") for k in range(3)] == [1e3 * (220.0 + phase), 0.0, 0.0]
    for first in (158, 1238):
        assert [number(point, first + 2 * k, ">i4") for k in range(3)] == [9_000.0, -1.0, -1.0]


def test_apparent_energy_is_counted(charger: Bench) -> None:
    set_values(charger, apparent_energy_vah=12_345.4)
    assert number(charger, 1258, ">u8") == 12_345
