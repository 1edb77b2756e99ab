"""How a data concentrator reads its meters: whether they keep what is read, and whether a night is long enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import time
from pathlib import Path as FilePath
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.collecting_model import Collecting as CollectingTable
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.layout import CollectingLayout, GroupLayout, SeatLayout
from pilotfarm.emulators.site.polling import CLASSES
from pilotfarm.emulators.stations.collecting import Collecting, day_s
from pilotfarm.emulators.words import with_article
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media import NONE
from pilotfarm.profiles.media.shared import MESHES, shared_medium

MEMORY: Final = "memory"
"""The rating of meters that keep a load profile."""
_MORNING_H: Final = 7.0
"""Readings are wanted by then, local time."""


class CollectingReader:
    """Reads how one station collects; what is wrong becomes problems at ``path``."""

    time_stamps: Final = "station"

    def __init__(
        self, checker: Checker, path: Path, table: CollectingTable, *, name: str, media: bool, seed: int, time_zone: str
    ) -> None:
        self._checker, self._path, self._table = checker, path, table
        self._document = checker.document
        self._name, self._seed, self._zone = name, seed, time_zone
        self.named_medium = table.medium
        self._media = media

    def layout(self, seats: Sequence[SeatLayout], groups: Mapping[str, GroupLayout]) -> CollectingLayout | None:
        """Return how it reads the devices of some seats; ``None`` where a problem has been told."""
        if not (self._knows_medium() and self._all_keep(seats, groups)):
            return None
        table = self._table
        specs = {seat.group: registry.device(groups[seat.group].kind) for seat in seats}
        made = CollectingLayout(
            self._table.medium if self._media else NONE,
            time.fromisoformat(table.at),
            ZoneInfo(self._zone),
            table.again_s,
            Collecting(block_intervals=table.block_intervals, timeout_s=table.timeout_s, tries=table.tries),
            {name: quantities(spec) for name, spec in specs.items()},
            dict.fromkeys(specs, ()),
            np.array([groups[seat.group].keys[seat.row] for seat in seats], dtype=np.uint64),
            key_of(self._seed, f"station {self._name}"),
            np.arange(len(seats)),
            table.queue,
            table.alarms,
            None if table.folder is None else FilePath(table.folder),
        )
        self._fits(made)
        return made

    def _knows_medium(self) -> bool:
        if self._table.medium in MESHES:
            return True
        self._checker.unknown((*self._path, "medium"), "medium of meters", self._table.medium, MESHES)
        return False

    def _all_keep(self, seats: Sequence[SeatLayout], groups: Mapping[str, GroupLayout]) -> bool:
        """Whether all devices have a memory; tell of the first of each group that has none."""
        problems = dict(self._forgetful(seats, groups))
        for message in problems.values():
            self._document.problem(self._path, message)
        return not problems

    def _forgetful(self, seats: Sequence[SeatLayout], groups: Mapping[str, GroupLayout]) -> Iterator[tuple[str, str]]:
        for seat in reversed(seats):
            group = groups[seat.group]
            kept = group.ratings.get(MEMORY)
            if kept is None:
                yield group.name, f"{with_article(group.kind)} keeps no load profile that could be read"
            elif not kept[seat.row]:
                device = group.devices[seat.row]
                yield group.name, f"{device} keeps no load profile; give the ratings of {group.name} {MEMORY}: 1"

    def _fits(self, made: CollectingLayout) -> None:
        """Have a day of every meter be read from the round's beginning to the morning, when all goes well."""
        if made.medium == NONE:
            return
        takes_s = day_s(shared_medium(made.medium), made.keys, made.rules)
        night_h = (_MORNING_H - made.at.hour - made.at.minute / 60.0) % 24.0 or 24.0
        takes_h = float(takes_s.sum()) / 3_600.0
        if takes_h > night_h:
            n, each_s = len(takes_s), takes_s.mean()
            message = (
                f"to read {n} meters takes {n} x {each_s:.3g} s = {takes_h:.3g} h, and from {self._table.at} to 07:00 "
                f"it is {night_h:.3g} h; have several concentrators, or a faster medium"
            )
            self._document.problem((*self._path, "medium"), message)


def quantities(spec: DeviceSpec) -> tuple[tuple[str, ...], ...]:
    """Return what is known of a kind of device once it is read, by the classes of stations that poll."""
    return tuple(tuple(q.name for q in spec.quantities if q.role in roles) for roles in CLASSES)
