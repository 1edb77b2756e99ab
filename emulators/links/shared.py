"""A link on a shared medium, between a poller and one of its devices: whole messages, some of which are lost."""

from __future__ import annotations

from math import inf

from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.links.chances import Chances
from pilotfarm.emulators.links.through import Through
from pilotfarm.profiles.media.shared import SharedMedium


class SharedLink(Through):
    """An engine that is some ``hops`` away.

    A request passes, the device takes its turn-around, and its answer passes back. What is sent ends what is under way:
    of that nobody hears any more. ``key`` is the device's, for what is drawn.
    """

    def __init__(self, inner: Engine, medium: SharedMedium, key: int, *, rate_bit_s: float, hops: int) -> None:
        super().__init__(inner)
        self._chances, self._hops = Chances(medium, key, rate_bit_s), hops
        self._there = self._back = inf, b""
        """When what is under way each way arrives, and what that is."""
        self._ready = b""

    def receive(self, data: bytes, now_s: float) -> None:
        turned_s = now_s + self._chances.turnaround_s()
        self._there, self._back, self._ready = self._sent(data, turned_s), (inf, b""), b""

    def advance(self, now_s: float) -> None:
        at_s, data = self._there
        if at_s <= now_s:
            self._there = inf, b""
            self.inner.receive(data, at_s)
            answer = self.inner.take_output()
            self._back = self._sent(answer, at_s) if answer else (inf, b"")
        at_s, data = self._back
        if at_s <= now_s:
            self._back, self._ready = (inf, b""), data

    def deadline_s(self) -> float | None:
        due_s = min(self._there[0], self._back[0])
        return None if due_s == inf else due_s

    def take_output(self) -> bytes:
        output, self._ready = self._ready, b""
        return output

    def _sent(self, data: bytes, now_s: float) -> tuple[float, bytes]:
        """Return when a message arrives that is sent now: never, if a hop loses it."""
        at_s = now_s + sum(self._chances.passed_s(len(data)) for _ in range(self._hops))
        return (inf, b"") if self._chances.loses(len(data), self._hops) else (at_s, data)
