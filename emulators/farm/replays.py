"""What series say of the devices of a site, in place of models, in every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.site.layout import ReplayLayout
from pilotfarm.profiles.series import Guests, Prices, Replayed


class Replays:
    """All that series say at a site, by what it is of (``contracts.replay.REPLAYABLE``)."""

    def __init__(self, layouts: Sequence[ReplayLayout], population: Population) -> None:
        rows = {"": slice(0, len(population))} | {group.name: rows for group, rows in population.placed()}
        # What is said of a group goes before what is said of the whole site.
        ordered = sorted(layouts, key=lambda each: each.group != "")
        self._of = {
            what: _Said(len(population), [(rows[each.group], each.values) for each in ordered if each.what == what])
            for what in dict.fromkeys(each.what for each in ordered)
        }

    def at(self, what: str, end_s: float, dt_s: float) -> Floats | None:
        """Return what series say of all devices of the site in a step that ends at ``end_s`` [s since 1970 UTC].

        By their rows along the last axis, NaN where none says anything; ``None`` where there is no such series. It is
        the same array until a value moves.
        """
        said = self._of.get(what)
        return None if said is None else said.at(end_s, dt_s)


class _Said:
    """One thing that series say, each of some rows; of two that say it of a device, the later goes before."""

    def __init__(self, size: int, sources: Sequence[tuple[slice, Replayed | Guests | Prices]]) -> None:
        self._size, self._sources = size, sources
        self._now: list[Floats] = []
        self._values = np.zeros(0)

    def at(self, end_s: float, dt_s: float) -> Floats:
        now = [source.at(end_s, dt_s) for _, source in self._sources]
        if not self._now or any(new is not old for new, old in zip(now, self._now, strict=True)):
            self._now = now
            self._values = np.full((*now[0].shape[:-1], self._size), np.nan)
            for (rows, _), values in zip(self._sources, now, strict=True):
                np.copyto(self._values[..., rows], values, where=~np.isnan(values))
        return self._values
