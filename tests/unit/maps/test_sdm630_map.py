"""The registers of an Eastron SDM630, as its protocol document lists them."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from modbus_bench import Bench, plausible_columns

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.maps import sdm630

VOLTS, POWERS, VARS = (231.0, 229.0, 226.0), (-1_500.0, 400.0, -20.0), (-300.0, 50.0, -5.0)
"""By phase; plus is delivered."""
LISTED = [
    *range(0x00, 0x2C, 2),
    *(0x2E, 0x30, 0x34, 0x38, 0x3C, 0x3E, 0x42, *range(0x46, 0x58, 2), 0x64, 0x66, 0x68, 0x6A),
    *(0xC8, 0xCA, 0xCC, 0xCE, 0xE0, *range(0x102, 0x10E, 2), *range(0x156, 0x17E, 2)),
]
"""Every input register of the document but those of distortion."""
DISTORTION = [0xEA, 0xEC, 0xEE, 0xF0, 0xF2, 0xF4, 0xF8, 0xFA, 0x14E, 0x150, 0x152, 0x154]


def columns(kind: str = "smart_meter", phases: float = 3.0, phase: float = 0.0) -> Columns:
    found = plausible_columns(registry.device(kind), 1)
    for k in range(3):
        on = 1.0 if phases == 3.0 or k == phase else 0.0
        found |= {
            f"voltage_l{k + 1}_v": np.array([VOLTS[k]]),
            f"active_power_l{k + 1}_w": np.array([on * POWERS[k]]),
            f"reactive_power_l{k + 1}_var": np.array([on * VARS[k]]),
            f"current_l{k + 1}_a": np.array([on * math.hypot(POWERS[k], VARS[k]) / VOLTS[k]]),
        }
    total = [float(sum(found[f"{stem}_l{k}_{unit}"][0] for k in (1, 2, 3))) for stem, unit in STEMS]
    found |= {"active_power_w": np.array([total[0]]), "reactive_power_var": np.array([total[1]])}
    return found | {"phases": np.array([phases]), "phase": np.array([phase])}


STEMS = (("active_power", "w"), ("reactive_power", "var"))


def alone(kind: str = "smart_meter", **wiring: float) -> Bench:
    return Bench(kind, map_name="sdm630", columns=columns(kind, **wiring))


def shown(bench: Bench, address: int, function: int = 4) -> float:
    return float(np.frombuffer(bench.registers(address, 2, function=function), ">f4")[0])


def test_what_can_be_worked_out_is() -> None:
    meter = alone()
    assert [shown(meter, 0x12 + 2 * k) for k in range(3)] == pytest.approx(
        [math.hypot(p, q) for p, q in zip(POWERS, VARS, strict=True)]
    )
    assert [shown(meter, 0x1E + 2 * k) for k in range(3)] == pytest.approx(
        [0.980581, -0.992278, 0.970143], rel=1e-5
    )  # plus is drawn
    assert [shown(meter, 0x24 + 2 * k) for k in range(3)] == pytest.approx([11.3099, -172.875, 14.0362], abs=1e-3)
    assert shown(meter, 0x3E) == pytest.approx(1_120.0 / math.hypot(1_120.0, 255.0))
    assert shown(meter, 0x42) == pytest.approx(12.8261, abs=1e-3)
    assert shown(meter, 0x2A) == pytest.approx(sum(VOLTS) / 3.0)
    currents = [shown(meter, 0x06 + 2 * k) for k in range(3)]
    assert (shown(meter, 0x2E), shown(meter, 0x30)) == pytest.approx((sum(currents) / 3.0, sum(currents)))


def test_voltages_between_phases_and_the_neutral_current_are_those_of_the_phasors() -> None:
    meter = alone()
    turn = [np.exp(-2j * np.pi * k / 3.0) for k in range(3)]
    phasors = [volts * each for volts, each in zip(VOLTS, turn, strict=True)]
    for address, (one, other) in ((0xC8, (0, 1)), (0xCA, (1, 2)), (0xCC, (2, 0))):
        assert shown(meter, address) == pytest.approx(abs(phasors[one] - phasors[other]))
    currents = [np.conj((p + 1j * q) / v) for p, q, v in zip(POWERS, VARS, phasors, strict=True)]
    assert shown(meter, 0xE0) == pytest.approx(abs(sum(currents)))


def test_an_even_load_has_no_neutral_current() -> None:
    even = columns()
    for k in (1, 2, 3):
        even |= {
            f"voltage_l{k}_v": np.array([230.0]),
            f"active_power_l{k}_w": np.array([-700.0]),
            f"reactive_power_l{k}_var": np.array([90.0]),
        }
    assert shown(Bench("smart_meter", map_name="sdm630", columns=even), 0xE0) == pytest.approx(0.0, abs=1e-5)


def test_without_load_the_power_factor_is_1_and_the_angle_0() -> None:
    idle = columns() | {
        name: np.array([0.0]) for k in (1, 2, 3) for name in (f"active_power_l{k}_w", f"reactive_power_l{k}_var")
    }
    meter = Bench("smart_meter", map_name="sdm630", columns=idle)
    assert [shown(meter, address) for address in (0x1E, 0x20, 0x22)] == [1.0, 1.0, 1.0]
    assert [shown(meter, address) for address in (0x24, 0x26, 0x28)] == [0.0, 0.0, 0.0]


def test_energies_by_phase_are_those_of_the_meter_in_thousands() -> None:
    meter = alone()
    for first, stem in ((0x15A, "energy_imported"), (0x160, "energy_exported")):
        for k in range(3):
            expected = meter.columns[f"{stem}_l{k + 1}_wh"][0] / 1e3
            assert shown(meter, first + 2 * k) == pytest.approx(expected)
    for k in range(3):
        both = meter.columns[f"energy_imported_l{k + 1}_wh"] + meter.columns[f"energy_exported_l{k + 1}_wh"]
        assert shown(meter, 0x166 + 2 * k) == pytest.approx(both[0] / 1e3)
    assert shown(meter, 0x50) == pytest.approx(meter.columns["apparent_energy_vah"][0] / 1e3)


def test_a_kind_that_does_not_count_by_phase_has_a_third_in_each() -> None:
    total = 9_000.0
    for kind in ("battery", "pv_generator"):
        three = columns(kind) | {"energy_imported_wh": np.array([total])}
        meter = Bench(kind, map_name="sdm630", columns=three)
        assert [shown(meter, 0x15A + 2 * k) for k in range(3)] == pytest.approx([3.0, 3.0, 3.0])
        single = three | {"phases": np.array([1.0]), "phase": np.array([2.0])}
        meter = Bench(kind, map_name="sdm630", columns=single)
        assert [shown(meter, 0x15A + 2 * k) for k in range(3)] == pytest.approx([9.0, 0.0, 0.0])


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_a_single_phase_meter_has_its_own_l1_and_nothing_else(phase: int) -> None:
    meter = alone(phases=1.0, phase=float(phase))
    assert shown(meter, 0x0A, function=3) == 1.0, "1p2w"
    assert shown(meter, 0x00) == pytest.approx(VOLTS[phase])
    assert shown(meter, 0x2A) == pytest.approx(VOLTS[phase])
    assert shown(meter, 0x0C) == -POWERS[phase]
    assert shown(meter, 0xE0) == pytest.approx(shown(meter, 0x06)), "what flows in the phase comes back in neutral"
    energy = meter.columns[f"energy_imported_l{phase + 1}_wh"][0]
    assert shown(meter, 0x15A) == pytest.approx(energy / 1e3)
    for first in (0x00, 0x06, 0x0C, 0x12, 0x18, 0x1E, 0x24, 0x102, 0x108, 0x15A, 0x160, 0x166, 0x16C, 0x172, 0x178):
        assert [shown(meter, first + 2), shown(meter, first + 4)] == [0.0, 0.0], hex(first)
    assert [shown(meter, address) for address in (0xC8, 0xCA, 0xCC, 0xCE)] == [0.0] * 4


def test_meters_of_one_group_are_each_wired_in_their_own_way() -> None:
    both = {name: np.concatenate([column, column]) for name, column in columns().items()}
    both |= {"phases": np.array([3.0, 1.0]), "phase": np.array([0.0, 2.0])}
    bench = Bench("smart_meter", (1, 2), map_name="sdm630", columns=both)
    at = [bench.registers(0x00, 6, unit, 4) for unit in (1, 2)]
    assert list(np.frombuffer(at[0], ">f4")) == pytest.approx(VOLTS)
    assert list(np.frombuffer(at[1], ">f4")) == pytest.approx([VOLTS[2], 0.0, 0.0])
    assert [np.frombuffer(bench.registers(0x0A, 2, unit), ">f4")[0] for unit in (1, 2)] == [3.0, 1.0]


def test_every_register_of_the_document_shows_something_but_distortion() -> None:
    meter = alone()
    assert [hex(address) for address in LISTED if shown(meter, address) == 0.0] == []
    assert {shown(meter, address) for address in DISTORTION} == {0.0}
    stands = {register.address for register in meter.plan.units[0].registers if register.function == 4}
    assert stands == set(LISTED)


def test_settings_are_holding_registers_of_their_own() -> None:
    for meter in (alone(), Bench("smart_meter", columns=columns())):
        assert shown(meter, 0x00) == pytest.approx(VOLTS[0])
        assert shown(meter, 0x00, function=3) == 0.0
        assert shown(meter, 0x0C, function=3) == 100.0
        assert shown(meter, 0x1C, function=3) == 2.0
        assert meter.write(0x1C, struct.pack(">f", 3.0)) == struct.pack(">BHH", 16, 0x1C, 2)
        assert shown(meter, 0x1C, function=3) == 3.0
        assert meter.write(0x1C, struct.pack(">f", 5.0)) == b"\x90\x03"
        assert meter.ask(struct.pack(">BHH", 6, 0x1C, 0x4000)) == b"\x86\x02", "half a value"
        assert meter.device.told == []


def test_a_setting_is_the_meter_s_own() -> None:
    both = {name: np.concatenate([column, column]) for name, column in columns().items()}
    bench = Bench("smart_meter", (1, 2), map_name="sdm630", columns=both)
    bench.write(0x14, struct.pack(">f", 7.0), 2)
    assert [np.frombuffer(bench.registers(0x14, 2, unit), ">f4")[0] for unit in (1, 2)] == [1.0, 7.0]


@pytest.mark.parametrize(("minutes", "taken"), [(0, True), (15, True), (60, True), (7, False), (61, False)])
def test_the_demand_period_is_the_meter_s(minutes: int, taken: bool) -> None:
    meter = alone()
    answer = meter.write(0x02, struct.pack(">f", minutes))
    assert (len(answer) == 5) is taken
    assert meter.device.told == ([{"demand_period_s": 60.0 * minutes}] if taken else [])


def test_the_maximum_demand_is_reset_by_0_and_cannot_be_read() -> None:
    meter = alone()
    assert meter.write(0xF010, b"\0\0") == struct.pack(">BHH", 16, 0xF010, 1)
    assert meter.device.told == [{"demand_reset": 1.0}]
    assert meter.ask(struct.pack(">BHH", 3, 0xF010, 1)) == b"\x83\x02"
    assert alone("battery").write(0xF010, b"\0\0") == b"\x90\x02"


def test_a_serial_number_has_eight_digits_and_is_the_device_s() -> None:
    both = {name: np.concatenate([column, column]) for name, column in columns().items()}
    bench = Bench("smart_meter", (1, 2), map_name="sdm630", columns=both)
    numbers = [int.from_bytes(bench.registers(0xFC00, 2, unit), "big") for unit in (1, 2)]
    assert numbers[0] != numbers[1]
    assert all(len(str(number)) == 8 for number in numbers)


def test_it_stands_at_every_kind() -> None:
    assert all(sdm630.MAP.fits(registry.device(kind)) for kind in registry.DEVICES)
