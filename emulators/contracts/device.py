"""The contract between a device kind and the farm."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats
from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.replay import Most
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.quantities import Quantity
from pilotfarm.emulators.quantities.modes import REVERTED

Keys: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Rating:
    """A parameter of a device kind that a site file may set: a number, or a distribution of numbers.

    ``default`` may be a number or a distribution as a site file would write it, such as
    ``{"choice": [3700, 11000]}``. A value outside ``min`` to ``max`` is a problem of the site file.
    """

    name: str
    unit: str
    default: float | Mapping[str, Any]
    min: float
    max: float
    doc: str
    names: tuple[str, ...] = ()
    """Names that a site file gives in place of a number: the number is the name's index, from 0."""
    only: tuple[float, ...] = ()
    """The permitted numbers, where not all from ``min`` to ``max`` are."""

    @property
    def possible(self) -> tuple[float, ...]:
        """The permitted numbers; empty where all from ``min`` to ``max`` are."""
        return tuple(map(float, range(len(self.names)))) or self.only


@dataclass(frozen=True, slots=True)
class OfColumn:
    """A bound that differs from device to device: a column times ``gain``."""

    name: str
    gain: float = 1.0


Bound: TypeAlias = float | OfColumn


@dataclass(frozen=True, slots=True)
class Limits:
    """The values a set-point may have.

    Beyond ``min`` to ``max`` a set-point is refused. Beyond ``now_min`` to ``now_max``, where
    given, it is accepted and the device follows as far as it can at present. A value between the two bounds of
    ``gap`` has the effect of 0: it is too small for the device to start.
    """

    min: Bound
    max: Bound
    now_min: Bound | None = None
    now_max: Bound | None = None
    gap: tuple[Bound, Bound] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its bounds."""
        bounds = self.min, self.max, self.now_min, self.now_max, *(self.gap or ())
        return tuple(bound.name for bound in bounds if isinstance(bound, OfColumn))

    def with_columns(self, named: Callable[[str], str]) -> Limits:
        """Return the same limits with the columns renamed."""

        def renamed(bound: Bound) -> Bound:
            return replace(bound, name=named(bound.name)) if isinstance(bound, OfColumn) else bound

        return Limits(
            renamed(self.min),
            renamed(self.max),
            None if self.now_min is None else renamed(self.now_min),
            None if self.now_max is None else renamed(self.now_max),
            None if self.gap is None else (renamed(self.gap[0]), renamed(self.gap[1])),
        )


def with_reverted(limits: Mapping[str, Limits]) -> dict[str, Limits]:
    """Return limits, and with those of a set-point those of what it reverts to."""
    to = {back: limits[name] for back, name in REVERTED.items() if name in limits}
    return {**limits, **{back: Limits(each.min, each.max) for back, each in to.items()}}


@dataclass(frozen=True, slots=True)
class Effect:
    """What shows that a set-point or command is in effect. ``inverted``: the quantity is 0 where the command is 1."""

    quantity: str
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What the step of a compound device gives to one of its resources; it gets back the resource's columns.

    ``inputs`` are values the resource takes over, ``setpoints`` are those it follows in place of its own: both for
    this step, by the resource's own names, ``(n,)`` each. ``live`` is 0 where the resource is cut off
    from the mains, and 1 elsewhere; ``None`` is 1 everywhere.
    """

    resource: Resource
    inputs: Columns = field(default_factory=dict)
    setpoints: Columns = field(default_factory=dict)
    live: Floats | None = None


Flow: TypeAlias = Generator[Turn, Seen, Columns]
ResourceColumns: TypeAlias = Mapping[Resource, Seen]
"""The columns of a compound device's resources, by the resources' names."""


@dataclass(frozen=True, slots=True, eq=False)
class DeviceSpec:
    """A device kind, as the registry names it.

    ``make(ratings, keys, place)`` builds the columns of ``n`` devices at the site's start: one array
    for every quantity of the kind, and whatever else its step needs (ratings and hidden state, under
    names that are no quantity's). ``step(columns, surroundings, dt_s)`` returns new columns and
    changes nothing it was given, and no set-point. Rows never mix.

    A compound kind is made of others: ``resources`` gives each by its name at the compound device, every kind
    once, in the order in which ``flow(own, parts, surroundings, dt_s)`` yields their turns. It is given the
    device's own columns and its resources', and returns its own. Its ``step`` is the same flow with every
    resource stepped by itself.
    """

    kind: str
    title: str
    quantities: tuple[Quantity, ...]
    make: Callable[[Columns, Keys, Place], Columns]
    step: Callable[[Columns, Surroundings, float], Columns]
    ratings: tuple[Rating, ...] = ()
    limits: Mapping[str, Limits] = field(default_factory=dict)
    follows: Mapping[str, Effect] = field(default_factory=dict)
    """Set-point or command -> what shows its physical effect."""
    use_case: str = ""
    """The specification's use case that the kind is the device of; none if empty."""
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Item of the use case's tables (to_device and to_sesp) -> the quantities that carry it."""
    behaviour: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Pre-condition, exception, assumption or post-condition of the use case -> the quantities that show it."""
    resources: Mapping[Resource, DeviceSpec] = field(default_factory=dict)
    flow: Callable[[Columns, ResourceColumns, Surroundings, float], Flow] | None = None
    sunlit: Callable[[Seen], bool] | None = None
    """Whether light has an effect on devices with these columns at the start; if not, they are given NaN as light."""
    feels: tuple[str, ...] = ()
    """What of the air has an effect on such devices or is shown by them, by the names of ``override.CHANGEABLE``."""
    replays: Mapping[str, Most] = field(default_factory=dict)
    """What a series may say of such devices (``contracts.replay``), with the largest value of each."""
    by_price: Callable[[Columns], Bools] | None = None
    """Which devices follow the price of energy, by their ratings ``(n,)``; ``None`` is none of them."""
    with_any_command: Mapping[str, float] = field(default_factory=dict)
    """Columns that every command sets besides its own: the sign that the SESP was heard."""
