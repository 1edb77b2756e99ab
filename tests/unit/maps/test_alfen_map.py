"""The registers of an Alfen Eve, as the document of its Modbus slave lists them, alone and beside CHARX."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from modbus_bench import NOW_S, Bench, plausible_columns

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.clock import Clock

MAPS = ("alfen", "charx")
VOLTS, POWERS, VARS = (231.0, 229.0, 226.0), (-3_500.0, -3_400.0, -3_300.0), (-300.0, -200.0, -100.0)


def columns(phases: float = 3.0, phase: float = 0.0, **values: float) -> Columns:
    found = plausible_columns(registry.device("ev_charger"), 1)
    for k in range(3):
        on = 1.0 if phases == 3.0 or k == phase else 0.0
        found |= {
            f"voltage_l{k + 1}_v": np.array([VOLTS[k]]),
            f"active_power_l{k + 1}_w": np.array([on * POWERS[k]]),
            f"reactive_power_l{k + 1}_var": np.array([on * VARS[k]]),
            f"current_l{k + 1}_a": np.array([on * math.hypot(POWERS[k], VARS[k]) / VOLTS[k]]),
        }
    found |= {"phases": np.array([phases]), "phase": np.array([phase])}
    return found | {name: np.array([value]) for name, value in values.items()}


def charger(map_name: str = "alfen", **values: float) -> Bench:
    return Bench("ev_charger", map_name=map_name, columns=columns(**values))


def shown(bench: Bench, address: int, dtype: str = ">f4", unit: int = 1) -> float:
    return float(np.frombuffer(bench.registers(address, np.dtype(dtype).itemsize // 2, unit), dtype)[0])


@pytest.mark.parametrize("map_name", MAPS)
def test_what_can_be_worked_out_is(map_name: str) -> None:
    point = charger(map_name)
    apparent = [math.hypot(p, q) for p, q in zip(POWERS, VARS, strict=True)]
    for k in range(3):
        assert shown(point, 306 + 2 * k) == pytest.approx(VOLTS[k])
        assert shown(point, 328 + 2 * k) == pytest.approx(-POWERS[k] / apparent[k])
        assert shown(point, 338 + 2 * k) == -POWERS[k]
        assert shown(point, 346 + 2 * k) == pytest.approx(apparent[k])
        assert shown(point, 354 + 2 * k) == -VARS[k]
        one, other = VOLTS[k], VOLTS[(k + 1) % 3]
        assert shown(point, 312 + 2 * k) == pytest.approx(math.sqrt(one * one + other * other + one * other))
    turn = [np.exp(-2j * np.pi * k / 3.0) for k in range(3)]
    neutral = sum(np.conj((p + 1j * q) / (v * t)) for p, q, v, t in zip(POWERS, VARS, VOLTS, turn, strict=True))
    assert shown(point, 318) == pytest.approx(abs(neutral), rel=1e-5)
    assert shown(point, 326) == pytest.approx(sum(shown(point, 320 + 2 * k) for k in range(3)))


@pytest.mark.parametrize("map_name", MAPS)
def test_every_register_of_the_meter_shows_something(map_name: str) -> None:
    point = charger(map_name)
    missing = [address for address in range(306, 362, 2) if not math.isfinite(shown(point, address))]
    missing += [address for address in range(362, 426, 4) if not math.isfinite(shown(point, address, ">f8"))]
    assert missing == []
    assert list(np.frombuffer(point.registers(300, 6), ">u2")) == [3, 0, 0, 0, 0, 0]
    for first, stem in (
        (362, "energy_imported_l{}_wh"),
        (378, "energy_exported_l{}_wh"),
        (394, "apparent_energy_l{}_vah"),
    ):
        for k in range(3):
            assert shown(point, first + 4 * k, ">f8") == point.columns[stem.format(k + 1)][0]


@pytest.mark.parametrize("phase", [0, 1, 2])
@pytest.mark.parametrize("map_name", MAPS)
def test_a_single_phase_point_has_its_own_l1_and_the_rest_is_not_available(map_name: str, phase: int) -> None:
    point = charger(map_name, phases=1.0, phase=float(phase))
    assert shown(point, 306) == pytest.approx(VOLTS[phase])
    assert shown(point, 338) == -POWERS[phase]
    assert shown(point, 318) == pytest.approx(shown(point, 320))
    for first in (306, 320, 328, 338, 346, 354):
        assert point.registers(first + 2, 4) == b"\xff" * 8, first
    assert point.registers(312, 6) == b"\xff" * 12
    for first in (362, 378, 394, 410):
        assert point.registers(first + 4, 8) == b"\xff" * 16, first


def test_points_of_one_group_are_each_wired_in_their_own_way() -> None:
    both = {name: np.concatenate([column, column]) for name, column in columns().items()}
    both |= {"phases": np.array([3.0, 1.0]), "phase": np.array([0.0, 1.0])}
    bench = Bench("ev_charger", (1, 2), map_name="alfen", columns=both)
    assert list(np.frombuffer(bench.registers(306, 6, 1), ">f4")) == pytest.approx(VOLTS)
    assert bench.registers(306, 6, 2) == struct.pack(">f", VOLTS[1]) + b"\xff" * 8
    assert bench.registers(366, 4, 2) == b"\xff" * 8


@pytest.mark.parametrize("map_name", MAPS)
def test_without_load_the_power_factor_is_1(map_name: str) -> None:
    none = {
        f"{stem}_l{k}_{unit}": 0.0
        for k in (1, 2, 3)
        for stem, unit in (("active_power", "w"), ("reactive_power", "var"))
    }
    point = charger(map_name, active_power_w=0.0, reactive_power_var=0.0, power_factor=1.0, **none)
    assert [shown(point, address) for address in (328, 330, 332, 334)] == [1.0] * 4


@pytest.mark.parametrize("map_name", MAPS)
def test_the_validity_of_the_set_point_counts_down(map_name: str) -> None:
    """The document's own example: valid for 60 s, written 10 s ago, it is 50."""
    assert shown(charger(map_name, sesp_timeout_s=60.0, sesp_silence_s=10.0), 1208, ">u4") == 50
    assert shown(charger(map_name, sesp_timeout_s=60.0, sesp_silence_s=61.0), 1208, ">u4") == 0
    assert charger(map_name, sesp_timeout_s=0.0).registers(1208, 2) == b"\xff" * 4


