"""Alfen Eve (NG9xx): socket 1 at unit 1, the station at unit 200, alone or beside CHARX.

Source: Alfen, "Implementation of Modbus Slave TCP/IP for Alfen NG9xx platform", v2.3. Power into the vehicle is
positive ("delivered"). A register without anything to show is FFFF, so a float there is not a number (1.2).

The set-point at 1210 is the current limit. 1208 is how long it holds, which is the silence after which the SESP counts
as lost; then the safe current (1212) is in force. Where the site never counts the SESP as lost, 1208 is FFFFFFFF. A
smart charging network (SCN) is not set up, so its limits cannot be written. The clock shows the site's time in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, is_set
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps.binding import (
    REVISION,
    VENDOR,
    Quantities,
    modbus_map,
    quantities_of,
    resources_of,
    text,
)
from pilotfarm.emulators.maps.pilot_state import PilotState
from pilotfarm.emulators.plans.modbus import Identity, Register, RegisterPlan, Unit, Window
from pilotfarm.emulators.wire.clock import CLOCK_PARTS, ClockPart
from pilotfarm.emulators.wire.derived import Cases, ReadOnly, Weighted
from pilotfarm.emulators.wire.electrical import NEUTRAL, Apparent, LineToLine, PowerFactor
from pilotfarm.emulators.wire.sinks import Choice
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import ByWiring, OnPhase, on_phases, own_phase

STATION_UNIT: Final = 200
NOT_AVAILABLE: Final = float(np.frombuffer(b"\xff" * 8, ">f8")[0])
"""Not a number, of ones alone, as every register without a value is."""

_CURRENT: Final = on_phases(lambda phase: Scaled(f"current_l{phase}_a"))
_POWERS: Final = tuple((f"active_power_l{phase}_w", f"reactive_power_l{phase}_var") for phase in (1, 2, 3))
_BY_PHASE: Final[Mapping[int, OnPhase]] = {
    306: on_phases(lambda phase: Scaled(f"voltage_l{phase}_v")),
    320: _CURRENT,
    328: on_phases(lambda phase: PowerFactor(*_POWERS[phase - 1])),
    338: on_phases(lambda phase: Scaled(_POWERS[phase - 1][0], -1.0)),
    346: on_phases(lambda phase: Apparent(*_POWERS[phase - 1])),
    354: on_phases(lambda phase: Scaled(_POWERS[phase - 1][1], -1.0)),
}
"""Of L1; those of L2 and L3 follow."""
_FLOATS: Final[Mapping[int, Source]] = {
    312: ByWiring(LineToLine("voltage_l1_v", "voltage_l2_v"), NOT_AVAILABLE),
    314: ByWiring(LineToLine("voltage_l2_v", "voltage_l3_v"), NOT_AVAILABLE),
    316: ByWiring(LineToLine("voltage_l3_v", "voltage_l1_v"), NOT_AVAILABLE),
    318: NEUTRAL,
    326: Weighted(tuple((f"current_l{phase}_a", 1.0) for phase in (1, 2, 3))),
    334: PowerFactor("active_power_w", "reactive_power_var"),
    336: Scaled("frequency_hz"),
    344: Scaled("active_power_w", -1.0),
    352: Scaled("apparent_power_va"),
    360: Scaled("reactive_power_var", -1.0),
    1206: Scaled("current_limit_in_force_a"),
    1212: Scaled("fallback_current_a"),
}
_ENERGY_BY_PHASE: Final[Mapping[int, OnPhase]] = {
    362: on_phases(lambda phase: Scaled(f"energy_imported_l{phase}_wh")),
    378: on_phases(lambda phase: Scaled(f"energy_exported_l{phase}_wh")),
    394: on_phases(lambda phase: Scaled(f"apparent_energy_l{phase}_vah")),
    410: on_phases(lambda phase: Scaled(f"reactive_energy_imported_l{phase}_varh")),
}
_ENERGY: Final[Mapping[int, Source]] = {
    374: Scaled("energy_imported_wh"),
    390: Scaled("energy_exported_wh"),
    406: Scaled("apparent_energy_vah"),
    422: Scaled("reactive_energy_imported_varh"),
}
_MODE_3: Final = PilotState(("A", "B1", "C1", "D1", "E", "F"), ("A", "B2", "C2", "D2", "E", "F"), "")
_PHASES: Final = Choice(((1, "charging_phases", 1.0), (3, "charging_phases", 3.0)))


@dataclass(frozen=True, slots=True)
class TimeLeft(ReadOnly):
    """How long until the SESP counts as lost, not a number for never. [s]"""

    @property
    def quantities(self) -> tuple[str, ...]:
        return ("sesp_timeout_s", "sesp_silence_s")

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        timeout_s = columns["sesp_timeout_s"]
        left_s = np.maximum(timeout_s - columns["sesp_silence_s"], 0.0)
        return np.where(timeout_s > 0.0, left_s, np.nan)


@dataclass(frozen=True, slots=True)
class AccountedFor(ReadOnly):
    """1 where the set-point is what the applied current comes from; ``also`` has to be 1 for it too."""

    also: str = ""

    @property
    def quantities(self) -> tuple[str, ...]:
        return ("current_limit_a", "current_limit_in_force_a", *((self.also,) if self.also else ()))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        limit, applied = columns["current_limit_a"], columns["current_limit_in_force_a"]
        # A limit that is too low to charge with applies as 0.
        accounted = np.isclose(applied, limit) | ((applied == 0.0) & (limit < 6.0))
        if self.also:
            accounted &= is_set(columns[self.also])
        return np.asarray(accounted.astype(np.float64))


def _meter_area() -> bytes:
    area = bytearray(b"\xff" * 2 * 126)
    area[0:2] = (3).to_bytes(2, "big")  # initialised and updated
    area[2:12] = bytes(10)  # the last value is new; a meter of its own
    return bytes(area)


METER_WINDOW: Final = Window(300, _meter_area())
STATUS: Final = b"\xff" * 4 + bytes(8) + b"\xff" * 20
"""What registers 1200 to 1215 hold where there is nothing to show; the state is a text of 5."""


def socket(has: Quantities) -> list[Register]:
    """Return the registers of socket 1."""
    limit = Scaled("current_limit_a")
    own = [
        register
        for dtype, width, table in ((">f4", 2, _BY_PHASE), (">f8", 4, _ENERGY_BY_PHASE))
        for first, on_phase in table.items()
        for phase in (1, 2, 3)
        for register in has.bind(first + width * (phase - 1), dtype, own_phase(phase, on_phase, NOT_AVAILABLE))
    ]
    return [
        *own,
        *(register for address, source in _FLOATS.items() for register in has.bind(address, ">f4", source)),
        *(register for address, source in _ENERGY.items() for register in has.bind(address, ">f8", source)),
        *has.bind(1200, ">u2", Scaled("available")),
        *has.bind(1201, ">u2", _MODE_3),
        *has.bind(1208, ">u4", TimeLeft(), missing=0xFFFFFFFF),
        *has.bind(1210, ">f4", limit, limit),
        *(has.bind(1214, ">u2", AccountedFor("remote_enabled")) or has.bind(1214, ">u2", AccountedFor())),
        *has.bind(1215, ">u2", Scaled("charging_phases"), _PHASES),
    ]


def station(has: Quantities, identity: Identity) -> Unit:
    """Return the station's own unit: product identification, and the current it may draw."""
    product = bytearray(b"\xff" * 2 * 79)
    product[0:34] = text(f"{identity.vendor} {identity.model}", 17)
    product[34:44] = text(identity.vendor, 5)
    product[44:46] = (1).to_bytes(2, "big")
    product[46:80] = text(identity.revision, 17)
    product[80:114] = text(identity.product_code, 17)
    product[156:158] = bytes(2)  # time zone: the clock is in UTC
    status = bytearray(b"\xff" * 2 * 6)
    status[10:12] = (1).to_bytes(2, "big")  # sockets
    network = bytearray(b"\xff" * 2 * 32)
    network[0:10] = bytes(8) + (1).to_bytes(2, "big")  # no name, one socket
    network[62:64] = bytes(2)  # not enabled
    own = [
        register
        for first, on_phase in ((1405, _CURRENT), (1411, on_phases(lambda _: Scaled("current_limit_in_force_a"))))
        for phase in (1, 2, 3)
        for register in has.bind(first + 2 * (phase - 1), ">f4", own_phase(phase, on_phase, NOT_AVAILABLE))
    ]
    return Unit(
        None,
        (Window(100, bytes(product)), Window(1100, bytes(status)), Window(1400, bytes(network))),
        (
            *(Register(168 + k, ">i2", ClockPart(part)) for k, part in enumerate(CLOCK_PARTS)),
            *has.bind(1100, ">f4", Scaled("rated_current_a")),
            *has.bind(1104, ">u2", Cases((("sesp_link_lost", 0.0, 0.0, 1.0),), 0.0)),
            *own,
            *has.bind(1429, ">f4", Scaled("fallback_current_a")),
        ),
        identity,
        aliases=(STATION_UNIT,),
        serials=((157, 11),),
    )


IDENTITY: Final = Identity(VENDOR, "NG910", REVISION, "Eve")


@cache
def _plan(names: frozenset[str]) -> RegisterPlan:
    has = Quantities(names)
    unit = Unit(0, (METER_WINDOW, Window(1200, STATUS)), tuple(socket(has)), IDENTITY)
    return RegisterPlan((unit, station(has, IDENTITY)), names)


def plan(spec: DeviceSpec) -> RegisterPlan:
    return _plan(quantities_of(spec))


MAP: Final = modbus_map(
    name="alfen",
    title="Alfen Eve: socket 1, and the station at unit 200",
    plan=plan,
    fits=lambda spec: "charge_point_state" in quantities_of(spec) and not resources_of(spec),
)
