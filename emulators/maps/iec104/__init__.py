"""The IEC 60870-5-104 point list: one meaning an information object address, whatever the device.

``addresses`` has the numbers. Shares go out in per cent, pressure in hPa, all else in the unit of the catalogue.
Plus is power leaving the device. Interrogation groups: 1 (QOI 21) states and alarms, 2 electrical, 3 device,
4 environment, 5 mirrors, 6 nameplate; counter group 1 energy.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, wrapped
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps.iec104.addresses import (
    BINARY_MIRROR,
    IOA,
    RESOURCE_STEP,
    SETPOINT_MIRROR,
    SWITCH_ASKED,
    SWITCH_POSITION,
    address,
)
from pilotfarm.emulators.plans.deadband import EVERY_CHANGE, Deadband
from pilotfarm.emulators.plans.iec104 import (
    GROUP_ELECTRICAL,
    GROUP_ENVIRONMENT,
    GROUP_MIRRORS,
    GROUP_NAMEPLATE,
    GROUP_SPECIFIC,
    GROUP_STATES,
    ControlPoint,
    ControlType,
    MonitorPoint,
    MonitorType,
    ObjectPlan,
)
from pilotfarm.emulators.quantities import Quantity, Role, quantity, split
from pilotfarm.emulators.wire.sources import Scaled

# Deadbands by unit of the catalogue and by name; ours, not from a standard.
_FIXED: Final[Mapping[str, float]] = {
    "Hz": 0.02,
    "degC": 0.5,
    "s": 60.0,
    "a": 0.1,
    "W/m2": 20.0,
    "m/s": 0.5,
    "deg": 7.2,
    "Pa": 100.0,
    "mm/h": 1.0,
}
_NAMED: Final[Mapping[str, float]] = {
    "power_factor": 0.01,
    "humidity_frac": 0.02,
    "soh_frac": 0.001,
    "cycle_count": 0.1,
}
_SHARE_W: Final = 0.01
_SHARE_V: Final = 0.005
_SHARE_A: Final = 0.01
_PHASES_TIMES_VOLTS: Final = 3 * 230.0


@dataclass(frozen=True, slots=True)
class CounterReading:
    """An energy register as a binary counter reading counts it: whole units, from 0 again after 2**31 - 1."""

    quantity: str
    gain: float = 1.0

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return wrapped(np.floor(columns[self.quantity] * self.gain), 2.0**31)

    def back(self, raw: float) -> dict[str, float]:
        return {self.quantity: raw / self.gain}


def wire(name: str) -> Scaled:
    """How a quantity goes on the wire: shares in per cent, pressure in hPa."""
    if name.endswith("_frac"):
        return Scaled(name, 100.0)
    return Scaled(name, 0.01 if quantity(name).unit == "Pa" else 1.0)


def _group(ioa: int) -> int:
    block = ioa % RESOURCE_STEP // 100
    blocks = {20: GROUP_ELECTRICAL, 21: GROUP_SPECIFIC, 22: GROUP_ENVIRONMENT, 23: GROUP_NAMEPLATE, 29: GROUP_MIRRORS}
    return blocks.get(block, GROUP_STATES)


def usual_deadband(found: Quantity, names: frozenset[str]) -> Deadband:
    resource, plain = split(found.name)

    def ratings(*wanted: str) -> tuple[str, ...]:
        return tuple(full for each in wanted if (full := resource.of(each)) in names)

    if plain in _NAMED:
        return Deadband(_NAMED[plain])
    if plain.endswith("_frac"):
        return Deadband(0.01)
    if found.role is not Role.MEASUREMENT:
        return EVERY_CHANGE
    powers = ratings("rated_power_w", "rated_charge_power_w", "rated_apparent_power_va")
    match found.unit:
        case "W" | "var" | "VA":
            return Deadband(10.0, _SHARE_W, powers)
        case "V":
            return Deadband(1.0, _SHARE_V, ratings("nominal_voltage_v"))
        case "A" if rated := ratings("rated_current_a"):
            return Deadband(0.05, _SHARE_A, rated)
        case "A":
            return Deadband(0.05, _SHARE_A, powers, per=_PHASES_TIMES_VOLTS)
        case "Wh":
            return Deadband(50.0, 0.01, ratings("rated_energy_wh"))
        case unit:
            return Deadband(_FIXED.get(unit, 0.0))


def _monitor(name: str, names: frozenset[str]) -> list[MonitorPoint]:
    found, at = quantity(name), address(name)
    switch = at - IOA[split(name)[1]]  # 10000 k
    source = wire(name)
    double = Scaled(name, 1.0, 1.0)  # 1 is open, 2 is closed
    if found.role is Role.COMMAND:
        return []
    if split(name)[1] == "grid_switch":
        return [MonitorPoint(SWITCH_ASKED + switch, MonitorType.DOUBLE, double, GROUP_STATES)]
    if found.role is Role.TOTAL:
        return [MonitorPoint(at, MonitorType.TOTAL, CounterReading(name), 1)]
    if found.is_binary:
        at = at - BINARY_MIRROR if found.role is Role.SETPOINT else at
        points = [MonitorPoint(at, MonitorType.SINGLE, source, GROUP_STATES)]
        if split(name)[1] == "grid_switch_closed":
            points.append(MonitorPoint(SWITCH_POSITION + switch, MonitorType.DOUBLE, double, GROUP_STATES))
        return points
    at = at - SETPOINT_MIRROR if found.role is Role.SETPOINT else at
    return [MonitorPoint(at, MonitorType.FLOAT, source, _group(at), usual_deadband(found, names))]


def _control(name: str, names: frozenset[str]) -> list[ControlPoint]:
    found = quantity(name)
    if not found.writable:
        return []
    if split(name)[1] == "grid_switch":
        return [ControlPoint(address(name), ControlType.DOUBLE, Scaled(name))]
    if found.is_binary:
        return [ControlPoint(address(name), ControlType.SINGLE, Scaled(name))]
    enables = (found.enables,) if found.enables in names else ()
    return [ControlPoint(address(name), ControlType.SETPOINT, wire(name), enables)]


def returned(control: ControlPoint, spec: DeviceSpec, monitored: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """The objects that tell what became of a command: set-points as they stand, and the states that it steers."""
    written = (*control.source.quantities, *control.enables)
    put = [puts[0] for name in written if (puts := quantity(name).puts)]
    steered = [spec.follows[name].quantity for name in written if name in spec.follows]
    shown = (*written, *put, *(name for name in steered if quantity(name).is_binary))
    return tuple(dict.fromkeys(ioa for name in shown for ioa in monitored.get(name, ())))


def plan(spec: DeviceSpec) -> ObjectPlan:
    names = frozenset(each.name for each in spec.quantities)
    monitored = {each.name: _monitor(each.name, names) for each in spec.quantities}
    addresses = {name: [point.ioa for point in points] for name, points in monitored.items()}
    control = [point for each in spec.quantities for point in _control(each.name, names)]
    return ObjectPlan(
        tuple(point for points in monitored.values() for point in points),
        tuple(replace(point, returns=returned(point, spec, addresses)) for point in control),
    )


_REPORTED: Final = {
    MonitorType.SINGLE: "M_SP_TB_1 (30) / M_SP_NA_1 (1)",
    MonitorType.DOUBLE: "M_DP_TB_1 (31) / M_DP_NA_1 (3)",
    MonitorType.FLOAT: "M_ME_TF_1 (36) / M_ME_NC_1 (13)",
    MonitorType.TOTAL: "M_IT_NA_1 (15)",
}
_COMMANDED: Final = {
    ControlType.SINGLE: "C_SC_NA_1 (45) / C_SC_TA_1 (58)",
    ControlType.DOUBLE: "C_DC_NA_1 (46) / C_DC_TA_1 (59)",
    ControlType.SETPOINT: "C_SE_NC_1 (50) / C_SE_TC_1 (63)",
}


_TOLD: Final = {MonitorType.SINGLE: 30, MonitorType.DOUBLE: 31, MonitorType.FLOAT: 36}
_OBJECTS: Final[Mapping[MonitorType | ControlType, str]] = {
    MonitorType.SINGLE: "single point",
    MonitorType.DOUBLE: "double point",
    MonitorType.FLOAT: "measured value",
    MonitorType.TOTAL: "integrated total",
    ControlType.SINGLE: "single command",
    ControlType.DOUBLE: "double command",
    ControlType.SETPOINT: "set-point",
}


def _shown_deadband(point: MonitorPoint, columns: Mapping[str, Floats]) -> float | Floats | None:
    """The deadband, where the point has one and what it depends on is known."""
    if point.type is not MonitorType.FLOAT or (point.deadband.of and not columns):
        return None
    return point.deadband.width(columns)


def points(spec: DeviceSpec, columns: Mapping[str, Floats], form: Hashable = None) -> Sequence[PointRow]:
    """List every object of a group; a double point's 1 and 2 on the wire are 0 and 1."""
    made = plan(spec)
    rows = []
    for point in made.monitor:
        (name,) = point.source.quantities
        deadband = _shown_deadband(point, columns)
        rows.append(
            PointRow(
                name,
                str(point.ioa),
                _REPORTED[point.type],
                1.0 / point.gain,
                quantity(name).unit,
                "r",
                deadband,
                object=_OBJECTS[point.type],
                number=point.ioa,
                read_code=int(point.type),
                event_code=_TOLD.get(point.type),
                group=point.group,
            )
        )
    for control in made.control:
        (name,) = control.source.quantities
        scale = 1.0 / wire(name).gain
        rows.append(
            PointRow(
                name,
                str(control.ioa),
                _COMMANDED[control.type],
                scale,
                quantity(name).unit,
                "w",
                object=_OBJECTS[control.type],
                number=control.ioa,
                write_code=int(control.type),
            )
        )
    return rows


MAP: Final = MapSpec(
    name="iec104",
    protocol="iec104",
    title="IEC 60870-5-104 point list",
    plan=plan,
    points=points,
)
