"""Modes that revert unless they are renewed (``quantities.modes``): which of them run, and which are due.

Such a time watches over a living master, so it is wall time whatever the speed of the site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pilotfarm.emulators.farm.population import Group, Population
from pilotfarm.emulators.quantities import RESOURCES
from pilotfarm.emulators.quantities.modes import Mode, modes_of


class Running(NamedTuple):
    """A mode of one device."""

    group: str
    row: int
    mode: Mode


class Reversions:
    """The modes that run for a time: one a device and mode at most."""

    def __init__(self, population: Population) -> None:
        self._modes = {group.name: tuple(modes_of(group.readable, RESOURCES)) for group in population}
        self._left_s: dict[Running, float] = {}
        self._shown: set[Running] = set()
        """Those of which a time left has been shown."""

    def pass_time(self, elapsed_s: float) -> None:
        """Take wall time [s] off all that run."""
        for running in self._left_s:
            self._left_s[running] -= elapsed_s

    def renew(self, group: Group, row: int, values: Mapping[str, float]) -> None:
        """Start the times anew of the modes that a write has touched; its values are in the group's columns."""
        for mode in self._modes[group.name]:
            if values.keys().isdisjoint(mode.renewed_by):
                continue
            running = Running(group.name, row, mode)
            time_s = float(group.columns[mode.reversion][row])
            if time_s > 0.0 and _away(mode, group, row):
                self._left_s[running] = time_s
            else:
                self._left_s.pop(running, None)

    def due(self) -> list[Running]:
        """Hand out the modes whose time is over."""
        due = [running for running, left_s in self._left_s.items() if left_s <= 0.0]
        for running in due:
            del self._left_s[running]
        return due

    def remaining(self) -> Iterator[tuple[str, str, int, float]]:
        """Yield group, quantity, row and time left of every mode that runs, and once of one that no longer does."""
        for running in {**dict.fromkeys(self._shown), **self._left_s}:
            yield running.group, running.mode.remaining, running.row, self._left_s.get(running, 0.0)
        self._shown = set(self._left_s)


def reverted(group: Group, row: int, mode: Mode) -> dict[str, float]:
    """Return what the switches and set-points of a mode become when it reverts."""
    return {name: float(group.columns[to][row]) if isinstance(to, str) else to for name, to in mode.reverts.items()}


def _away(mode: Mode, group: Group, row: int) -> bool:
    """Whether there is something to revert: other switches, or other set-points while it is switched on."""
    after = reverted(group, row, mode)
    now = {name: float(group.columns[name][row]) for name in after}
    if any(now[name] != after[name] for name in mode.switches):
        return True
    return any(now[name] for name in mode.switches) and now != after
