"""Points of the profile that no single quantity stands for: states, what is supported, how many there are of what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import inf
from typing import Final

from pilotfarm.emulators.columns.resource import ITSELF
from pilotfarm.emulators.maps.mesa_der.indices import AI, BATTERY, BI, INVERTER, METERS, profile_class
from pilotfarm.emulators.maps.mesa_der.modes import FIRST_SUPPORTED, MODES
from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.quantities import RESOURCES
from pilotfarm.emulators.wire.derived import Cases, Flags
from pilotfarm.emulators.wire.sources import Source

_PROFILE_VERSION: Final = 100
"""1.00, the lowest that the tables permit: which number their edition has is still to be looked up."""
_IDLE_W: Final = 0.5
"""Less reads as 0 W at AI537."""
_OFF: Final = ("running", 0.0, 0.0, 0.0)
_ON: Final = ("running", 1.0, 1.0, 0.0)

_STATES: Final[dict[int, tuple[Cases, str]]] = {
    12: (Cases((_ON, ("fault_trip", 1, 1, 0), ("started", 1, 1, 1)), 0), "1 if still off"),
    13: (Cases((_OFF, ("started", 0, 0, 1)), 0), "1 for 0 if still on"),
    15: (Cases((_ON,), 1), "1 for 0"),
    18: (Cases((_OFF, ("active_power_w", -_IDLE_W, _IDLE_W, 1)), 0), "1 if on, at 0"),
    19: (
        Cases((_OFF, ("active_power_w", -inf, _IDLE_W, 0), ("active_power_w", _IDLE_W, inf, 1)), 0),
        "1 if on, above 0",
    ),
    20: (
        Cases((_OFF, ("active_power_w", -_IDLE_W, inf, 0), ("active_power_w", -inf, -_IDLE_W, 1)), 0),
        "1 if on, below 0",
    ),
    21: (
        Cases((_ON, ("available", 1, 1, 0), ("fault_trip", 1, 1, 0), ("start_permitted", 0, 0, 0)), 1),
        "1 if off and free to start",
    ),
    22: (
        Cases((_ON, ("available", 1, 1, 1), ("fault_trip", 1, 1, 1), ("start_permitted", 0, 0, 1)), 0),
        "1 if off and not free to start",
    ),
}
"""Binary input -> what it is worked out of, the point's quantity last, and what it says of that."""

_PROTECTIONS: Final = (("overvoltage", 52), ("undervoltage", 55), ("overfrequency", 58), ("underfrequency", 61))
"""A protection, and its first binary input: blocked, started, operated."""


def states(names: frozenset[str]) -> Iterator[Point]:
    """Yield the states of devices with these quantities, and which modes they support."""
    for index, (shows, meaning) in _STATES.items():
        if names.issuperset(shows.quantities):
            yield _state(index, shows.quantities[-1], shows, meaning)
    for number, mode in enumerate(MODES):
        yield _fixed(BI, FIRST_SUPPORTED + number, int(mode.switch in names), f"{mode.name} supported")
    for name, first in _PROTECTIONS:
        yield from _protection(name, first, names)


def _protection(name: str, first: int, names: frozenset[str]) -> Iterator[Point]:
    """Yield what a protection has beside its quantities; a compound device shows that any of its resources'."""
    if units_of(names):
        yield _fixed(BI, first, 0, f"{name} protection blocked")
    for index, what in ((first + 1, "started"), (first + 2, "operated")):
        plain = f"{name}_protection_{what}"
        having = tuple(full for resource in RESOURCES if (full := resource.of(plain)) in names)
        if having and plain not in names:
            yield _state(index, having[0], Flags(((0, having),)), "1 if of any resource")


def units_of(names: frozenset[str]) -> int:
    """Return how many units behind an inverter of their own devices with these quantities have."""
    return sum(resource.of("overvoltage_protection_operated") in names for resource in (ITSELF, *RESOURCES))


def counts(names: frozenset[str], taken: Collection[tuple[PointType, int]]) -> Iterator[Point]:
    """Yield what an outstation says of its profile, and how many blocks of points it has of each equipment."""
    inputs = {index for kind, index in taken if kind is AI}
    numbers = (
        (0, _PROFILE_VERSION, "version of the profile"),
        (1, 0, "level of implementation: not stated"),
        (24, 0, "schedules"),
        (25, sum(not inputs.isdisjoint(block) for block in METERS), "meters besides the system's"),
        (26, int(not inputs.isdisjoint(INVERTER)), "inverters"),
        (27, int(not inputs.isdisjoint(BATTERY)), "batteries"),
        (28, units_of(names), "units that can deliver"),
    )
    for index, number, meaning in numbers:
        yield _fixed(AI, index, number, meaning)


def _state(index: int, quantity: str, shows: Source, meaning: str) -> Point:
    return Point(BI, index, quantity, event_class=_class(BI, index), shows=shows, meaning=meaning)


def _fixed(kind: PointType, index: int, number: int, meaning: str) -> Point:
    return Point(kind, index, "", event_class=_class(kind, index), fixed=number, meaning=meaning)


def _class(kind: PointType, index: int) -> int:
    found = profile_class(kind, index)
    assert found is not None, f"the profile has no {kind.value}{index}"
    return found
