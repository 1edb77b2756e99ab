"""The clocks of a site: every device has one, and so has a station that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.fault import ClockTime
from pilotfarm.emulators.farm.population import Population, Rows
from pilotfarm.emulators.site.layout import SiteLayout, StationLayout

OffBy: TypeAlias = Callable[[ClockTime], float]
DRIFT: Final = "clock_drift_ppm"


class Clocks:
    """Lets clocks drift from the site's start, and faults put them off."""

    def __init__(self, layout: SiteLayout, population: Population) -> None:
        self._population = population
        self._zone = layout.place.time_zone
        self._start_s = layout.start.timestamp()
        self._stations = {
            station.name: Clock(drift_ppm=station.clock_drift_ppm, since_s=self._start_s)
            for station in layout.stations
            if has_clock(station)
        }
        self._off: dict[int, list[Clock]] = {}
        """By a fault's number: the clocks it puts off."""
        for group in population:
            drifts = group.layout.ratings[DRIFT]
            for row in np.flatnonzero(drifts).tolist():
                Clock([(group.clocks, row)], drift_ppm=float(drifts[row]), since_s=self._start_s)

    def of_station(self, station: StationLayout) -> Clock | None:
        """A station's own clock; none where its devices have theirs."""
        return self._stations.get(station.name)

    def put_off(
        self,
        fault: int,
        off_by: OffBy,
        time_s: float,
        rows: Rows,
        stations: Collection[str],
        *,
        ramp_s: float = 0.0,
        tags_only: bool = False,
    ) -> None:
        """Let a fault put off the clocks of devices, or in their place of stations that it names and that have one.

        Over ``ramp_s`` they go from right to wrong. With ``tags_only`` these go right, and only the time tags that
        are made by them are off.
        """
        began_s = self._start_s + time_s

        @lru_cache(maxsize=1)  # a step has one time, and many clocks
        def offset_s(unix_s: float) -> float:
            elapsed_s = unix_s - began_s
            whole = off_by(ClockTime(unix_s, elapsed_s, self._zone))
            return whole * elapsed_s / ramp_s if elapsed_s < ramp_s else whole

        self._off[fault] = list(dict.fromkeys(self._gripped(rows, stations)))
        for clock in self._off[fault]:
            clock.put_off(fault, offset_s, tags_only=tags_only)

    def put_right(self, fault: int) -> None:
        """End a fault that may have begun."""
        for clock in self._off.pop(fault, ()):
            clock.put_right(fault)

    def _gripped(self, rows: Rows, stations: Collection[str]) -> Iterator[Clock]:
        for name, chosen in rows.items():
            group = self._population.groups[name]
            for row in chosen.tolist():
                for clock in self._of_named(name, row, stations) if stations else (None,):
                    yield group.clock(row) if clock is None else clock

    def _of_named(self, group: str, row: int, stations: Collection[str]) -> Iterator[Clock | None]:
        """The clocks of those stations of some that answer for a device; ``None`` for one that has none."""
        ways = self._population.ways[group, row]
        return (self.of_station(way.station) for way in ways if way.station.name in stations)


def has_clock(station: StationLayout) -> bool:
    """Whether a station stamps what it tells of its devices by a clock of its own: one that remembers does."""
    protocol, polls = registry.protocol(station.protocol), station.asks is not None
    return bool(station.name) and protocol.has_memory(station.options, lists=station.lists_points, polls=polls)
