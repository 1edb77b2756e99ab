"""How a station really asks its devices: at every scan each bus has those asked whose turn it is, octet by octet.

The rules are those of ``stations.scanning``: who is asked when, how often, and what a device is that does not answer.
Times are site seconds. Between two steps commands go down the same buses, and move them on by wall time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools
from pilotfarm.emulators.contracts.asking import Told
from pilotfarm.emulators.stations.real.bus import Bus, Errand, Peer
from pilotfarm.emulators.stations.scanning import SCANS_A_STEP, News

REALLY_POLLED_MAX: Final = 32
"""How many devices a station may really poll."""
_SOON_S: Final = 1e-9
_SOON_WALL_S: Final = 1e-6
"""Wall time is known to a quarter of this."""


class Poll(NamedTuple):
    """A device, by its place at the station, that is asked for a class at every so many scans, and at which of them."""

    place: int
    scan_class: int
    every: int
    turn: int


class PolledBus:
    """A bus, whom it polls, and how its time goes between two steps.

    ``polls`` are in the order in which they are made. ``step_s`` is how long the last step was.
    """

    def __init__(self, bus: Bus, polls: Sequence[Poll], *, scan_s: float, start_s: float, wall_s: float) -> None:
        self.bus, self.polls = bus, polls
        self._scan_s = scan_s
        self._scan = ceil(start_s / scan_s - _SOON_S)
        """The next."""
        self._base_s, self._base_wall_s, self._last_wall_s = start_s, wall_s, wall_s
        self._until_s = start_s
        """Until when it is known how the devices are: one more step than has been taken."""

    def wall_s(self, at_s: float) -> float:
        """Return the wall time of a site time between two steps; it never goes back."""
        self._last_wall_s = max(self._last_wall_s, self._base_wall_s + at_s - self._base_s)
        return self._last_wall_s

    def due_s(self) -> float:
        """When something happens next, in wall time."""
        return self._base_wall_s + self.bus.due_s() - self._base_s

    def step(self, to_s: float, step_s: float, wall_s: float, begin: Callable[[PolledBus, int], None]) -> None:
        """Have happen what happens in a step that ends now."""
        last = ceil(to_s / self._scan_s - _SOON_S)
        self._scan = max(self._scan, last - SCANS_A_STEP)
        self._run(to_s, to_s, begin)
        self._until_s = to_s + step_s
        self._set(max(to_s, self.bus.now_s), wall_s)

    def restart(self, now_s: float, wall_s: float) -> None:
        self.bus.restart(now_s)
        self._scan = max(self._scan, ceil(now_s / self._scan_s - _SOON_S))
        self._until_s = now_s
        self._set(self.bus.now_s, wall_s)

    def run(self, now_s: float, begin: Callable[[PolledBus, int], None]) -> None:
        """Have happen what happens up to a wall time between two steps. While no command is under way, that is not
        more than a step."""
        at_s = self._base_s + now_s - self._base_wall_s
        if not self.bus.commanding:
            at_s = max(min(at_s, self._until_s), self.bus.now_s)
            self._set(at_s, now_s)
        self._run(at_s + _SOON_WALL_S, self._until_s, begin)

    def _set(self, at_s: float, now_s: float) -> None:
        self._base_s, self._base_wall_s = at_s, now_s

    def _run(self, to_s: float, polls_until_s: float, begin: Callable[[PolledBus, int], None]) -> None:
        while self._scan * self._scan_s < min(to_s, polls_until_s) - _SOON_S:
            self.bus.advance(self._scan * self._scan_s, polls_until_s)
            begin(self, self._scan)
            self._scan += 1
        self.bus.advance(to_s, polls_until_s)


class RealScanner:
    """The polling of one station: what ``stations.scanning.Scanner`` is, over real exchanges.

    ``peers`` are in the order of the station's devices, and each is on one of the ``buses``, that in ``on``.
    ``retries`` are those of a device that answered when it was last asked.
    """

    def __init__(
        self,
        peers: Sequence[Peer],
        buses: Sequence[PolledBus],
        on: Sequence[PolledBus],
        *,
        classes: int,
        scan_s: float,
        retries: int,
        start_s: float,
        wall_s: Callable[[], float],
    ) -> None:
        self.peers, self._buses, self._on = peers, buses, on
        self.scan_s, self._retries, self._wall_s = scan_s, retries, wall_s
        self.answers = np.ones((classes, len(peers)), dtype=bool)
        """Whether each device answered when it was last asked, by class."""
        self.known_s = np.full((classes, len(peers)), start_s)
        """When that was read which is known of each."""
        self.heard = np.ones((classes, len(peers)), dtype=bool)
        """Whether anything is known of each since the station has begun: at the start of a site all is."""
        self.scans = self.left_out = self.unanswered = 0
        self._now_s = start_s
        self.told: Sequence[tuple[int, int, Told]] = ()
        """What answers have said in the last step: of which place and class, and what."""
        self._coming: list[tuple[int, int, Told]] = []
        self._silence = [News(*np.zeros((3, len(peers)), dtype=bool))] * classes

    @property
    def buses(self) -> int:
        return len(self._buses)

    def advance(self, to_s: float, reachable: Bools) -> Sequence[News]:
        """Poll up to and with ``to_s``, where a step ends; ``reachable`` says of each device whether it can answer.

        What was heard is ``told``, and not to be taken from what devices report.
        """
        step_s, self._now_s = to_s - self._now_s, to_s
        for peer, there in zip(self.peers, reachable.tolist(), strict=True):
            peer.end.reachable = there
        for polled in self._buses:
            polled.step(to_s, step_s, self._wall_s(), self._begin)
        self.told, self._coming = self._coming, []
        return self._silence

    def restart(self, now_s: float) -> None:
        """Know nothing, and have nobody asked before ``now_s``; what is under way ends."""
        self._now_s = now_s
        for polled in self._buses:
            polled.restart(now_s, self._wall_s())
        self.told, self._coming = (), []
        self.heard, self.answers = np.zeros_like(self.heard), np.ones_like(self.answers)
        self.known_s = np.full_like(self.known_s, now_s)

    def command(self, place: int, errand: Errand, now_s: float) -> PolledBus:
        """Have a command go down now, in wall time."""
        polled = self._on[place]
        polled.run(now_s, self._begin)
        polled.bus.command(errand)
        polled.run(now_s, self._begin)
        return polled

    def run(self, polled: PolledBus, now_s: float) -> None:
        """Have happen what happens on a bus up to a wall time, between two steps."""
        polled.run(now_s, self._begin)

    def _begin(self, polled: PolledBus, scan: int) -> None:
        """Have a bus ask whose turn it is, unless it still does so from the scan before."""
        if polled.bus.polling:
            self.left_out += 1
            return
        self.scans += 1
        for poll in polled.polls:
            if scan % poll.every == poll.turn:
                peer, tries = self.peers[poll.place], 1 + self._retries
                if not self.answers[poll.scan_class, poll.place]:
                    tries = 1
                messages = peer.master.reads[poll.scan_class]
                polled.bus.poll(Errand(peer, messages, tries, partial(self._polled, poll)))

    def _polled(self, poll: Poll, errand: Errand) -> None:
        """Take what a device has answered; of one that did not, what is known stays."""
        place, scan_class, peer = poll.place, poll.scan_class, errand.peer
        self.answers[scan_class, place] = errand.error is None
        if errand.error is not None:
            self.unanswered += 1
            return
        told = peer.master.told(scan_class, errand.answers, lambda name: peer.known.get(name, np.nan))
        peer.known.update(told.values)
        self.known_s[scan_class, place] = peer.end.heard_s
        self.heard[scan_class, place] = True
        self._coming.append((place, scan_class, told))
