"""What commands go down from a station that really polls: writes to the device's registers. Times are wall seconds."""

from __future__ import annotations

from math import nan

from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.stations.polled import Polling
from pilotfarm.emulators.stations.real.bus import Errand
from pilotfarm.emulators.stations.real.scanner import PolledBus, RealScanner


class Nothing:
    """A command that says nothing to the device: it is done."""

    def __init__(self, now_s: float) -> None:
        self.due_s = now_s

    def done(self, now_s: float) -> bool:
        return True

    def leave(self) -> None:
        """Nothing is under way."""


class Writing:
    """A command on its way; it goes on by itself, whoever waits for it."""

    def __init__(self, scanner: RealScanner) -> None:
        self._scanner = scanner
        self._bus: PolledBus | None = None
        self._ended: Errand | None = None
        self._now_s = 0.0

    def send(self, place: int, errand: Errand, now_s: float) -> None:
        self._now_s = now_s
        self._bus = self._scanner.command(place, errand, now_s)

    @property
    def due_s(self) -> float:
        """When something happens on its bus; whoever waits looks then."""
        assert self._bus is not None
        return self._now_s if self._ended else self._bus.due_s()

    def done(self, now_s: float) -> bool:
        assert self._bus is not None
        if self._ended is None:
            self._scanner.run(self._bus, now_s)
        if self._ended is None:
            return False
        if self._ended.error is not None:
            raise self._ended.error
        return True

    def leave(self) -> None:
        """It is on its bus."""

    def ended(self, errand: Errand) -> None:
        self._ended = errand


class RealDownlink:
    """The way of commands to one device."""

    __slots__ = ("_place", "_retries", "_scanner")

    def __init__(self, polling: Polling, place: int, retries: int) -> None:
        assert isinstance(polling.scanner, RealScanner)
        self._scanner, self._place, self._retries = polling.scanner, place, retries

    def carry(self, order: Order, now_s: float) -> Carried:
        peer = self._scanner.peers[self._place]
        messages = peer.master.writes(order.values, lambda name: peer.known.get(name, nan))
        if not messages:
            return Nothing(now_s)
        sent = Writing(self._scanner)
        sent.send(self._place, Errand(peer, messages, 1 + self._retries, sent.ended, order), now_s)
        return sent
