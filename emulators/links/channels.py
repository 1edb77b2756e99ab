"""How long a message takes one way. A channel is told of each message in turn and says when it arrives.

None loses anything: TCP repeats what the medium loses, so that loss shows as delay and, where it lasts, as a dead
connection. All times are wall seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

import numpy as np

from pilotfarm.profiles.draws import uniform

SEGMENT_OCTETS: Final = 1_448
"""Octets of a full TCP segment on Ethernet, with time stamps (1500 - 20 - 32)."""
RTO_MIN_S: Final = 0.2
"""The first wait before TCP repeats a segment, as Linux has it; RFC 6298, 2.4 would have 1 s. Each further wait is
twice the one before (5.5)."""
RTO_MAX_S: Final = 120.0
REPEATS_MAX: Final = 15
"""How often Linux repeats a segment (tcp_retries2) before it gives the connection up."""
_WAITS_S: Final = tuple(min(RTO_MIN_S * 2.0**k, RTO_MAX_S) for k in range(REPEATS_MAX + 1))
DEAD_AFTER_S: Final = sum(_WAITS_S)
"""How long TCP tries to bring a segment over: 924.6 s, as the kernel's documentation of tcp_retries2 says."""
_BLOCK: Final = 64


class Channel(Protocol):
    """One way of a link, told of the messages in their order."""

    def arrival_s(self, octets: int, sent_s: float) -> float:
        """Return when a message arrives that is sent at ``sent_s``; infinity is never."""
        ...


class Draws:
    """Uniform draws from [0, 1) of one stream, one after the other: the same for the same key."""

    def __init__(self, key: int, stream: str) -> None:
        self._key, self._stream = np.array([key], dtype=np.uint64), stream
        self._count = 0
        self._drawn: list[float] = []

    def __call__(self) -> float:
        place = self._count % _BLOCK
        if place == 0:
            block = np.arange(self._count, self._count + _BLOCK)
            self._drawn = uniform(self._key, block, self._stream).tolist()
        self._count += 1
        return self._drawn[place]


@dataclass(slots=True)
class Delay:
    """Each message arrives ``delay_s`` later and, drawn evenly, up to ``jitter_s`` later than that."""

    delay_s: float
    jitter_s: float
    draw: Draws

    def arrival_s(self, octets: int, sent_s: float) -> float:
        late_s = self.jitter_s * self.draw() if self.jitter_s else 0.0
        return sent_s + self.delay_s + late_s


@dataclass(slots=True)
class Rate:
    """Octets go one after the other at ``bit_per_s``."""

    bit_per_s: float
    _free_s: float = -inf

    def arrival_s(self, octets: int, sent_s: float) -> float:
        self._free_s = max(sent_s, self._free_s) + 8.0 * octets / self.bit_per_s
        return self._free_s


@dataclass(slots=True)
class Gap:
    """Each message arrives ``gap_s`` after the one before at the soonest."""

    gap_s: float
    _last_s: float = -inf

    def arrival_s(self, octets: int, sent_s: float) -> float:
        self._last_s = max(sent_s, self._last_s + self.gap_s)
        return self._last_s


@dataclass(slots=True)
class Loss:
    """A share of the segments is lost and repeated.

    ``to_bad`` is how likely a good state of the medium is followed by a bad one at the next segment, ``to_good`` the
    opposite; what is sent in a bad state is lost. This is Gilbert's model (E. N. Gilbert, "Capacity of a burst-noise
    channel", Bell Syst. Tech. J. 39, 1960) with losses only in the bad state: bursts of ``1 / to_good`` segments on
    average, and a share of ``to_bad / (to_bad + to_good)`` lost. Repeats meet the states as segments do. That TCP
    repeats a segment sooner where others follow it is left out: a field message is one segment, or two.
    """

    to_bad: float
    to_good: float
    draw: Draws
    _bad: bool | None = field(default=None)

    @classmethod
    def of(cls, share: float, burst_length: float | None, draw: Draws) -> Loss:
        """Lose a share, so many in a row on average; each by itself with ``None``."""
        to_good = 1.0 - share if burst_length is None else 1.0 / burst_length
        return cls(share if burst_length is None else to_good * share / (1.0 - share), to_good, draw)

    def arrival_s(self, octets: int, sent_s: float) -> float:
        for _ in range(-(-octets // SEGMENT_OCTETS)):
            sent_s = self._repeated_until_s(sent_s)
        return sent_s

    def _repeated_until_s(self, sent_s: float) -> float:
        for wait_s in _WAITS_S:
            if not self._loses():
                return sent_s
            sent_s += wait_s
        return inf

    def _loses(self) -> bool:
        if self._bad is None:
            self._bad = self.draw() * (self.to_bad + self.to_good) < self.to_bad
        elif self._bad:
            self._bad = self.draw() >= self.to_good
        else:
            self._bad = self.draw() < self.to_bad
        return self._bad


@dataclass(slots=True)
class Flapping:
    """The medium is up for ``up_s``, then down for ``down_s``, and so on; what is sent meanwhile waits.

    In step with the wall clock, so that all that flap alike do so together.
    """

    up_s: float
    down_s: float

    def arrival_s(self, octets: int, sent_s: float) -> float:
        into_s = sent_s % (self.up_s + self.down_s)
        return sent_s if into_s < self.up_s else sent_s - into_s + self.up_s + self.down_s


@dataclass(slots=True)
class Hole:
    """Nothing arrives."""

    def arrival_s(self, octets: int, sent_s: float) -> float:
        return inf