@pytest.mark.parametrize("map_name", MAPS)
@pytest.mark.parametrize(
    ("limit", "applied", "enabled", "accounted"),
    [
        (16.0, 16.0, 1.0, 1),
        (16.0, 6.0, 0.0, 0),
        (16.0, 6.0, 1.0, 0),
        (16.0, 16.0, 0.0, 0),
        (0.0, 0.0, 1.0, 1),
        (16.0, 0.0, 1.0, 0),
    ],
)
def test_1214_says_whether_the_set_point_is_what_is_applied(
    map_name: str, limit: float, applied: float, enabled: float, accounted: int
) -> None:
    point = charger(map_name, current_limit_a=limit, current_limit_in_force_a=applied, remote_enabled=enabled)
    assert (shown(point, 1206), shown(point, 1210)) == (applied, limit)
    assert shown(point, 1214, ">u2") == accounted


@pytest.mark.parametrize("map_name", MAPS)
def test_1215_takes_1_and_3_phases(map_name: str) -> None:
    for phases in (1, 3):
        point = charger(map_name, charging_phases=float(phases))
        assert shown(point, 1215, ">u2") == phases
        assert point.write(1215, phases.to_bytes(2, "big")) == struct.pack(">BHH", 16, 1215, 1)
        assert point.device.told == [{"charging_phases": float(phases)}]
    for phases in (0, 2, 4, 65_535):
        assert point.write(1215, phases.to_bytes(2, "big")) == b"\x90\x03"


def test_the_station_says_what_it_is_and_what_time_it_is() -> None:
    station = charger(sesp_link_lost=0.0)
    now = datetime.fromtimestamp(NOW_S, UTC)
    assert list(np.frombuffer(station.registers(168, 6, 200), ">i2")) == [
        now.year,
        now.month,
        now.day,
        now.hour,
        now.minute,
        now.second,
    ]
    assert station.registers(174, 5, 200) == b"\xff" * 8 + b"\0\0", "no uptime; UTC"
    assert station.registers(157, 11, 200).rstrip(b"\0") == b"ev_charger-0"
    assert shown(station, 1104, ">u2", 200) == 1
    assert shown(station, 1105, ">u2", 200) == 1
    assert station.registers(1102, 2, 200) == b"\xff" * 4, "no board temperature"
    assert shown(charger(sesp_link_lost=1.0), 1104, ">u2", 200) == 0


def test_the_network_is_of_one_socket_and_its_limits_cannot_be_written() -> None:
    point = charger()
    assert shown(point, 1404, ">u2", 200) == 1
    for k in range(3):
        assert shown(point, 1405 + 2 * k, unit=200) == shown(point, 320 + 2 * k)
        assert shown(point, 1411 + 2 * k, unit=200) == shown(point, 1206)
    assert point.registers(1417, 12, 200) == b"\xff" * 24
    assert shown(point, 1431, ">u2", 200) == 0
    assert point.write(1417, struct.pack(">f", 10.0), 200) == b"\x90\x02"


def test_a_clock_that_is_off_shows_its_own_time() -> None:
    point = charger()
    Clock([(point.table.clocks, 0)]).set(NOW_S + 3_600.0, NOW_S)
    point.table.refresh(point.columns, {}, NOW_S)
    assert shown(point, 171, ">i2", 200) == (datetime.fromtimestamp(NOW_S, UTC).hour + 1) % 24


def test_alone_it_is_nothing_but_an_alfen() -> None:
    point = charger()
    for address in (40_000, 1_000, 1_299, 100):
        assert point.ask(struct.pack(">BHH", 3, address, 2)) == b"\x83\x02"
