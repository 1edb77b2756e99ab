"""What messages meet on a shared medium, one after another: how long they take, and which are lost."""

from __future__ import annotations

from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.spread import Spread
from pilotfarm.profiles.media.shared import SharedMedium, hop_s, kept_frac


class Chances:
    """The numbers of a medium, drawn by a key. ``rate_bit_s`` may be infinite. All times are in seconds."""

    __slots__ = ("_access", "_draws", "_medium", "_rate")

    def __init__(self, medium: SharedMedium, key: int, rate_bit_s: float) -> None:
        self._medium, self._rate = medium, rate_bit_s
        self._access = Spread((medium.access_median_s, medium.access_p95_s, medium.access_p99_s), medium.access_max_s)
        self._draws = {name: Draws(key, name) for name in ("access", "turn-around", "lost")}

    def passed_s(self, octets: int) -> float:
        """Return how long so many octets take over a hop, waiting and repeats of the link among it."""
        return self.passing_s(octets) + self.access_s()

    def passing_s(self, octets: int) -> float:
        return hop_s(self._medium, octets, self._rate)

    def access_s(self) -> float:
        return self._access.drawn_one(self._draws["access"]())

    def turnaround_s(self) -> float:
        shortest_s, longest_s = self._medium.turnaround_min_s, self._medium.turnaround_max_s
        return shortest_s + (longest_s - shortest_s) * self._draws["turn-around"]()

    def loses(self, octets: int, hops: int = 1) -> bool:
        """Return whether a message of so many octets is lost at one of some hops."""
        return self._draws["lost"]() >= kept_frac(self._medium, octets) ** hops
