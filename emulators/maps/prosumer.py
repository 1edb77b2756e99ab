"""A device with resources: a unit each behind one address, five for a prosumer's home.

The first is the gateway with the meter at the connection point; then those it has of the EV charging point, the
storage, the PV generator, and the home itself with its deferrable loads (vendor model 64901). Each has the map it
would have alone, over the device's quantities of that resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps import sunspec
from pilotfarm.emulators.maps.binding import REVISION, VENDOR, Quantities, modbus_map, quantities_of, resources_of
from pilotfarm.emulators.maps.charx import charx_unit
from pilotfarm.emulators.maps.sunspec.chain import Model
from pilotfarm.emulators.maps.sunspec.unit import sunspec_unit
from pilotfarm.emulators.plans.modbus import Identity, RegisterPlan, Unit, check_covers
from pilotfarm.emulators.quantities import EV, HOME, PV, STORAGE, split


def _identity(code: str, model: str) -> Identity:
    return Identity(VENDOR, code, REVISION, model)


_UNITS: Final[Mapping[Resource, tuple[Sequence[Model], Identity]]] = {
    ITSELF: (sunspec.GATEWAY, _identity("PF-GW", "home-gateway")),
    STORAGE: (sunspec.BATTERY, _identity("PF-BAT", "home-battery")),
    PV: (sunspec.PV, _identity("PF-PV", "home-pv")),
    HOME: (sunspec.GATEWAY, _identity("PF-HOME", "home")),
}


_OF_THE_HOME: Final = frozenset({"local_mode", "grid_switch_closed", "outside_temperature_degc", "sesp_heartbeat"})
"""What stands at the connection point, and is its resources' too."""


@cache
def _plan(names: frozenset[str]) -> RegisterPlan:
    units: list[Unit] = []
    for resource in (ITSELF, EV, STORAGE, PV, HOME):
        own = frozenset(name for name in names if split(name)[0] == resource)
        has = Quantities(own, resource, _OF_THE_HOME & names if resource else frozenset())
        if resource == EV and has.names:
            units.append(charx_unit(len(units), has))
        elif has.names:
            units.append(sunspec_unit(len(units), *_UNITS[resource], has))
    return check_covers(RegisterPlan(tuple(units), names))


def plan(spec: DeviceSpec) -> RegisterPlan:
    return _plan(quantities_of(spec))


MAP: Final = modbus_map(
    name="prosumer",
    title="Five units: gateway, EV charging point, storage, PV, home",
    plan=plan,
    fits=lambda spec: bool(resources_of(spec)),
)
