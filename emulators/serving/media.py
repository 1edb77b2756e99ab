"""The modems of a farm: which address is on which medium, what is near each other, and what came back.

A device, or a station, is on each of its media with one modem, which all its addresses on it share. Modems of one
medium whose ways carry the same label ``cell`` share a cell. An address without a medium is left alone. One that is
moved to another medium for a while has a modem there too, which attaches. A serial line has no modem: what it is over
all who are on it share, and it is not moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.way import Admission, Engine, Link
from pilotfarm.emulators.links.medium import Cell, Modem
from pilotfarm.emulators.links.mobile import over as over_medium
from pilotfarm.emulators.links.serial_medium import on_line
from pilotfarm.emulators.serving.connection import Wrap
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.site.layout import SerialEndpoint
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media import NAMES, NONE, medium
from pilotfarm.profiles.media.shared import SHARED, shared_medium

LINK: Final = 0
"""The number of the link of an address's own medium among those of a connection; those of others are below it.

Faults count from 1: a medium is nearest to the device.
"""
CELL: Final = "cell"
"""The label that names a cell."""


@dataclass(slots=True, eq=False)
class _Way:
    """A modem, and the addresses that are reached by it."""

    modem: Modem
    places: set[int] = field(default_factory=set)


class Media:
    """The modem of every address that has one, by the address's number."""

    def __init__(self, places: Sequence[Place], clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._places = places
        self._shut: set[int] = set()
        self._cells: dict[tuple[str, str], Cell] = {}
        self._all: dict[tuple[str, str, str], _Way] = {}
        """By who they are of and their medium."""
        self._ways: dict[int, _Way] = {}
        """That by which each address is reached now."""
        over = {number: place.layout.medium for number, place in enumerate(places) if place.layout.medium != NONE}
        self._own = {number: name for number, name in over.items() if name not in SHARED}
        self._lines = over.keys() - self._own.keys()
        for number, name in self._own.items():
            self._join(number, name)

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each address that has a medium."""
        return chain(self._own, self._lines)

    def move(self, number: int, name: str = "") -> None:
        """Have an address that has a medium on another one for now, or on its own; a modem nobody was on attaches."""
        own, before = self._own.get(number), self._ways.get(number)
        name = name or own or NONE
        if own is None or name == (before.modem.medium.name if before else NONE):
            return
        if before is not None:
            before.places.discard(number)
            del self._ways[number]
        if name != NONE and self._join(number, name):
            self._ways[number].modem.attach(self._clock.now_s())

    def _join(self, number: int, name: str) -> bool:
        """Reach an address by the modem it has on a medium; return whether nobody else is."""
        place = self._places[number]
        whose = place.layout.name, who_at(place), name
        if whose not in self._all:
            modem = Modem(medium(name), key_of(self._seed, "modem", *whose[1:]), _cell(place, name, self._cells))
            self._all[whose] = _Way(modem)
        self._ways[number] = way = self._all[whose]
        way.places.add(number)
        return len(way.places) == 1

    def links(self, number: int) -> dict[int, Wrap]:
        """Return the link that an address has for its medium, if it has one."""
        if number in self._lines:
            return {LINK: self._line(self._places[number])}
        way = self._ways.get(number)
        if way is None:
            return {}
        place, modem = self._places[number], way.modem

        def wrap(engine: Engine, connection: int, now_s: float) -> Link:
            key = key_of(self._seed, "medium", place.layout.protocol, who_at(place), str(connection))
            return over_medium(modem, engine, key, now_s)

        own = modem.medium.name == self._own[number]
        return {LINK if own else -1 - NAMES.index(modem.medium.name): wrap}

    def _line(self, place: Place) -> Wrap:
        endpoint = place.layout.endpoint
        assert isinstance(endpoint, SerialEndpoint), "nothing else is over a shared medium"
        shared = shared_medium(place.layout.medium)

        def wrap(engine: Engine, connection: int, now_s: float) -> Link:
            key = key_of(self._seed, "medium", place.layout.protocol, who_at(place), str(connection))
            return on_line(engine, shared, endpoint.line, key)

        return wrap

    def met(self, number: int, admission: Admission) -> None:
        """Hear how an address meets who connects: a modem none of whose addresses answered attaches again."""
        way = self._ways.get(number)
        if way is None:
            return
        was_off = way.places <= self._shut
        (self._shut.add if admission.cuts_off else self._shut.discard)(number)
        if was_off and not way.places <= self._shut:
            way.modem.attach(self._clock.now_s())


def who_at(place: Place) -> str:
    """Name a station, or the device that answers for itself."""
    return place.layout.name or place.placed[0].seat.device.id


def _cell(place: Place, name: str, cells: dict[tuple[str, str], Cell]) -> Cell | None:
    """Return the cell that an address is in, if it says so: a station by its own label, a device by its group's."""
    labels = place.layout.labels if place.layout.name else place.placed[0].way.labels
    label = labels.get(CELL)
    if label is None:
        return None
    if (label, name) not in cells:
        cells[label, name] = Cell(medium(name))
    return cells[label, name]
