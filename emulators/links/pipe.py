"""A link that takes time: bytes go in on one side and come out on the other, all of them and in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from pilotfarm.emulators.contracts.way import Bites, Engine
from pilotfarm.emulators.links.channels import DEAD_AFTER_S, Channel

HELD_MAX_BYTES: Final = 256 * 1024
"""Maximum number of bytes under way in one direction; a peer that sends more is cut, as one that does not read is."""


class _Way:
    """One direction: what is under way, the first to arrive first."""

    __slots__ = ("_channels", "_held", "_piece_octets", "_under_way")

    def __init__(self, channels: Sequence[Channel], piece_octets: int) -> None:
        self._channels = channels
        self._piece_octets = piece_octets
        self._under_way: deque[tuple[float, float, bytes]] = deque()
        """When each arrives, when it was sent, and what it is. TCP hands on in order: the first holds up the rest."""
        self._held = 0

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def overfull(self) -> bool:
        return self._held > HELD_MAX_BYTES

    def send(self, data: bytes, now_s: float) -> int:
        """Take bytes; return in how many pieces a channel has them, none without a channel."""
        self._held += len(data)
        size = self._piece_octets if self._piece_octets else len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            arrival_s = now_s
            for channel in self._channels:
                arrival_s = channel.arrival_s(len(piece), arrival_s)
            self._under_way.append((arrival_s, now_s, piece))
        return len(range(0, len(data), size)) if self._channels else 0

    def arrived(self, now_s: float) -> bytes | None:
        """Return the next that has arrived, if anything has."""
        if not self._under_way or self._under_way[0][0] > now_s:
            return None
        data = self._under_way.popleft()[2]
        self._held -= len(data)
        return data

    def deadline_s(self) -> float | None:
        """When the next arrives, or TCP gives up."""
        if not self._under_way:
            return None
        arrival_s, sent_s, _ = self._under_way[0]
        return min(arrival_s, sent_s + DEAD_AFTER_S)

    def given_up(self, now_s: float) -> bool:
        return bool(self._under_way) and now_s >= self._under_way[0][1] + DEAD_AFTER_S

    def forget(self) -> None:
        """Let what is under way arrive nowhere."""
        self._under_way.clear()
        self._held = 0

    def open(self, now_s: float) -> None:
        """Have all that is under way arrive at once, and what comes from now on too."""
        self._channels, self._piece_octets = (), 0
        self._under_way = deque((now_s, sent_s, data) for _, sent_s, data in self._under_way)


class Pipe:
    """A link of two ways, each of channels one after the other; it is a ``Link``.

    With ``piece_octets`` a message arrives in pieces of that size. What is under way to the device when its master
    hangs up has been sent, and arrives at once. A connection that brings a message over for ``DEAD_AFTER_S`` in vain,
    or has more than ``HELD_MAX_BYTES`` under way, is closed.
    """

    __slots__ = ("_dead", "_inward", "_outward", "_ready", "bites", "inner")

    def __init__(
        self, inner: Engine, inward: Sequence[Channel], outward: Sequence[Channel], *, piece_octets: int = 0
    ) -> None:
        self.inner = inner
        self.bites = Bites()
        self._inward = _Way(inward, piece_octets if inward else 0)
        self._outward = _Way(outward, piece_octets if outward else 0)
        self._ready = b""
        self._dead = False

    @property
    def closed(self) -> bool:
        return self._dead or (self.inner.closed and not self._outward and not self._ready)

    def receive(self, data: bytes, now_s: float) -> None:
        self.bites.count += self._inward.send(data, now_s)
        self.advance(now_s)

    def advance(self, now_s: float) -> None:
        while not self.inner.closed and (data := self._inward.arrived(now_s)) is not None:
            self.inner.receive(data, now_s)
        if self.inner.closed:
            self._inward.forget()
        self.inner.advance(now_s)
        self._hand_on(now_s)
        self._dead |= any(way.overfull or way.given_up(now_s) for way in (self._inward, self._outward))

    def deadline_s(self) -> float | None:
        due = (self._inward.deadline_s(), self._outward.deadline_s(), self.inner.deadline_s())
        return min((each for each in due if each is not None), default=None)

    def take_output(self) -> bytes:
        output, self._ready = self._ready, b""
        return output

    def hang_up(self, now_s: float) -> None:
        self._inward.open(now_s)
        self.advance(now_s)
        self.inner.hang_up(now_s)

    def let_go(self, now_s: float) -> None:
        for way in (self._inward, self._outward):
            way.open(now_s)
        self.advance(now_s)

    def _hand_on(self, now_s: float) -> None:
        output = self.inner.take_output()
        if output:
            self.bites.count += self._outward.send(output, now_s)
        pieces = [self._ready]
        while (data := self._outward.arrived(now_s)) is not None:
            pieces.append(data)
        self._ready = b"".join(pieces)
