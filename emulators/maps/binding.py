"""Binding registers to the quantities a device has; what it does not have stays as the image has it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final

from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.plans import register_points
from pilotfarm.emulators.plans.chains import Chains, placed
from pilotfarm.emulators.plans.modbus import BESIDES, HOLDING, Register, RegisterPlan, ScaleFactor
from pilotfarm.emulators.quantities import split
from pilotfarm.emulators.wire.derived import Cases, Flags, Marks
from pilotfarm.emulators.wire.resource import ResourceSink, ResourceSource
from pilotfarm.emulators.wire.sinks import Sink
from pilotfarm.emulators.wire.sources import Source

VENDOR: Final = "pilotfarm"
REVISION: Final = "1.0"


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a device or one of its resources has; ``names`` are those at the device.

    ``of_device`` is what a resource has from its device, such as the position of the switch at the connection point.
    """

    names: frozenset[str]
    resource: Resource = ITSELF
    of_device: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.resource.of(name) in self.names

    def bind(
        self,
        address: int,
        dtype: str,
        shows: Source | None,
        takes: Sink | None = None,
        *,
        missing: int = 0,
        scale_factor: ScaleFactor | None = None,
        partly: bool = False,
        function: int = HOLDING,
    ) -> list[Register]:
        """Return the register in a list of one; an empty list if the device has nothing for it."""
        named = {*(shows.quantities if shows else ()), *(takes.quantities if takes else ())}
        if named and named <= self.of_device:
            return [Register(address, dtype, shows, takes, missing, scale_factor, partly, function)]
        if isinstance(shows, Flags | Cases | Marks):
            shows = shows.having(self)
        if shows is not None and any(name not in self and name not in BESIDES for name in shows.quantities):
            shows = None
        if takes is not None and any(name not in self for name in takes.quantities):
            takes = None
        if shows is None and takes is None:
            return []
        if self.resource:
            shows = ResourceSource(self.resource, shows) if shows else None
            takes = ResourceSink(self.resource, takes) if takes else None
        own = self.scale_factor(scale_factor) if scale_factor and shows else None
        return [Register(address, dtype, shows, takes, missing, own, partly, function)]

    def scale_factor(self, scale_factor: ScaleFactor) -> ScaleFactor:
        """Return a scale factor by this resource's own ratings and quantities."""
        ratings, follows = (
            tuple(map(self.resource.of, names)) for names in (scale_factor.ratings, scale_factor.follows)
        )
        return replace(scale_factor, ratings=ratings, follows=follows)


def quantities_of(spec: DeviceSpec) -> frozenset[str]:
    return frozenset(each.name for each in spec.quantities)


def resources_of(spec: DeviceSpec) -> frozenset[Resource]:
    """Return which resources a kind has quantities of."""
    return frozenset(resource for each in spec.quantities if (resource := split(each.name)[0]))


def modbus_map(
    name: str, title: str, plan: Callable[[DeviceSpec], RegisterPlan], fits: Callable[[DeviceSpec], bool]
) -> MapSpec:
    """Return the map of a register plan, whose point list is the plan's own."""

    def points(spec: DeviceSpec, columns: Seen, form: Hashable = None) -> list[PointRow]:
        assert form is None or isinstance(form, Chains)
        return register_points.points(placed(plan(spec), form), columns)

    return MapSpec(name, "modbus", title, plan, points, fits)


def text(value: str, registers: int) -> bytes:
    """ASCII in so many registers, filled up with NUL."""
    return value.encode("ascii")[: 2 * registers].ljust(2 * registers, b"\0")
