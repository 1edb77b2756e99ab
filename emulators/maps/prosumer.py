"""A prosumer's home: five units behind one address.

The first is the gateway with the meter at the connection point; then the EV charging point, the storage, the
PV generator, and the home itself with its deferrable loads (vendor model 64901). Each has the map it would have
alone, over the home's quantities of that resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps import sunspec
from pilotfarm.emulators.maps.binding import Quantities, quantities_of
from pilotfarm.emulators.maps.charx import charx_unit
from pilotfarm.emulators.plans.modbus import Identity, Plan, check_covers
from pilotfarm.emulators.quantities import EV, HOME, PV, STORAGE, split


def _identity(code: str, model: str) -> Identity:
    return Identity(sunspec.VENDOR, code, sunspec.REVISION, model)


_UNITS: Final = (
    (ITSELF, sunspec.METER, _identity("PF-GW", "home-gateway")),
    (STORAGE, sunspec.BATTERY, _identity("PF-BAT", "home-battery")),
    (PV, sunspec.PV, _identity("PF-PV", "home-pv")),
    (HOME, sunspec.METER, _identity("PF-HOME", "home")),
)


def _of(resource: Resource, names: frozenset[str]) -> Quantities:
    return Quantities(frozenset(name for name in names if split(name)[0] == resource), resource)


@cache
def _plan(names: frozenset[str]) -> Plan:
    units = [sunspec.sunspec_unit(0, _UNITS[0][1], _UNITS[0][2], _of(ITSELF, names)), charx_unit(1, _of(EV, names))]
    for step, (resource, models, identity) in enumerate(_UNITS[1:], start=2):
        units.append(sunspec.sunspec_unit(step, models, identity, _of(resource, names)))
    return check_covers(Plan(tuple(units), names))


def plan(spec: DeviceSpec) -> Plan:
    return _plan(quantities_of(spec))


def points(spec: DeviceSpec, columns: Mapping[str, Floats]) -> Sequence[PointRow]:
    return plan(spec).points(columns)


MAP = MapSpec(
    name="prosumer",
    protocol="modbus",
    title="Five units: gateway, EV charging point, storage, PV, home",
    kinds=("prosumer",),
    plan=plan,
    points=points,
)
