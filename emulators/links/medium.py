"""A medium by its numbers: how long it takes a message from a device to its masters, and back.

A device is on a medium with one modem, which all its connections share; modems may share a cell. A message passes the
queues of modem and cell at their rates, waits until the link is up and awake, and takes the latency that is drawn for
it: a floor, and a time whose logarithm is linear in the normal score between the quoted percentiles, so that it has
these and is log-normal between them. All times are wall seconds.
"""

from __future__ import annotations

from functools import cache
from heapq import heappop, heappush
from math import inf
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.links.channels import SEGMENT_OCTETS, Draws
from pilotfarm.emulators.links.spread import Spread
from pilotfarm.profiles.draws import uniform_one
from pilotfarm.profiles.media import HEADER_OCTETS, MESSAGE_OCTETS, Medium

Direction: TypeAlias = Literal["to_device", "to_master"]
DIRECTIONS: Final[tuple[Direction, Direction]] = ("to_device", "to_master")


def rate_bit_s(medium: Medium, direction: Direction) -> float:
    """Return the rate of a direction."""
    return medium.rate_down_bit_s if direction == "to_device" else medium.rate_up_bit_s


def passing_s(octets: int, bit_per_s: float) -> float:
    """Return how long octets and the headers of their segments pass at a rate."""
    segments = max(1, -(-octets // SEGMENT_OCTETS))
    return 8.0 * (octets + HEADER_OCTETS * segments) / bit_per_s


class Latency:
    """What a message of a direction takes beside the passing of its octets."""

    __slots__ = ("_direction", "_floor_s", "_spread")

    def __init__(self, medium: Medium, direction: Direction) -> None:
        self._direction = direction
        self._floor_s = medium.floor_s
        beside_s = medium.floor_s + passing_s(MESSAGE_OCTETS, rate_bit_s(medium, direction))
        quoted_s = [each - beside_s for each in (medium.median_s, medium.p95_s, medium.p99_s)]
        self._spread = Spread(quoted_s, medium.max_s - beside_s)

    def drawn(self, key: int, sequence: int) -> float:
        """Draw for the message of a connection that begins with this octet. [s]"""
        return self._floor_s + self._spread.drawn_one(uniform_one(key, sequence, self._direction))

    def at(self, share: float) -> float:
        """Return what of all messages a share, in (0, 1), takes at most. [s]"""
        return self._floor_s + self._spread.at(share)

    def drawn_for(self, sixteen: npt.NDArray[np.uint16]) -> Floats:
        """Draw for many messages at once, by sixteen bits for each. [s]"""
        return self._floor_s + self._spread.drawn(sixteen)


@cache
def latency(medium: Medium, direction: Direction) -> Latency:
    """Return the latency of a medium's direction."""
    return Latency(medium, direction)


class Line:
    """What octets pass one after the other."""

    __slots__ = ("_free_s",)

    def __init__(self) -> None:
        self._free_s = -inf

    def passed_s(self, octets: int, sent_s: float, bit_per_s: float) -> float:
        """Return when all has passed that is sent now."""
        self._free_s = max(sent_s, self._free_s) + passing_s(octets, bit_per_s)
        return self._free_s


def _lines(medium: Medium) -> dict[Direction, Line]:
    down = Line()
    return {"to_device": down, "to_master": down if medium.half_duplex else Line()}


class Cell:
    """What modems share that are near each other: a line each way, and places to attach."""

    def __init__(self, medium: Medium) -> None:
        self.lines = _lines(medium)
        self.rates = {"to_device": medium.cell_rate_down_bit_s, "to_master": medium.cell_rate_up_bit_s}
        self._places = None if medium.cell_attaches is None else int(medium.cell_attaches)
        self._taken: list[float] = []
        """Until when each place is taken."""

    def attached_s(self, asked_s: float, took_s: float) -> float:
        """Return when a modem is attached that asks now and takes so long once it has a place."""
        if self._places is None:
            return asked_s + took_s
        begin_s = asked_s if len(self._taken) < self._places else max(asked_s, heappop(self._taken))
        heappush(self._taken, begin_s + took_s)
        return begin_s + took_s


class Modem:
    """What a device is on its medium with: attached, and asleep when it has not been used for a time."""

    def __init__(self, medium: Medium, key: int, cell: Cell | None = None) -> None:
        self.medium = medium
        self._lines = _lines(medium)
        self._cell = cell
        self._attach, self._wake = Draws(key, "attach"), Draws(key, "wake")
        self._used_s = self._attached_s = self._ready_s = -inf
        self.latency = {direction: latency(medium, direction) for direction in DIRECTIONS}

    def attach(self, now_s: float) -> None:
        """Attach anew, as a modem does that has been off its network; one that does so already goes on."""
        if self._attached_s > now_s:
            return
        medium = self.medium
        took_s = medium.attach_min_s + (medium.attach_max_s - medium.attach_min_s) * self._attach()
        self._attached_s = now_s + took_s if self._cell is None else self._cell.attached_s(now_s, took_s)
        self._ready_s = self._attached_s
        self.use(self._ready_s)

    def use(self, until_s: float) -> None:
        """Stay awake."""
        self._used_s = max(self._used_s, until_s)

    def awake_s(self, now_s: float) -> float:
        """Return from when on it can take or bring what comes now, which wakes it up."""
        if self._ready_s > now_s:
            return self._ready_s
        deepest = None
        for sleep in self.medium.sleeps:
            if now_s - self._used_s >= sleep.after_s:
                deepest = sleep
        self._ready_s = now_s
        if deepest is not None:
            self._ready_s += deepest.wake_min_s + (deepest.wake_max_s - deepest.wake_min_s) * self._wake()
        self.use(self._ready_s)
        return self._ready_s

    def passed_s(self, octets: int, sent_s: float, direction: Direction) -> float:
        """Return when octets have passed the queues of modem and cell."""
        passed_s = self._lines[direction].passed_s(octets, sent_s, rate_bit_s(self.medium, direction))
        shared = None if self._cell is None else self._cell.rates[direction]
        if self._cell is None or shared is None:
            return passed_s
        return max(passed_s, self._cell.lines[direction].passed_s(octets, sent_s, shared))


class Air:
    """One direction of a connection: a channel.

    What is drawn for a message depends on where it stands among all octets of the direction, as TCP numbers them: it
    is the same whether those before it came in one read or in many.
    """

    __slots__ = ("_direction", "_key", "_modem", "_sequence", "open_s")

    def __init__(self, modem: Modem, direction: Direction, key: int) -> None:
        self._modem = modem
        self._direction: Direction = direction
        self._key = key
        self._sequence = 0
        self.open_s = -inf
        """When the connection is up."""

    def arrival_s(self, octets: int, sent_s: float) -> float:
        passed_s = self._modem.passed_s(octets, sent_s, self._direction)
        begin_s = max(passed_s, self._modem.awake_s(sent_s), self.open_s)
        arrival_s = begin_s + self._modem.latency[self._direction].drawn(self._key, self._sequence)
        self._sequence += octets or 1  # as the opening of a connection counts
        self._modem.use(arrival_s)
        return arrival_s
