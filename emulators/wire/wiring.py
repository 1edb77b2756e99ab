"""What depends on how many phases a device is connected to.

A single-phase device counts one phase, its own L1, whichever of the feeder's it is on. A three-phase device counts
as its feeder does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.resource import apart
from pilotfarm.emulators.columns.views import OfResource, Overlaid, Seen
from pilotfarm.emulators.quantities import RESOURCES
from pilotfarm.emulators.wire.derived import ReadOnly
from pilotfarm.emulators.wire.resource import ResourceSource
from pilotfarm.emulators.wire.sources import Source

WIRING: Final = ("phases", "phase")
"""The columns that say how a device is wired: on 1 phase or 3, and on which, 0 to 2."""
OnPhase: TypeAlias = "tuple[Source, Source, Source]"
"""One source for each phase of the feeder."""
Shown: TypeAlias = "Source | float"
"""A source, or one wire value for ever."""


@dataclass(frozen=True, slots=True)
class ByWiring(ReadOnly):
    """A wire value of three-phase devices, and that of single-phase ones by the phase they are on.

    Which of them a device is stands in its ratings ``phases`` and ``phase``. Where all devices of a table are wired
    alike, ``settled`` leaves nothing to ask.
    """

    three: Shown
    single: OnPhase | float

    @property
    def quantities(self) -> tuple[str, ...]:
        on_phase = () if isinstance(self.single, float) else self.single
        sources = [each for each in (self.three, *on_phase) if not isinstance(each, float)]
        return tuple(dict.fromkeys((*(name for source in sources for name in source.quantities), *WIRING)))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        three = self.three if isinstance(self.three, float) else self.three.of(columns)
        own: Floats | float = 0.0
        if isinstance(self.single, float):
            own = self.single
        else:
            own = np.choose(columns["phase"].astype(np.intp), [each.of(columns) for each in self.single])
        return np.asarray(np.where(columns["phases"] < 2.0, own, three))

    def settled(self, columns: Seen) -> Shown:
        """Return what devices with these ratings show; with no ratings what three-phase ones do."""
        if "phases" not in columns:
            return self.three
        alone = columns["phases"] < 2.0
        if not alone.any():
            return self.three
        if not alone.all():
            return self
        if isinstance(self.single, float):
            return self.single
        phase = columns["phase"]
        return self.single[int(phase[0])] if (phase == phase[0]).all() else self


def on_phases(shown: Callable[[int], Source]) -> OnPhase:
    """Return what is shown of the feeder's phases 1, 2 and 3."""
    return (shown(1), shown(2), shown(3))


def own_phase(number: int, on_phase: OnPhase, absent: float) -> ByWiring:
    """Return phase ``number`` (1 to 3) as a device counts; ``absent`` is what a single-phase one has in place of 2, 3.

    ``absent`` may be not a number: an integer register then holds its value for what is missing.
    """
    return ByWiring(on_phase[number - 1], on_phase if number == 1 else absent)


def own_share(number: int, whole: Source, third: Source, absent: float) -> ByWiring:
    """Return phase ``number`` of what a device has on all its phases alike: ``whole`` on one, a ``third`` on three."""
    return ByWiring(third, (whole, whole, whole) if number == 1 else absent)


def wiring_of(columns: Seen, row: int) -> tuple[float, float]:
    """Return how many phases a device has, 3 where nothing is known of it, and for one phase which."""
    if "phases" not in columns or columns["phases"][row] >= 2.0:
        return 3.0, 0.0
    return 1.0, float(columns["phase"][row])


def all_wired(columns: Seen, wiring: tuple[float, float]) -> Seen:
    """Return the columns as if all devices were wired alike, a home's resources as the home."""
    names = [name for name in columns if apart(name, RESOURCES)[1] in WIRING]
    counts = dict(zip(WIRING, wiring, strict=True))
    return Overlaid(columns, {n: np.full_like(columns[n], counts[apart(n, RESOURCES)[1]]) for n in names})


def settled(source: Source | None, columns: Seen) -> Shown | None:
    """Return a source as devices with these ratings have it, or the wire value that they always show."""
    if isinstance(source, ResourceSource):
        inner = settled(source.source, OfResource(columns, source.resource))
        return inner if inner is None or isinstance(inner, float) else ResourceSource(source.resource, inner)
    return source.settled(columns) if isinstance(source, ByWiring) else source
