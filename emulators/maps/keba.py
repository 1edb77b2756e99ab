"""KEBA KeContact P30 over Modbus TCP: an AC charging point, at unit 1 and, as KEBA's clients ask it, at unit 255.

Source: KEBA, "KeContact P30 Modbus TCP Programmers Guide" V1.02; the registers of phase switching and of the failsafe
(1550 to 1602, 5016 to 5052) as OpenEMS reads and writes them. Every value is a uint32 in two registers that are read in
a request of their own: another count or address is exception 2. What can be set is one register that can only be
written. The guide has the total energy in Wh; stations and clients count it in 0.1 Wh.

The failsafe is the fallback while the SESP's link is lost. A single-phase point shows 0 for L2 and L3. There is no
lock to open, so 5012 is not there, and power to the grid has no register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, is_set
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps.binding import REVISION, VENDOR, Quantities, modbus_map, quantities_of, resources_of
from pilotfarm.emulators.physics.ev import State
from pilotfarm.emulators.plans.modbus import Identity, Register, RegisterPlan, Unit, Window
from pilotfarm.emulators.wire.derived import Cases, ReadOnly
from pilotfarm.emulators.wire.electrical import PowerFactor
from pilotfarm.emulators.wire.sinks import Choice, Sink, Within
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import OnPhase, on_phases, own_phase

_FIRMWARE: Final = 0x030A_2A00  # 3.10.42
_PRODUCT: Final = 310_111.0  # P30, cable, rated current, c-series, a meter that is not calibrated, RFID
_ERROR: Final = float(0x4_0000)  # error group 4
_VIA_MODBUS: Final = 3
_EVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class StationState(ReadOnly):
    """1 not ready, 2 waits for the vehicle, 3 charges, 4 error, 5 suspended: a vehicle that is not released."""

    @property
    def quantities(self) -> tuple[str, ...]:
        return ("charge_point_state", "authorised", "charge_release", "fault_trip")

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        state = columns["charge_point_state"]
        waits = np.where(is_set(columns["authorised"]), 2.0, np.where(columns["charge_release"] == 0.0, 5.0, 1.0))
        shown = np.where(state == State.B, waits, 1.0)
        shown = np.where((state == State.C) | (state == State.D), 3.0, shown)
        return np.where(is_set(columns["fault_trip"]), 4.0, shown)


_STATE: Final = "charge_point_state"
_CABLE: Final = Cases(((_STATE, 2.0, 3.0, 7.0), ("vehicle_connected", 1.0, 1.0, 5.0)), 1.0)
"""The cable is the station's own: 1 alone, 5 in a vehicle, 7 locked in it while it charges."""
_TYPE: Final = Cases(
    tuple(
        ("rated_current_a", low, high, _PRODUCT + 1_000.0 * code)
        for low, high, code in ((0.0, 13.0, 1), (13.0, 16.0, 2), (16.0, 20.0, 3), (20.0, _EVER, 4))
    ),
    _PRODUCT,
)

_BY_PHASE: Final[Mapping[int, OnPhase]] = {
    1008: on_phases(lambda phase: Scaled(f"current_l{phase}_a", 1e3)),
    1040: on_phases(lambda phase: Scaled(f"voltage_l{phase}_v")),
}
"""Of L1; those of L2 and L3 follow."""
_SHOWN: Final[Mapping[int, Source]] = {
    1000: StationState(),
    1004: _CABLE,
    1006: Cases((("fault_trip", 1.0, 1.0, _ERROR),), 0.0),
    1016: _TYPE,
    1020: Scaled("charging_power_w", 1e3),
    1036: Scaled("energy_imported_wh", 10.0),
    1046: PowerFactor("active_power_w", "reactive_power_var", gain=1e3, min=0.0),
    1100: Scaled("current_limit_in_force_a", 1e3),
    1110: Scaled("rated_current_a", 1e3),
    1500: Scaled("owner_card_id"),
    1502: Scaled("session_energy_wh", floor=0.0),
    1552: Cases((("charging_phases", 3.0, 3.0, 1.0),), 0.0),
    1600: Scaled("fallback_current_a", 1e3),
    1602: Scaled("sesp_timeout_s"),
}
_SERIAL, _VERSION, _SWITCHED_BY = 1014, 1018, 1550
_FIXED: Final[Mapping[int, int]] = {_SERIAL: 0, _VERSION: _FIRMWARE, _SWITCHED_BY: _VIA_MODBUS}

_TAKEN: Final[Mapping[int, Sink]] = {
    5004: Within(Scaled("current_limit_a", 1e3), 6_000.0, 63_000.0),
    5010: Scaled("session_energy_limit_wh", 0.1),
    5014: Choice(((0, "charge_release", 0.0), (1, "charge_release", 1.0))),
    5016: Within(Scaled("fallback_current_a", 1e3), 6_000.0, 63_000.0, or_zero=True),
    5018: Within(Scaled("sesp_timeout_s"), 10.0, 600.0, or_zero=True),
    5020: Choice(((0, "", 0.0), (1, "", 0.0))),  # whether the failsafe outlives a restart
    5050: Choice(((_VIA_MODBUS, "", 0.0),)),
    5052: Choice(((0, "charging_phases", 1.0), (1, "charging_phases", 3.0))),
}


def _registers(has: Quantities) -> list[Register]:
    own = [
        register
        for first, on_phase in _BY_PHASE.items()
        for phase in (1, 2, 3)
        for register in has.bind(first + 2 * (phase - 1), ">u4", own_phase(phase, on_phase, 0.0))
    ]
    shown = [register for address, source in _SHOWN.items() for register in has.bind(address, ">u4", source)]
    taken = [register for address, sink in _TAKEN.items() for register in has.bind(address, ">u2", None, sink)]
    return own + shown + taken


IDENTITY: Final = Identity(VENDOR, "KC-P30", REVISION, "KeContact P30")


@cache
def _plan(names: frozenset[str]) -> RegisterPlan:
    registers = _registers(Quantities(names))
    shown = {**{register.address: 0 for register in registers if register.shows}, **_FIXED}
    windows = tuple(Window(address, value.to_bytes(4, "big"), grain=2) for address, value in sorted(shown.items()))
    return RegisterPlan((Unit(0, windows, tuple(registers), IDENTITY, serial_numbers=(_SERIAL,)),), names)


def plan(spec: DeviceSpec) -> RegisterPlan:
    return _plan(quantities_of(spec))


MAP: Final = modbus_map(
    name="keba",
    title="KEBA KeContact P30",
    plan=plan,
    fits=lambda spec: _STATE in quantities_of(spec) and not resources_of(spec),
)
