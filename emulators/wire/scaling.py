"""Values in other units: those of a map's scale factor, and of one that follows what they come to now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, wrapped
from pilotfarm.emulators.wire.derived import DrawnFactor, Magnitude, Product, ReadOnly, Weighted
from pilotfarm.emulators.wire.electrical import PowerFactor
from pilotfarm.emulators.wire.resource import ResourceSource
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import ByWiring, OnPhase, Shown

_LARGEST_EXPONENT: Final = 10.0
"""Of a scale factor (SunSpec Device Information Model Specification V1.1, sunssf: -10 to 10)."""


@dataclass(frozen=True, slots=True)
class Exponent(ReadOnly):
    """The smallest power of ten, not below ``finest``, with which the largest of some values fits ``limit``."""

    largest: tuple[str, ...]
    limit: float
    finest: int = 0

    @property
    def quantities(self) -> tuple[str, ...]:
        return self.largest

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        sizes = [np.abs(columns[name]) for name in self.largest]
        # A value that is not known asks for nothing.
        most = np.fmax(np.fmax.reduce(sizes), self.limit * 10.0**self.finest)
        return np.asarray(np.minimum(np.ceil(np.log10(most / self.limit)), _LARGEST_EXPONENT))


@dataclass(frozen=True, slots=True)
class Following(ReadOnly):
    """A source in units of a power of ten that follows its size."""

    source: Source
    exponent: Exponent

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.source.quantities, *self.exponent.quantities)))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return np.asarray(self.source.of(columns) * 10.0 ** -self.exponent.of(columns))


@dataclass(frozen=True, slots=True)
class Rolling(ReadOnly):
    """A total in a register that starts again at 0 after ``modulus - 1``; the modulus is a power of two."""

    source: Source
    modulus: float

    @property
    def quantities(self) -> tuple[str, ...]:
        return self.source.quantities

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return wrapped(np.rint(self.source.of(columns)), self.modulus)


@dataclass(frozen=True, slots=True)
class Times(ReadOnly):
    """A derived value in another unit."""

    source: Source
    gain: float

    @property
    def quantities(self) -> tuple[str, ...]:
        return self.source.quantities

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return np.asarray(self.source.of(columns) * self.gain)


def times(source: Source, gain: float) -> Source:
    """Return a source times ``gain``; it stays what it is where it can, so that a point list understands it."""

    def scaled(each: Source) -> Source:
        if isinstance(each, Scaled | Product | Magnitude | DrawnFactor | PowerFactor):
            return replace(each, gain=each.gain * gain)
        if isinstance(each, Weighted):
            return Weighted(tuple((name, term * gain) for name, term in each.terms))
        return each if gain == 1.0 else Times(each, gain)

    return within(source, scaled)


def rolling(source: Source, modulus: float) -> Source:
    return within(source, lambda each: Rolling(each, modulus))


def within(source: Source, change: Callable[[Source], Source]) -> Source:
    """Return a source with what it shows changed, whosever and of whichever phase that is."""
    if isinstance(source, ResourceSource):
        return replace(source, source=within(source.source, change))
    if isinstance(source, ByWiring):
        return replace(source, three=_shown(source.three, change), single=_single(source.single, change))
    return change(source)


def _shown(shown: Shown, change: Callable[[Source], Source]) -> Shown:
    return shown if isinstance(shown, float) else within(shown, change)


def _single(single: OnPhase | float, change: Callable[[Source], Source]) -> OnPhase | float:
    if isinstance(single, float):
        return single
    l1, l2, l3 = (within(each, change) for each in single)
    return l1, l2, l3
