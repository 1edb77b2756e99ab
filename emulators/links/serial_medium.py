"""A line that devices share, as their master meets it: one talks at a time, and what is damaged is silence.

A *transmission* is what one side says without a silence in it. It waits for its turn, passes at the line's rate, and
is heard once its last octet has passed; the device takes its turn-around before it does anything. All times are wall
seconds.

A frame that is lost, or in which a bit is wrong, is heard by nobody: its parity, its check or its sum is wrong, and a
receiver drops it. How many wrong bits a check may let pass is the protocol's; here none do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import inf
from typing import Final

from pilotfarm.emulators.contracts.line import SerialLine
from pilotfarm.emulators.contracts.way import Bites, Engine
from pilotfarm.emulators.links.chances import Chances
from pilotfarm.profiles.media.shared import SharedMedium, silence_s

HELD_MAX_OCTETS: Final = 4_096
"""Octets of a master that may be under way; more are lost, as when a receiver is overrun."""


class SharedLine:
    """An engine at the far end of a shared medium; it is a ``Link``.

    ``rate_bit_s`` is infinite where octets take their time on a wire of their own. ``bites`` counts transmissions that
    were lost.
    """

    __slots__ = (
        "_answered_s",
        "_answers_from_s",
        "_chances",
        "_deaf",
        "_held",
        "_inward",
        "_medium",
        "_open",
        "_outward",
        "_rate",
        "_ready",
        "_said_s",
        "_turn_s",
        "bites",
        "inner",
    )

    def __init__(self, inner: Engine, medium: SharedMedium, rate_bit_s: float, key: int) -> None:
        self.inner = inner
        self.bites = Bites()
        self._medium, self._rate = medium, rate_bit_s
        self._chances = Chances(medium, key, rate_bit_s)
        self._inward: deque[tuple[float, bytes]] = deque()
        self._outward: deque[tuple[float, bytes]] = deque()
        """When each transmission has come, the first to come first."""
        self._held = 0
        self._said_s = self._answers_from_s = self._answered_s = -inf
        """When the last octet passes of what the master has said; from when until when the device talks."""
        self._turn_s = 0.0
        self._deaf = False
        """Whether what the master is saying is lost."""
        self._ready = b""
        self._open = False

    @property
    def closed(self) -> bool:
        return self.inner.closed and not self._outward and not self._ready

    def receive(self, data: bytes, now_s: float) -> None:
        if self._open:
            self.inner.receive(data, now_s)
            return
        self.advance(now_s)
        if now_s > self._said_s + silence_s(self._medium, self._rate):
            self._deaf = False
            self._turn_s = self._chances.turnaround_s()
            self._said_s = now_s + self._chances.passed_s(len(data))
        else:
            self._said_s += len(data) * self._medium.character_bits / self._rate
        if self._answers_from_s <= now_s < self._answered_s:
            self._outward.clear()  # both talk, and nobody is understood
            self._deaf = True
        if self._held + len(data) > HELD_MAX_OCTETS or self._chances.loses(len(data)):
            self._deaf = True
        if self._deaf:
            self.bites.count += 1
            return
        self._held += len(data)
        self._inward.append((self._said_s + self._turn_s, data))

    def advance(self, now_s: float) -> None:
        while self._inward and self._inward[0][0] <= now_s and not self.inner.closed:
            heard_s, data = self._inward.popleft()
            self._held -= len(data)
            self.inner.receive(data, heard_s)
            self._answer(heard_s)
        self.inner.advance(now_s)
        self._answer(now_s)
        while self._outward and self._outward[0][0] <= now_s:
            self._ready += self._outward.popleft()[1]

    def deadline_s(self) -> float | None:
        due = [way[0][0] for way in (self._inward, self._outward) if way]
        inner_s = self.inner.deadline_s()
        return min(due if inner_s is None else [*due, inner_s], default=None)

    def take_output(self) -> bytes:
        output, self._ready = self._ready, b""
        return output

    def hang_up(self, now_s: float) -> None:
        """The line is gone, and what is on it."""
        self.inner.hang_up(now_s)

    def let_go(self, now_s: float) -> None:
        self._open = True
        self._inward = deque((now_s, data) for _, data in self._inward)
        self._outward = deque((now_s, data) for _, data in self._outward)
        self.advance(now_s)

    def _answer(self, at_s: float) -> None:
        """Have the device say what it has to say, once nobody else talks."""
        output = self.inner.take_output()
        if not output:
            return
        if self._open:
            self._outward.append((at_s, output))
            return
        begin_s = max(at_s, self._said_s, self._answered_s) + self._chances.access_s()
        self._answers_from_s, self._answered_s = begin_s, begin_s + self._chances.passing_s(len(output))
        if self._chances.loses(len(output)):
            self.bites.count += 1
            return
        self._outward.append((self._answered_s, output))


def on_line(inner: Engine, medium: SharedMedium, line: SerialLine, key: int) -> SharedLine:
    """Put an engine behind a medium, which on a serial line has the line's own rate and characters.

    On a line that is ``paced`` octets take their time on the wire itself.
    """
    if not medium.serial:
        return SharedLine(inner, medium, medium.rate_bit_s, key)
    medium = replace(medium, character_bits=float(line.character_bits))
    return SharedLine(inner, medium, inf if line.paced else float(line.baud_rate), key)
