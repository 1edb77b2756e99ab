"""What commands go down from a station that polls to its devices. All times are wall seconds."""

from __future__ import annotations

from contextlib import suppress
from math import inf

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices
from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.contracts.protocol import Device
from pilotfarm.emulators.errors import NoAnswer, PointError
from pilotfarm.emulators.stations.exchanges import Way
from pilotfarm.emulators.stations.polled import Polling
from pilotfarm.emulators.stations.scanning import RETRIES_MAX
from pilotfarm.profiles.draws import Keys, key_of, uniform


class Buses:
    """The buses of a station as commands find them.

    A command waits for the exchange that is under way, one of the ``exchange_s`` that each bus's take, and for commands
    before it; it is repeated as polls are. ``way`` is made for one write to each device, on its ``bus``.
    """

    def __init__(
        self, way: Way, keys: Keys, bus: Indices, exchange_s: Floats, *, timeout_s: float, retries: int
    ) -> None:
        self._way, self._bus, self._exchange_s = way, bus.tolist(), exchange_s
        self._keys = keys ^ np.uint64(key_of(0, "command"))
        self._timeout_s, self._retries = timeout_s, retries
        self._free_s = dict.fromkeys(self._bus, -inf)

    def carry(self, place: int, number: int, now_s: float, *, reaches: bool) -> tuple[float, bool]:
        """Send the device at a place its ``number``-th command."""
        bus, one = self._bus[place], np.array([place])
        at_s = max(
            now_s + float(uniform(self._keys[one], number, "wait")[0]) * self._exchange_s[bus], self._free_s[bus]
        )
        comes = False
        for again in range(1 + self._retries):
            drawn = self._way.drawn(self._keys[one], number * (1 + RETRIES_MAX) + again, one)
            answered = reaches and not drawn.lost[0] and bool(drawn.took_s[0] <= self._timeout_s)
            at_s += float(drawn.took_s[0]) if answered else self._timeout_s
            if answered:
                comes = drawn.refused is None or not drawn.refused[0]
                break
        self._free_s[bus] = at_s
        return at_s, comes


class Sent:
    """A command whose way was drawn when it was sent: its device has it at ``due_s``, or never."""

    __slots__ = ("_comes", "_device", "_order", "due_s")

    def __init__(self, device: Device, order: Order, due_s: float, comes: bool) -> None:
        self._device, self._order, self.due_s, self._comes = device, order, due_s, comes

    def done(self, now_s: float) -> bool:
        if now_s < self.due_s:
            return False
        if not self._comes:
            raise NoAnswer(f"{self._device.id} does not answer its station")
        self._tell(now_s)
        return True

    def leave(self) -> None:
        if self._comes:
            with suppress(PointError):
                self._tell(self.due_s)

    def _tell(self, now_s: float) -> None:
        if self._order.values:
            self._device.submit(*self._order, now_s).acknowledged_s = now_s


class BusDownlink:
    """The way of commands to one device."""

    __slots__ = ("_buses", "_device", "_place", "_polling", "_sent")

    def __init__(self, polling: Polling, buses: Buses, place: int, device: Device) -> None:
        self._polling, self._buses, self._place, self._device = polling, buses, place, device
        self._sent = 0

    def carry(self, order: Order, now_s: float) -> Carried:
        return Sent(self._device, order, *self._drawn(now_s))

    def _drawn(self, now_s: float) -> tuple[float, bool]:
        """Return when an answer has come down there and back, or is given up, and whether it has come."""
        self._sent += 1
        reaches = bool(self._polling.reachable[self._place])
        return self._buses.carry(self._place, self._sent, now_s, reaches=reaches)
