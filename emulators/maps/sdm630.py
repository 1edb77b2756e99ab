"""Eastron SDM630 Modbus V2, a three-phase meter: measurements as input registers, settings as holding registers.

Source: Eastron, "SDM630 Modbus protocol implementation" V2, 1.2.1 and 1.3.1. Every value is a float32 in two registers
that are read and written together: a part of one has no address (exception 2). What is drawn from the grid is
positive, and a total of energy is what was drawn and what was delivered together.

Clients read whole blocks, so the places between are there and 0. So is what a single-phase meter (1p2w) does not have:
L2, L3 and the voltages between phases. Distortion is 0, as all waves are sinusoidal here. A kind that does not count
by phase loads its phases evenly, so what they count is a share of the sum; demands are the smart meter's.

The settings of pulse outputs, serial line and password are kept as they are written and move nothing here. The system
type is that of the connection and cannot be written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps.binding import REVISION, VENDOR, Quantities, modbus_map, quantities_of
from pilotfarm.emulators.plans.modbus import HOLDING, INPUT, Identity, Register, RegisterPlan, Unit, Window
from pilotfarm.emulators.wire.derived import Weighted
from pilotfarm.emulators.wire.electrical import NEUTRAL, Apparent, LineToLine, PhaseAngle, PowerFactor
from pilotfarm.emulators.wire.sinks import Choice, Kept
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import ByWiring, OnPhase, on_phases, own_phase, own_share

_VOLTAGE: Final = on_phases(lambda phase: Scaled(f"voltage_l{phase}_v"))
_CURRENT: Final = on_phases(lambda phase: Scaled(f"current_l{phase}_a"))
_POWERS: Final = tuple((f"active_power_l{phase}_w", f"reactive_power_l{phase}_var") for phase in (1, 2, 3))
_MEAN_CURRENT: Final = Weighted(tuple((f"current_l{phase}_a", 1.0 / 3.0) for phase in (1, 2, 3)))
_MEAN_VOLTAGE: Final = Weighted(tuple((f"voltage_l{phase}_v", 1.0 / 3.0) for phase in (1, 2, 3)))

_BY_PHASE: Final[Mapping[int, OnPhase]] = {
    0x00: _VOLTAGE,
    0x06: _CURRENT,
    0x0C: on_phases(lambda phase: Scaled(_POWERS[phase - 1][0], -1.0)),
    0x12: on_phases(lambda phase: Apparent(*_POWERS[phase - 1])),
    0x18: on_phases(lambda phase: Scaled(_POWERS[phase - 1][1], -1.0)),
    0x1E: on_phases(lambda phase: PowerFactor(*_POWERS[phase - 1])),
    0x24: on_phases(lambda phase: PhaseAngle(*_POWERS[phase - 1])),
    0x102: on_phases(lambda phase: Scaled(f"demand_current_l{phase}_a")),
    0x108: on_phases(lambda phase: Scaled(f"demand_current_max_l{phase}_a")),
}
"""Of L1; those of L2 and L3 follow."""

Energy = Callable[[str, float], Source]
"""An energy by phase (``"_l1"``, or ``""`` for all) and gain."""


def _one_way(stem: str, unit: str) -> Energy:
    return lambda phase, gain: Scaled(f"{stem}{phase}_{unit}", gain)


def _both_ways(stem: str, unit: str) -> Energy:
    ways = (f"{stem}_imported", f"{stem}_exported")
    return lambda phase, gain: Weighted(tuple((f"{way}{phase}_{unit}", gain) for way in ways))


_ENERGY: Final[Mapping[int, tuple[int, Energy]]] = {
    0x48: (0x15A, _one_way("energy_imported", "wh")),
    0x4A: (0x160, _one_way("energy_exported", "wh")),
    0x4C: (0x16C, _one_way("reactive_energy_imported", "varh")),
    0x4E: (0x172, _one_way("reactive_energy_exported", "varh")),
    0x156: (0x166, _both_ways("energy", "wh")),
    0x158: (0x178, _both_ways("reactive_energy", "varh")),
}
"""Of all phases, and of L1; those of L2 and L3 follow. In thousands of the unit."""

_OF_ALL: Final[Mapping[int, Source]] = {
    0x2A: ByWiring(_MEAN_VOLTAGE, _VOLTAGE),
    0x2E: ByWiring(_MEAN_CURRENT, _CURRENT),
    0x30: Weighted(tuple((f"current_l{phase}_a", 1.0) for phase in (1, 2, 3))),
    0x34: Scaled("active_power_w", -1.0),
    0x38: Scaled("apparent_power_va"),
    0x3C: Scaled("reactive_power_var", -1.0),
    0x3E: PowerFactor("active_power_w", "reactive_power_var"),
    0x42: PhaseAngle("active_power_w", "reactive_power_var"),
    0x46: Scaled("frequency_hz"),
    0x50: Scaled("apparent_energy_vah", 1e-3),
    0x52: Scaled("charge_ah"),
    0x54: Scaled("demand_power_w"),
    0x56: Scaled("demand_power_max_w"),
    0x64: Scaled("demand_apparent_power_va"),
    0x66: Scaled("demand_apparent_power_max_va"),
    0x68: Scaled("demand_current_neutral_a"),
    0x6A: Scaled("demand_current_max_neutral_a"),
    0xC8: ByWiring(LineToLine("voltage_l1_v", "voltage_l2_v"), 0.0),
    0xCA: ByWiring(LineToLine("voltage_l2_v", "voltage_l3_v"), 0.0),
    0xCC: ByWiring(LineToLine("voltage_l3_v", "voltage_l1_v"), 0.0),
    0xCE: ByWiring(Scaled("voltage_ll_v"), 0.0),
    0xE0: NEUTRAL,
}

_RESET: Final = 0xF010
_DIVISOR: Final = 0xF910
_SERIAL: Final = 0xFC00
_SETTINGS: Final[Mapping[int, tuple[float, Kept]]] = {
    0x0C: (100.0, Kept((60.0, 100.0, 200.0))),  # pulse width, ms
    0x12: (0.0, Kept(range(4))),  # parity and stop bits
    0x14: (1.0, Kept(range(1, 248))),  # node
    0x16: (0.0, Kept(range(6))),  # pulse divisor
    0x18: (0.0, Kept(range(10_000))),  # password
    0x1C: (2.0, Kept(range(5))),  # baud rate
    0x56: (4.0, Kept((1.0, 2.0, 4.0, 5.0, 6.0, 8.0))),  # what a pulse counts
    _DIVISOR: (0.0, Kept(range(6))),
}
"""What they are from the factory, and what they may be."""
_PERIODS: Final = Choice(
    tuple((minutes, "demand_period_s", 60.0 * minutes) for minutes in (0.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 60.0))
)
_CURRENT_MAX_A: Final = 100.0


def _area() -> bytes:
    area = bytearray(2 * 0x58)
    for address, (value, _) in _SETTINGS.items():
        if address < 0x58:
            struct.pack_into(">f", area, 2 * address, value)
    struct.pack_into(">f", area, 2 * 0x08, _CURRENT_MAX_A)
    return bytes(area)


WINDOWS: Final = (
    Window(0, bytes(2 * 382), (INPUT,), grain=2),
    Window(0, _area(), (HOLDING,), grain=2),
    Window(_DIVISOR, bytes(4), (HOLDING,), grain=2),
    Window(_SERIAL, bytes(4), (HOLDING,), grain=2),
)
SERIAL_NUMBERS: Final = (_SERIAL,)


def registers(has: Quantities) -> list[Register]:
    """Return all registers that a device has something for."""
    return [*_measured(has), *_set(has)]


def _measured(has: Quantities) -> list[Register]:
    found: list[Register] = []

    def show(address: int, *sources: Source) -> None:
        """Show the first source whose quantities the device has."""
        bound = (has.bind(address, ">f4", source, function=INPUT) for source in sources)
        found.extend(next(filter(None, bound), []))

    for first, on_phase in _BY_PHASE.items():
        for phase in (1, 2, 3):
            show(first + 2 * phase - 2, own_phase(phase, on_phase, 0.0))
    for address, (first, energy) in _ENERGY.items():
        whole, third = energy("", 1e-3), energy("", 1e-3 / 3.0)
        counted = (energy("_l1", 1e-3), energy("_l2", 1e-3), energy("_l3", 1e-3))
        show(address, whole)
        for phase in (1, 2, 3):
            show(first + 2 * phase - 2, own_phase(phase, counted, 0.0), own_share(phase, whole, third, 0.0))
    for address, source in _OF_ALL.items():
        show(address, source)
    return found


def _set(has: Quantities) -> list[Register]:
    volts, power = Scaled("nominal_voltage_v"), Scaled("nominal_voltage_v", _CURRENT_MAX_A)
    return [
        *has.bind(0x02, ">f4", Scaled("demand_period_s", 1.0 / 60.0), _PERIODS),
        *has.bind(0x06, ">f4", volts),
        *has.bind(0x0A, ">f4", ByWiring(3.0, 1.0)),
        *has.bind(0x24, ">f4", ByWiring(Scaled("nominal_voltage_v", 3.0 * _CURRENT_MAX_A), (power, power, power))),
        *(register for address, (_, kept) in _SETTINGS.items() for register in has.bind(address, ">f4", None, kept)),
        *has.bind(_RESET, ">u2", None, Choice(((0, "demand_reset", 1.0),))),
    ]


IDENTITY: Final = Identity(VENDOR, "SDM630", REVISION, "meter")


@cache
def _plan(names: frozenset[str]) -> RegisterPlan:
    unit = Unit(0, WINDOWS, tuple(registers(Quantities(names))), IDENTITY, serial_numbers=SERIAL_NUMBERS)
    return RegisterPlan((unit,), names)


def plan(spec: DeviceSpec) -> RegisterPlan:
    return _plan(quantities_of(spec))


MAP: Final = modbus_map(
    name="sdm630",
    title="Eastron SDM630 at the connection point",
    plan=plan,
    fits=lambda spec: True,
)
