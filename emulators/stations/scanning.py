"""How a station asks its devices, by arrays: who was asked when, what came back when, and who did not answer.

Devices stand on buses; a bus has one exchange under way at a time. At every scan a bus asks its devices in turn: all
for what is read every time, and after that some for what is read now and then, spread evenly over the scans. A
request without an answer is repeated after a time-out; a device that did not answer last time is asked once. A
bus that is still busy when a scan is due leaves that scan out. All times are site seconds.

Nobody is looked up one by one: a scan of hundreds of devices is some array operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, lcm
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices, anywhere
from pilotfarm.emulators.stations.exchanges import Drawn, Way
from pilotfarm.profiles.draws import Keys, keys_of

SCANS_A_STEP: Final = 4
"""A step that takes in more scans works out its last ones: values are those of the step before it in all of them."""
RETRIES_MAX: Final = 10
REQUESTS_KEPT_MAX: Final = 500_000
"""Of how many requests it is kept at which scan they are made, and not worked out again; 16 MB."""
_SOON_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Polls:
    """What is asked of whom, an array each with one entry a request; those of one device and class stand together.

    ``bus`` never falls. ``every`` is after how many scans the class is asked again, the same for all of a class.
    """

    device: Indices
    scan_class: Indices
    bus: Indices
    every: Indices


class News(NamedTuple):
    """What a station has heard in a step of one class, by device.

    ``fresh``: answers to what was read in this step; ``landed``: to what was read before it; ``leaving``: read in this
    step, and under way at its end.
    """

    fresh: Bools
    landed: Bools
    leaving: Bools


class Scanner:
    """The polling of one station.

    ``keys`` are one a device; ``way`` is made for the requests of ``polls``. ``retries`` are at most ``RETRIES_MAX``.
    """

    def __init__(
        self,
        polls: Polls,
        keys: Keys,
        way: Way,
        *,
        classes: int,
        scan_s: float,
        timeout_s: float,
        retries: int,
        start_s: float = 0.0,
    ) -> None:
        self._way, self._retries = way, retries
        self.scan_s, self._timeout_s = scan_s, timeout_s
        self.request_keys = keys[polls.device] ^ keys_of(0, [f"request {each}" for each in range(len(polls.device))])
        self._device = polls.device
        self._cell = polls.scan_class * len(keys) + polls.device
        """Where what each request asks for stands among all classes of all devices."""
        self._rounds = _Rounds(polls, self.request_keys)
        first = np.flatnonzero(_first_requests(polls))
        self._poll_cell = self._cell[first]
        self._free_s = np.full(len(np.flatnonzero(_changes(polls.bus))), start_s)
        self._read_s, self._heard_s = np.zeros(len(first)), np.zeros(len(first))
        self._comes, self._pending = (np.zeros(len(first), dtype=bool) for _ in range(2))
        self.answers = np.ones((classes, len(keys)), dtype=bool)
        """Whether each device answered when it was last asked, by class."""
        self.known_s = np.full((classes, len(keys)), start_s)
        """When that was read which is known of each."""
        self.heard = np.ones((classes, len(keys)), dtype=bool)
        """Whether anything is known of each since the station has begun: at the start of a site all is."""
        self._now_s = start_s
        self.scans = self.left_out = self.unanswered = 0

    @property
    def buses(self) -> int:
        return len(self._free_s)

    def advance(self, to_s: float, reachable: Bools) -> list[News]:
        """Poll up to and with ``to_s``; ``reachable`` says of each device whether it can answer. One news a class."""
        from_s, self._now_s = self._now_s, to_s
        flags = np.zeros((3, *self.answers.shape), dtype=bool)
        first, last = ceil(from_s / self.scan_s - _SOON_S), ceil(to_s / self.scan_s - _SOON_S)
        for scan in range(max(first, last - SCANS_A_STEP), last):
            self._collect(scan * self.scan_s, from_s, flags)
            self._begin(scan, reachable)
        self._collect(to_s, from_s, flags)
        if anywhere(self._pending):
            leaving = self._pending & self._comes & (self._read_s >= from_s) & (self._read_s < to_s)
            flags[2].reshape(-1)[self._poll_cell[leaving]] = True
        return [News(*flags[:, scan_class]) for scan_class in range(len(self.answers))]

    def restart(self, now_s: float) -> None:
        """Know nothing, and have nobody asked before ``now_s``."""
        self._now_s = now_s
        self._free_s, self._pending = np.full_like(self._free_s, now_s), np.zeros_like(self._pending)
        self.heard, self.answers = np.zeros_like(self.heard), np.ones_like(self.answers)
        self.known_s = np.full_like(self.known_s, now_s)

    # ------------------------------------------------------------------------------------- a scan

    def _begin(self, scan: int, reachable: Bools) -> None:
        """Have every bus that is free ask whose turn it is."""
        start_s = scan * self.scan_s
        idle = self._free_s <= start_s + _SOON_S
        free = int(np.count_nonzero(idle))
        self.scans += free
        self.left_out += len(idle) - free
        asked = self._rounds.at(scan)
        if free < len(idle):
            asked = asked.on(idle)
        if not len(asked.polls):
            return
        took_s, back_s, failed = self._tried(scan, asked, reachable)
        ended_s = np.zeros(1 + len(asked.polls))
        np.cumsum(np.add.reduceat(took_s, asked.first), out=ended_s[1:])
        heard_s = start_s + ended_s[1:] - ended_s[asked.begins]
        read_s = heard_s - back_s[asked.last]
        comes = np.ones(len(read_s), dtype=bool) if failed is None else ~np.logical_or.reduceat(failed, asked.first)
        made = asked.polls
        self._free_s[asked.bus] = heard_s  # the last of each bus stays
        self._heard_s[made], self._read_s[made], self._comes[made] = heard_s, read_s, comes
        self._pending[made] = True

    def _tried(self, scan: int, asked: _Round, reachable: Bools) -> tuple[Floats, Floats, Bools | None]:
        """Ask, and ask again: how long each request took in all, its last answer's way back, and whether none came.

        ``None`` where an answer came to all.
        """
        took_s, back_s, lost, refused = self._asked(scan, 0, asked.requests, asked.keys, reachable)
        if not anywhere(lost) and refused is None:
            return took_s, back_s, None
        refused = np.zeros_like(lost) if refused is None else refused
        left = np.flatnonzero(lost)
        took_s[left] = self._timeout_s
        left = left[self.answers.reshape(-1)[self._cell[asked.requests[left]]]]
        for number in range(1, 1 + self._retries):
            if not len(left):
                break
            drawn = self._asked(scan, number, asked.requests[left], asked.keys[left], reachable)
            took_s[left] += np.where(drawn.lost, self._timeout_s, drawn.took_s)
            back_s[left], lost[left] = drawn.back_s, drawn.lost
            refused[left] = False if drawn.refused is None else drawn.refused
            left = left[drawn.lost]
        lost |= refused
        if not anywhere(lost):
            return took_s, back_s, None
        # Which are not made, since one before them of the same poll failed.
        before: Indices = np.cumsum(lost) - lost
        took_s[before > np.repeat(before[asked.first], 1 + asked.last - asked.first)] = 0.0
        return took_s, back_s, lost

    def _asked(self, scan: int, number: int, which: Indices, keys: Keys, reachable: Bools) -> Drawn:
        """Ask once, for the first time or again; what comes after the time-out is lost too."""
        took_s, back_s, lost, refused = self._way.drawn(keys, scan * (1 + RETRIES_MAX) + number, which)
        lost = lost | (took_s > self._timeout_s)
        if np.count_nonzero(reachable) < len(reachable):
            lost |= ~reachable[self._device[which]]
        return Drawn(took_s, back_s, lost, refused)

    def _collect(self, to_s: float, from_s: float, flags: Bools) -> None:
        """Take what has come by then."""
        if not anywhere(self._pending):
            return
        done = np.flatnonzero(self._pending & (self._heard_s <= to_s + _SOON_S))
        self._pending[done] = False
        cell, comes = self._poll_cell[done], self._comes[done]
        self.answers.reshape(-1)[cell] = comes
        if not comes.all():
            self.unanswered += int(np.count_nonzero(~comes))
            done, cell = done[comes], cell[comes]
        read_s = self._read_s[done]
        self.known_s.reshape(-1)[cell] = read_s
        self.heard.reshape(-1)[cell] = True
        old = read_s < from_s
        flags[0].reshape(-1)[cell] = ~old
        if anywhere(old):
            flags[1].reshape(-1)[cell[old]] = True


@dataclass(frozen=True, slots=True)
class _Round:
    """What is asked at a scan where no bus is busy: polls in the order of their buses, and their requests."""

    polls: Indices
    bus: Indices
    """Of each poll."""
    begins: Indices
    """Of each poll, how many there are before its bus."""
    first: Indices
    """Of each poll, its first request among these, and its last."""
    last: Indices
    requests: Indices
    keys: Keys
    """Of each request."""

    @classmethod
    def of(cls, polls: Indices, bus: Indices, counts: Indices, requests: Indices, keys: Keys) -> _Round:
        """Make one of polls of so many requests each."""
        end, changes = np.cumsum(counts), _changes(bus)
        begins = np.flatnonzero(changes)[np.cumsum(changes) - 1]
        return cls(polls, bus, begins, end - counts, end - 1, requests, keys)

    def on(self, buses: Bools) -> _Round:
        """Return what of it is asked on some of the buses."""
        here, counts = buses[self.bus], 1 + self.last - self.first
        of_them = np.repeat(here, counts)
        return _Round.of(self.polls[here], self.bus[here], counts[here], self.requests[of_them], self.keys[of_them])


class _Rounds:
    """What is asked at each scan. It comes again after a number of scans, and is kept so long as it is not too much."""

    def __init__(self, polls: Polls, request_keys: Keys) -> None:
        first = np.flatnonzero(_first_requests(polls))
        self._bus, self._every = polls.bus[first], polls.every[first]
        self._turn = _turns(self._bus, polls.scan_class[first], self._every)
        self._requests = np.diff(first, append=len(polls.device))
        """How many each poll has."""
        self._keys = request_keys
        self._cycle = lcm(*np.unique(self._every).tolist())
        self._kept: dict[int, _Round] = {}
        self._room = REQUESTS_KEPT_MAX

    def at(self, scan: int) -> _Round:
        number = scan % self._cycle
        found = self._kept.get(number)
        if found is None:
            found = self._made(number)
            if len(found.requests) <= self._room:
                self._room -= len(found.requests)
                self._kept[number] = found
        return found

    def _made(self, scan: int) -> _Round:
        asked = scan % self._every == self._turn
        polls, requests = np.flatnonzero(asked), np.flatnonzero(np.repeat(asked, self._requests))
        return _Round.of(polls, self._bus[polls], self._requests[polls], requests, self._keys[requests])


def fullest_scan_s(polls: Polls, nominal_s: Floats) -> Floats:
    """Return what the fullest scan of each bus takes when all goes well, where each request takes that long. [s]"""
    turns = _turns_of_requests(polls)
    fullest = np.zeros(int(polls.bus.max(initial=-1)) + 1)
    for scan_class in np.unique(polls.scan_class):
        here = polls.scan_class == scan_class
        loads = np.zeros((len(fullest), int(turns[here].max()) + 1))
        np.add.at(loads, (polls.bus[here], turns[here]), nominal_s[here])
        fullest += loads.max(axis=1)
    return fullest


def _changes(values: Indices) -> Bools:
    """Where a value differs from the one before it, and at the first."""
    changes = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _first_requests(polls: Polls) -> Bools:
    """Where a poll begins: another device, or another class of it."""
    return _changes(polls.device) | _changes(polls.scan_class)


def _turns_of_requests(polls: Polls) -> Indices:
    begins = _first_requests(polls)
    first = np.flatnonzero(begins)
    turns = _turns(polls.bus[first], polls.scan_class[first], polls.every[first])
    of_requests: Indices = turns[np.cumsum(begins) - 1]
    return of_requests


def _turns(bus: Indices, what: Indices, every: Indices) -> Indices:
    """At which scans each poll is made, counted within its class on its bus, so that they are spread."""
    turns = np.zeros(len(bus), dtype=np.intp)
    for place in sorted(set(zip(bus.tolist(), what.tolist(), strict=True))):
        here = np.flatnonzero((bus == place[0]) & (what == place[1]))
        turns[here] = np.arange(len(here)) * every[here] // len(here)
    return turns
