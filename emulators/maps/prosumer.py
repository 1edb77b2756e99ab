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
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps import sunspec
from pilotfarm.emulators.maps.binding import Quantities, quantities_of
from pilotfarm.emulators.maps.charx import charx_unit
from pilotfarm.emulators.plans.modbus import Identity, Plan, check_covers
from pilotfarm.emulators.quantities import split


def _identity(code: str, model: str) -> Identity:
    return Identity(sunspec.VENDOR, code, sunspec.REVISION, model)


_UNITS: Final = (
    ("", sunspec.METER, _identity("PF-GW", "home-gateway")),
    ("storage", sunspec.BATTERY, _identity("PF-BAT", "home-battery")),
    ("pv", sunspec.PV, _identity("PF-PV", "home-pv")),
    ("home", sunspec.METER, _identity("PF-HOME", "home")),
)


def _of(resource: str, names: frozenset[str]) -> Quantities:
    own = frozenset(name for name in names if split(name)[0] == resource)
    return Quantities(own, f"{resource}_" if resource else "")


@cache
def _plan(names: frozenset[str]) -> Plan:
    units = [sunspec.sunspec_unit(0, _UNITS[0][1], _UNITS[0][2], _of("", names)), charx_unit(1, _of("ev", names))]
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
