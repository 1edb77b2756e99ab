"""A link on a shared medium, between a poller and one of its devices: whole messages, some of which are lost."""

from __future__ import annotations

from math import inf

from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.spread import Spread
from pilotfarm.emulators.links.through import Through
from pilotfarm.profiles.media.shared import SharedMedium, hop_s, kept_frac


class SharedLink(Through):
    """An engine that is some ``hops`` away.

    A request passes, the device takes its turn-around, and its answer passes back. What is sent ends what is under way:
    of that nobody hears any more. ``key`` is the device's, for what is drawn.
    """

    def __init__(self, inner: Engine, medium: SharedMedium, key: int, *, rate_bit_s: float, hops: int) -> None:
        super().__init__(inner)
        self._medium, self._rate_bit_s, self._hops = medium, rate_bit_s, hops
        quoted_s = (medium.access_median_s, medium.access_p95_s, medium.access_p99_s)
        self._access = Spread(quoted_s, medium.access_max_s)
        self._draws = {name: Draws(key, name) for name in ("access", "turn-around", "lost")}
        self._there = self._back = inf, b""
        """When what is under way each way arrives, and what that is."""
        self._ready = b""

    def receive(self, data: bytes, now_s: float) -> None:
        medium = self._medium
        turn_s = medium.turnaround_max_s - medium.turnaround_min_s
        turned_s = now_s + medium.turnaround_min_s + turn_s * self._draws["turn-around"]()
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
        octets, lost = len(data), self._draws["lost"]
        passing_s = hop_s(self._medium, octets, self._rate_bit_s)
        at_s, kept = now_s, kept_frac(self._medium, octets) ** self._hops
        for _ in range(self._hops):
            at_s += passing_s + self._access.at(self._draws["access"]() + 2.0**-54)
        return (at_s, data) if lost() < kept else (inf, b"")
