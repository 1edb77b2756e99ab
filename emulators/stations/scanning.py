"""How a station asks its devices, by arrays: who was asked when, what came back when, and who did not answer.

Devices stand on buses; a bus has one exchange under way at a time. At every scan a bus asks its devices in turn: all
for what is read every time, and after that some for what is read now and then, spread evenly over the scans. A
request without an answer is repeated after a time-out; a device that did not answer last time is asked once. A
bus that is still busy when a scan is due leaves that scan out. All times are site seconds.

Nobody is looked up one by one: a scan of hundreds of devices is some array operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices, anywhere
from pilotfarm.emulators.stations.exchanges import Way
from pilotfarm.profiles.draws import Keys, keys_of

SCANS_A_STEP: Final = 4
"""A step that takes in more scans works out its last ones: values are those of the step before it in all of them."""
RETRIES_MAX: Final = 10
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
        self._polls, self._way = polls, way
        self.scan_s, self._timeout_s, self._retries = scan_s, timeout_s, retries
        self.request_keys = keys[polls.device] ^ keys_of(0, [f"request {each}" for each in range(len(polls.device))])
        self._n = len(keys)
        self._first = np.flatnonzero(_first_requests(polls))
        """Of each poll, its first request."""
        self._last = np.append(self._first[1:], len(polls.device)) - 1
        self._of = np.repeat(np.arange(len(self._first)), self._last - self._first + 1)
        self._whose, self._what = polls.device[self._first], polls.scan_class[self._first]
        self._on = polls.bus[self._first]
        self._bus_first = np.flatnonzero(_changes(polls.bus))
        self._turn = _turns(self._on, self._what, polls.every[self._first])
        self._free_s = np.full(len(self._bus_first), start_s)
        self._read_s, self._heard_s = np.zeros(len(self._first)), np.zeros(len(self._first))
        self._comes, self._pending = (np.zeros(len(self._first), dtype=bool) for _ in range(2))
        self.answers = np.ones((classes, self._n), dtype=bool)
        """Whether each device answered when it was last asked, by class."""
        self.known_s = np.full((classes, self._n), start_s)
        """When that was read which is known of each."""
        self.heard = np.ones((classes, self._n), dtype=bool)
        """Whether anything is known of each since the station has begun: at the start of a site all is."""
        self._now_s = start_s
        self.scans = self.left_out = self.unanswered = 0

    @property
    def buses(self) -> int:
        return len(self._bus_first)

    def advance(self, to_s: float, reachable: Bools) -> list[News]:
        """Poll up to and with ``to_s``; ``reachable`` says of each device whether it can answer. One news a class."""
        from_s, self._now_s = self._now_s, to_s
        flags = np.zeros((len(self.answers), 3, self._n), dtype=bool)
        first, last = ceil(from_s / self.scan_s - _SOON_S), ceil(to_s / self.scan_s - _SOON_S)
        for scan in range(max(first, last - SCANS_A_STEP), last):
            self._collect(scan * self.scan_s, from_s, flags)
            self._begin(scan, reachable)
        self._collect(to_s, from_s, flags)
        leaving = self._pending & self._comes & (self._read_s >= from_s) & (self._read_s < to_s)
        flags[self._what[leaving], 2, self._whose[leaving]] = True
        return [News(*each) for each in flags]

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
        self.scans += int(np.count_nonzero(idle))
        self.left_out += len(idle) - int(np.count_nonzero(idle))
        every = self._polls.every[self._first]
        asked = idle[self._on] & (scan % every == self._turn)
        which = np.flatnonzero(asked[self._of])
        if not len(which):
            return
        took_s, back_s, failed = self._tried(scan, which, reachable)
        through = np.zeros(len(self._of))
        through[which] = took_s
        through = np.cumsum(through)
        before = np.append(0.0, through)[self._bus_first]
        heard_s = start_s + through - before[self._polls.bus]
        ended = np.append(self._bus_first[1:], len(through)) - 1
        self._free_s = np.where(idle, heard_s[ended], self._free_s)
        back = np.zeros(len(through))
        back[which] = back_s
        lost = np.zeros(len(through), dtype=bool)
        lost[which] = failed
        self._heard_s = np.where(asked, heard_s[self._last], self._heard_s)
        self._read_s = np.where(asked, heard_s[self._last] - back[self._last], self._read_s)
        self._comes = np.where(asked, ~np.logical_or.reduceat(lost, self._first), self._comes)
        self._pending |= asked

    def _tried(self, scan: int, which: Indices, reachable: Bools) -> tuple[Floats, Floats, Bools]:
        """Ask, and ask again: how long each request took in all, its last answer's way back, and whether none came."""
        device = self._polls.device[which]
        gone = ~reachable[device]
        tries = np.where(self.answers[self._polls.scan_class[which], device], 1 + self._retries, 1)
        took_s, back_s = np.zeros(len(which)), np.zeros(len(which))
        left = np.arange(len(which))
        for number in range(1 + self._retries):
            drawn = self._way.drawn(self.request_keys[which[left]], scan * (1 + RETRIES_MAX) + number, which[left])
            lost = drawn.lost | (drawn.took_s > self._timeout_s) | gone[left]
            took_s[left] += np.where(lost, self._timeout_s, drawn.took_s)
            back_s[left] = drawn.back_s
            answered = left[~lost]
            tries[answered] = 0
            left = left[lost & (tries[left] > number + 1)]
            if not len(left):
                break
        failed = tries > 0
        if anywhere(failed):
            given_up = self._given_up(which, failed)
            took_s[given_up] = 0.0
        return took_s, back_s, failed

    def _given_up(self, which: Indices, failed: Bools) -> Bools:
        """Which requests are not made, since one before them of the same poll failed."""
        before: Indices = np.cumsum(failed) - failed
        begins = _changes(self._of[which])
        base: Indices = before[np.flatnonzero(begins)][np.cumsum(begins) - 1]
        return before > base

    def _collect(self, to_s: float, from_s: float, flags: Bools) -> None:
        """Take what has come by then."""
        done = np.flatnonzero(self._pending & (self._heard_s <= to_s + _SOON_S))
        if not len(done):
            return
        self._pending[done] = False
        what, whose, comes = self._what[done], self._whose[done], self._comes[done]
        read_s = self._read_s[done]
        self.answers[what, whose] = comes
        self.unanswered += int(np.count_nonzero(~comes))
        fresh, landed = comes & (read_s >= from_s), comes & (read_s < from_s)
        flags[what[fresh], 0, whose[fresh]] = True
        flags[what[landed], 1, whose[landed]] = True
        self.known_s[what[comes], whose[comes]] = read_s[comes]
        self.heard[what[comes], whose[comes]] = True


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
    changes: Bools = np.diff(values, prepend=values[:1] - 1) != 0
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
