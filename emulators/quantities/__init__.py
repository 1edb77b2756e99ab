"""What a device has: every quantity's name, unit, role and meaning, in one catalogue.

A quantity means the same in every device that has it, so a point list needs one address for it and
not one a kind. A prosumer's resources (``RESOURCES``) have the catalogue's quantities too: ``soc_frac`` of its
storage is the prosumer's ``storage_soc_frac``.

Sign, everywhere: plus is power, current and energy leaving the device towards the grid. Names end
in their unit; ``_frac`` is a share from 0 to 1; a name without a unit is a state, a count or an
enumeration. Truth values are 1.0 and 0.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from pilotfarm.emulators.columns.resource import ITSELF, Resource, apart
from pilotfarm.emulators.quantities.catalogue import (
    CATALOGUE,
    COMMON,
    CONNECTION_POINT,
    INVERTER,
    METERING,
    PROTECTION,
    RECORDS,
    RELAY,
    SUPPORT,
)
from pilotfarm.emulators.quantities.quantity import Quantity, Role

__all__ = [
    "CATALOGUE",
    "COMMON",
    "CONNECTION_POINT",
    "EV",
    "HOME",
    "INVERTER",
    "METERING",
    "PROTECTION",
    "PV",
    "RECORDS",
    "RELAY",
    "RESOURCES",
    "STORAGE",
    "SUPPORT",
    "Quantity",
    "Role",
    "number_of",
    "opposites",
    "quantities",
    "quantity",
    "split",
]

EV, STORAGE, PV, HOME = map(Resource, ("ev", "storage", "pv", "home"))
RESOURCES: Final = (EV, STORAGE, PV, HOME)
"""What stands behind a prosumer's connection point, in the order of its numbers 1, 2, 3, 4."""


def split(name: str) -> tuple[Resource, str]:
    """Take a quantity's name apart: ``"storage_soc_frac"`` -> ``(STORAGE, "soc_frac")``; no resource is ``ITSELF``."""
    resource, plain = apart(name, RESOURCES)
    return (resource, plain) if plain in CATALOGUE else (ITSELF, name)


def number_of(resource: Resource) -> int:
    """Return a resource's number at its device; the device itself is 0."""
    return 1 + RESOURCES.index(resource) if resource else 0


@cache
def quantity(name: str) -> Quantity:
    """Look a quantity up by its name, a device's own or a resource's; ``KeyError`` if there is none."""
    resource, plain = split(name)
    found = CATALOGUE[plain]
    if not resource:
        return found
    enables = resource.of(found.enables) if found.enables else ""
    puts = (resource.of(found.puts[0]), found.puts[1]) if found.puts else None
    doc = f"{found.doc} (of the prosumer's {resource})"
    permitted_by = resource.of(found.permitted_by) if found.permitted_by else ""
    return Quantity(name, found.unit, found.role, doc, found.min, found.max, enables, puts, permitted_by, found.on_site)


def opposites(command: Quantity) -> tuple[str, ...]:
    """Return the commands that put the state a command puts, with another value."""
    if command.puts is None:
        return ()
    state, value = command.puts
    resource, plain = split(state)
    others = ((each.name, each.puts) for each in CATALOGUE.values() if each.puts)
    return tuple(
        resource.of(name) if resource else name for name, puts in others if puts[0] == plain and puts[1] != value
    )


def quantities(names: Iterable[str]) -> tuple[Quantity, ...]:
    return tuple(quantity(name) for name in names)
