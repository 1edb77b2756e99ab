"""Phoenix Contact CHARX SEC charging controller, charging point 1 (manual UM EN CHARX SEC, appendix B3).

Beside it on the same unit: Alfen Eve registers and, from 40000 on, a SunSpec chain for what a charging
controller has no register for (reactive power, discharging). Power into the vehicle is positive in CHARX.
Digital outputs, the lock and system resets are not modelled: they read 0 and cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.maps import alfen
from pilotfarm.emulators.maps.binding import REVISION, VENDOR, Quantities, modbus_map, quantities_of, resources_of, text
from pilotfarm.emulators.maps.pilot_state import PilotState
from pilotfarm.emulators.maps.sunspec import der
from pilotfarm.emulators.maps.sunspec.unit import sunspec_unit
from pilotfarm.emulators.plans.modbus import Identity, Register, RegisterPlan, Unit, Window, check_covers
from pilotfarm.emulators.wire.derived import Cases, Flags, OffValue, Product, Weighted
from pilotfarm.emulators.wire.sinks import Choice, Pulse, Sink, Within
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import OnPhase, on_phases, own_phase

IDENTITY: Final = Identity(VENDOR, "PF-EV", REVISION, "ev-charger")

SUNSPEC: Final = (
    der.measured_701(),
    der.CAPACITY_702,
    der.CONTROLS_704,
    der.storage_713("vehicle_soc_frac"),
    der.PORT_714,
    der.SUPERVISION_715,
)

_NAME: Final = (100, 10)
_UID: Final = (1113, 3)
_MODBUS_RELEASES: Final = 5
_EM340: Final = 6
_WATCHDOG_OFF: Final = 65_535.0
_LIMIT_MIN_A, _LIMIT_MAX_A = 6.0, 80.0  # of register x301


@dataclass(frozen=True, slots=True)
class HexText:
    """Four ASCII hexadecimal digits of a whole number, from bit ``shift`` on; the number 0 is no text at all."""

    quantity: str
    shift: int

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        number = np.nan_to_num(columns[self.quantity]).astype(np.int64)
        wire = np.zeros_like(number)
        for place in (12, 8, 4, 0):
            digit = (number >> (self.shift + place)) & 0xF
            wire = wire << 8 | np.where(digit < 10, ord("0") + digit, ord("A") - 10 + digit)
        return np.where(number == 0, 0, wire).astype(np.float64)

    def back(self, raw: float) -> dict[str, float]:
        raise OutOfRange("a card cannot be written")


_STATUS: Final = PilotState(("A1", "B1", "C1", "D1", "E0", "F0"), ("A1", "B2", "C2", "D2", "E0", "F0"), "IN")


def _electrical(base: int) -> dict[int, tuple[str, Source]]:
    """Power and currents, in mW, mvar, mVA and mA, as the group block and a charging point have them."""
    return {
        base: (">u4", Scaled("charging_power_w", 1e3)),
        base + 2: (">i4", Scaled("reactive_power_var", -1e3)),
        base + 4: (">u4", Scaled("apparent_power_va", 1e3)),
    }


_VOLTAGE: Final = on_phases(lambda phase: Scaled(f"voltage_l{phase}_v", 1e3))
_CURRENT: Final = on_phases(lambda phase: Scaled(f"current_l{phase}_a", 1e3))


def _by_phase(first: int, dtype: str, on_phase: OnPhase, absent: float) -> dict[int, tuple[str, Source]]:
    """L1 to L3 in mV or mA, with ``absent`` for what a single-phase point does not have: -1 is an unknown current."""
    return {first + 2 * k: (dtype, own_phase(k + 1, on_phase, absent)) for k in range(3)}


def _count(low: float, high: float) -> tuple[str, Source]:
    return (">u2", Cases((("charge_point_state", low, high, 1.0),), 0.0))


_SHOWN: Final[dict[int, tuple[str, Source]]] = {
    148: _count(4, 5),
    149: _count(0, 0),
    150: _count(1, 3),
    151: (">u2", Cases((("charging_power_w", 1.0, float("inf"), 1.0),), 0.0)),
    **_electrical(152),
    **_by_phase(158, ">i4", _CURRENT, -1.0),
    1101: (">u2", Scaled("rated_current_a")),
    **_by_phase(1232, ">u4", _VOLTAGE, 0.0),
    **_by_phase(1238, ">i4", _CURRENT, -1.0),
    **_electrical(1244),
    1250: (">u8", Scaled("energy_imported_wh")),
    1254: (">i8", Weighted((("reactive_energy_imported_varh", 1.0), ("reactive_energy_exported_varh", -1.0)))),
    1258: (">u8", Scaled("apparent_energy_vah")),
    1262: (">u4", Product(("rated_energy_wh", "vehicle_soc_frac"), 1e-3)),
    1264: (">u2", Scaled("vehicle_soc_frac", 100.0)),
    1275: (">u4", HexText("owner_card_id", 16)),
    1277: (">u4", HexText("owner_card_id", 0)),
    1285: (">u4", Scaled("session_duration_s")),
    1287: (">u4", Scaled("charging_duration_s")),
    1289: (">u8", Scaled("session_energy_wh", floor=0.0)),
    1293: (">u4", Flags(((0, ("temperature_high_alarm",)), (24, ("overcurrent_alarm",)), (27, ("fault_trip",))))),
    1296: (">u2", Product(("current_limit_in_force_a",), 100.0, over="rated_current_a")),
    1297: (">u2", Scaled("current_limit_in_force_a")),
    1298: (">u2", Scaled("rated_current_a")),
    1299: (">u2", _STATUS),
}

_LIMIT: Final = Scaled("current_limit_a")
_FALLBACK: Final = Scaled("fallback_current_a")
_RELEASE: Final = Scaled("charge_release")
_WATCHDOG: Final = OffValue("sesp_timeout_s", _WATCHDOG_OFF)
_AVAILABILITY: Final = Choice(((0, "stop", 1.0), (1, "start", 1.0)))

_TAKEN: Final[dict[int, tuple[Source | None, Sink]]] = {
    164: (Scaled("started"), _AVAILABILITY),
    167: (_LIMIT, Within(_LIMIT, _LIMIT_MIN_A, _LIMIT_MAX_A)),
    1300: (_RELEASE, _RELEASE),
    1301: (_LIMIT, Within(_LIMIT, _LIMIT_MIN_A, _LIMIT_MAX_A)),
    1304: (Scaled("started"), _AVAILABILITY),
    1306: (_FALLBACK, _FALLBACK),
    1307: (_WATCHDOG, _WATCHDOG),
    1308: (None, Pulse("identification_clear", any_value=True)),
}


def _windows() -> tuple[Window, ...]:
    """The group block and charging point 1; what lies between two registers of a block reads 0."""
    group = bytearray(2 * 68)
    group[20:28] = text(REVISION, 4)
    group[28:30] = (1).to_bytes(2, "big")
    point = bytearray(2 * 209)
    for offset, value in ((0, 1), (2, 6), (12, _EM340), (20, _MODBUS_RELEASES), (115, 3)):
        point[2 * offset : 2 * offset + 2] = value.to_bytes(2, "big")
    point[2 * 100 : 2 * 116] = alfen.STATUS
    return (Window(100, bytes(group)), alfen.METER_WINDOW, Window(1100, bytes(point)))


def charx_registers(has: Quantities) -> list[Register]:
    registers = [register for a, (dtype, shows) in _SHOWN.items() for register in has.bind(a, dtype, shows)]
    registers += [register for a, (shows, takes) in _TAKEN.items() for register in has.bind(a, ">u2", shows, takes)]
    return registers + alfen.socket(has)


def charx_unit(step: int, has: Quantities) -> Unit:
    """CHARX, Alfen and SunSpec at one unit id."""
    serials = (_NAME, _UID)
    return sunspec_unit(step, SUNSPEC, IDENTITY, has, _windows(), charx_registers(has), serials)


@cache
def _plan(names: frozenset[str]) -> RegisterPlan:
    has = Quantities(names)
    return check_covers(RegisterPlan((charx_unit(0, has), alfen.station(has, IDENTITY)), names))


def plan(spec: DeviceSpec) -> RegisterPlan:
    return _plan(quantities_of(spec))


MAP: Final = modbus_map(
    name="charx",
    title="Phoenix Contact CHARX SEC, with Alfen Eve and SunSpec registers",
    plan=plan,
    fits=lambda spec: "charge_point_state" in quantities_of(spec) and not resources_of(spec),
)
