"""What exchanges of a poller with devices take, many at once, over a medium by its numbers.

An exchange is a request, the device's turn-around, and an answer. What is drawn is a function of its key and a
counter: 64 bits, of which the two ways take sixteen each and what is lost the other half. All times are in seconds.
"""

from __future__ import annotations

from math import log
from typing import Final, NamedTuple, Protocol

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices, anywhere
from pilotfarm.emulators.links.channels import RTO_MIN_S
from pilotfarm.emulators.links.medium import latency
from pilotfarm.emulators.links.medium import passing_s as passing
from pilotfarm.emulators.links.spread import Spread
from pilotfarm.profiles.draws import Keys, bits, key_of, sixteen, uniform
from pilotfarm.profiles.media import NONE, Medium, medium
from pilotfarm.profiles.media.shared import HOPS_MAX, SHARED, SharedMedium, hop_s, kept_frac, shared_medium

_THERE, _BACK = 0, 1
"""Which sixteen of the bits each way takes."""
_SHARE: Final = 2.0**-64
_HOPS: Final = tuple(np.uint64(key_of(0, f"hop {hop}")) for hop in range(HOPS_MAX))


class Drawn(NamedTuple):
    """What became of some exchanges: how long each took, its answer's way of that, and whether it was lost.

    The times of one that was lost mean nothing. One that was ``refused`` has an answer with no value in it; ``None`` is
    that none was.
    """

    took_s: Floats
    back_s: Floats
    lost: Bools
    refused: Bools | None = None


class Way(Protocol):
    """What lies between a poller and its devices."""

    def drawn(self, keys: Keys, counter: int, which: Indices) -> Drawn:
        """Draw for some of the exchanges it was made for; the times are the caller's own."""
        ...

    @property
    def nominal_s(self) -> Floats:
        """What each takes when nothing is lost, on average about."""
        ...


class SharedWay:
    """Exchanges over a shared medium.

    Parameters
    ----------
    medium : SharedMedium
    rate_bit_s : float
        Of the line, where the site has set another than the medium's.
    keys : (n,) uint64
        Of the devices asked; they decide how many hops away each is.
    asked, answered : (n,) float64
        Octets of each request and each answer.
    """

    def __init__(
        self, medium: SharedMedium, keys: Keys, asked: Floats, answered: Floats, rate_bit_s: float | None = None
    ) -> None:
        self._medium = medium
        rate = medium.rate_bit_s if rate_bit_s is None else rate_bit_s
        self.hops = hops(medium, keys)
        self._there_s, self._back_s = (
            self.hops * [hop_s(medium, int(octets), rate) for octets in each.tolist()] for each in (asked, answered)
        )
        kept = [
            kept_frac(medium, int(there)) * kept_frac(medium, int(back))
            for there, back in zip(asked.tolist(), answered.tolist(), strict=True)
        ]
        loss = 1.0 - np.array(kept) ** self.hops
        quoted_s = (medium.access_median_s, medium.access_p95_s, medium.access_p99_s)
        self._access = Spread(quoted_s, medium.access_max_s)
        # What a draw is above the share that is lost is spread as evenly as a draw: it makes the turn-around.
        turn_s = (medium.turnaround_max_s - medium.turnaround_min_s) / np.maximum(1.0 - loss, _SHARE)
        passing_s = self._there_s + self._back_s + medium.turnaround_min_s - turn_s * loss
        self._numbers = self._back_s, passing_s, turn_s, loss
        self._hops_max = int(self.hops.max(initial=0))

    @property
    def nominal_s(self) -> Floats:
        medium = self._medium
        turn_s = (medium.turnaround_min_s + medium.turnaround_max_s) / 2.0
        return self._there_s + self._back_s + 2.0 * self.hops * medium.access_median_s + turn_s

    def drawn(self, keys: Keys, counter: int, which: Indices) -> Drawn:
        drawn = bits(keys, counter)
        share = drawn * _SHARE
        back_s, passing_s, turn_s, loss = (each.take(which) for each in self._numbers)
        access_s = self._access.drawn(sixteen(drawn, _BACK))
        there_s = self._access.drawn(sixteen(drawn, _THERE))
        for hop in range(1, self._hops_max):
            far = np.flatnonzero(self.hops[which] > hop)
            drawn = bits(keys[far] ^ _HOPS[hop], counter)
            access_s[far] += self._access.drawn(sixteen(drawn, _BACK))
            there_s[far] += self._access.drawn(sixteen(drawn, _THERE))
        return Drawn(passing_s + turn_s * share + there_s + access_s, back_s + access_s, share < loss)


