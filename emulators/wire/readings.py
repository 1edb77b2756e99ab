"""What a wire value that was read says: the other way round of ``Source.of``, for who reads registers."""

from __future__ import annotations

from collections.abc import Callable
from math import nan

import numpy as np

from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.wire.derived import DrawnFactor, Flags, OffValue, SignedPowerFactor
from pilotfarm.emulators.wire.resource import ResourceSource
from pilotfarm.emulators.wire.scaling import Following, Rolling
from pilotfarm.emulators.wire.sources import Bits, Lookup, Scaled, Source

Known = Callable[[str], float]
"""What is known of a quantity of the device; not a number where nothing is."""


def says(source: Source) -> tuple[str, ...]:
    """Return the quantities that can be told from a wire value; of a sum, or of a bit that several set, none can."""
    if isinstance(source, ResourceSource):
        return tuple(map(source.resource.of, says(source.source)))
    if isinstance(source, Following | Rolling):
        return says(source.source)
    if isinstance(source, Flags):
        return tuple(names[0] for _, names in source.of_bit if len(names) == 1)
    if isinstance(source, DrawnFactor):
        return source.quantities[:1]
    if isinstance(source, Scaled | OffValue | SignedPowerFactor | Lookup | Bits):
        return source.quantities
    return ()


def read(source: Source, raw: float, known: Known, exponent: float = 0.0) -> dict[str, float]:
    """Return the quantities that a wire value tells.

    Parameters
    ----------
    source : Source
        What the value is made of, one that ``says`` something.
    raw : float
    known : Known
        For what the value alone leaves open: how often a total has begun anew, and whether there is any load.
    exponent : float
        Where the value's unit is a power of ten that follows its size, that power.
    """
    if isinstance(source, ResourceSource):
        resource = source.resource
        told = read(source.source, raw, lambda name: known(resource.of(name)), exponent)
        return {resource.of(name): value for name, value in told.items()}
    if isinstance(source, Following):
        return read(source.source, raw * 10.0**exponent, known)
    if isinstance(source, Rolling):
        return _unrolled(source, raw, known)
    if isinstance(source, Flags):
        return {names[0]: float(int(raw) >> bit & 1) for bit, names in source.of_bit if len(names) == 1}
    if isinstance(source, DrawnFactor):
        factor, apparent = source.quantities
        shown = raw / source.gain
        return {factor: shown if known(apparent) == 0.0 else -shown}
    try:
        return source.back(raw)
    except OutOfRange:
        return dict.fromkeys(says(source), nan)


def _unrolled(source: Rolling, raw: float, known: Known) -> dict[str, float]:
    """Return a total that begins anew after ``modulus - 1``: of all it may be what is nearest to the known one."""
    (name,) = says(source.source)
    before = np.rint(source.source.of({name: np.array([known(name)])})[0])
    turns = np.rint((before - raw) / source.modulus) if np.isfinite(before) else 0.0
    return read(source.source, float(raw + turns * source.modulus), known)