class ModemWay:
    """Exchanges over a medium that each device is on with a modem of its own, by TCP, which repeats what is lost.

    ``every_s`` is how long a device is left alone between two exchanges: its modem may fall asleep.
    """

    def __init__(self, medium: Medium, asked: Floats, answered: Floats, every_s: Floats) -> None:
        self._medium = medium
        self._there_s = _passed_s(asked, medium.rate_down_bit_s)
        self._back_s = _passed_s(answered, medium.rate_up_bit_s)
        self._latency_there, self._latency_back = latency(medium, "to_device"), latency(medium, "to_master")
        self._wake = np.zeros((2, len(asked)))
        for sleep in medium.sleeps:
            asleep = every_s >= sleep.after_s
            self._wake[:, asleep] = [[sleep.wake_min_s], [sleep.wake_max_s]]
        self._sleeps = anywhere(self._wake)
        self._loss = medium.loss_frac * (2.0 - medium.loss_frac)
        """Of exchanges, how many lose something on one of their ways."""

    @property
    def nominal_s(self) -> Floats:
        wake_s: Floats = self._wake.mean(axis=0)
        return self._there_s + self._back_s + 2.0 * self._medium.floor_s + wake_s

    def drawn(self, keys: Keys, counter: int, which: Indices) -> Drawn:
        drawn = bits(keys, counter)
        there_s = self._there_s.take(which) + self._latency_there.drawn_for(sixteen(drawn, _THERE))
        back_s = self._back_s.take(which) + self._latency_back.drawn_for(sixteen(drawn, _BACK))
        self._repeat(keys, counter, drawn, there_s, back_s)
        if self._sleeps:
            asleep = np.flatnonzero(self._wake[1, which])
            wake_min_s, wake_max_s = self._wake[:, which[asleep]]
            there_s[asleep] += wake_min_s + (wake_max_s - wake_min_s) * uniform(keys[asleep], counter, "wake")
        return Drawn(there_s + back_s, back_s, np.zeros(len(which), dtype=bool))

    def _repeat(self, keys: Keys, counter: int, drawn: Keys, there_s: Floats, back_s: Floats) -> None:
        """Have those take longer of which something is lost, there or back, by what TCP waits before it repeats it."""
        loss = self._medium.loss_frac
        if not loss:
            return
        share = drawn * _SHARE
        some = np.flatnonzero(share < self._loss)
        if not len(some):
            return
        lost_there = share[some] < loss
        # Where it is the way back that loses something for certain, nothing is lost on the way there.
        repeats_there = lost_there * (1.0 + self._further(keys[some], counter, "lost there"))
        repeats_back = ~lost_there + self._further(keys[some], counter, "lost back")
        there_s[some] += RTO_MIN_S * (2.0**repeats_there - 1.0)
        back_s[some] += RTO_MIN_S * (2.0**repeats_back - 1.0)

    def _further(self, keys: Keys, counter: int, stream: str) -> Floats:
        """How often each of some messages is lost before it passes."""
        times: Floats = np.floor(np.log(uniform(keys, counter, stream) + 2.0**-54) / log(self._medium.loss_frac))
        return times


class NoWay:
    """Exchanges over nothing, which take no time."""

    def __init__(self, n: int) -> None:
        self.nominal_s = np.zeros(n)

    def drawn(self, keys: Keys, counter: int, which: Indices) -> Drawn:
        return Drawn(np.zeros(len(which)), np.zeros(len(which)), np.zeros(len(which), dtype=bool))


def way(
    medium_name: str,
    rate_bit_s: float | None,
    keys: Keys,
    asked: Floats,
    answered: Floats,
    every_s: Floats | None = None,
) -> Way:
    """Return what lies between a station and its devices, for requests to devices with these ``keys``.

    ``every_s`` is after what time each request comes again; without, modems are taken to be awake.
    """
    if medium_name == NONE:
        return NoWay(len(asked))
    if medium_name in SHARED:
        return SharedWay(shared_medium(medium_name), keys, asked, answered, rate_bit_s)
    return ModemWay(medium(medium_name), asked, answered, np.zeros(len(asked)) if every_s is None else every_s)


def _passed_s(octets: Floats, rate_bit_s: float) -> Floats:
    return np.array([passing(int(each), rate_bit_s) for each in octets.tolist()])


def hops(medium: SharedMedium, keys: Keys) -> Floats:
    """Return how many hops each device is away, 1 to ``HOPS_MAX``."""
    further = np.cumsum([getattr(medium, f"hops_{k}_frac") for k in range(HOPS_MAX, 1, -1)])
    away: Floats = 1.0 + (uniform(keys, 0, "hops")[:, None] < further).sum(axis=1)
    return away
