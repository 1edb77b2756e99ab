"""A bus behind a gateway: one exchange at a time, over a shared medium by its numbers.

Requests wait for their turn in a queue. One is heard by its device after it has passed, the device takes its
turn-around, and its answer passes back; what is lost on the way, or answered by nobody, is asked for again after a
time-out, and in the end given up. All times are wall seconds; who owns the bus calls ``advance`` by ``deadline_s``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from pilotfarm.emulators.links.chances import Chances
from pilotfarm.profiles.media.shared import SharedMedium


@dataclass(slots=True, eq=False)
class Errand:
    """A request: ``hear`` has its device answer at a time, with nothing for silence; ``deliver`` hands on that answer,
    or nothing once it is given up. Octets are those on the bus. ``timeout_s`` is how long an answer is waited for where
    that is another time than the bus's."""

    octets: int
    hear: Callable[[float], bytes | None]
    deliver: Callable[[bytes | None], None]
    answered_octets: Callable[[bytes], int] = len
    timeout_s: float | None = None
    tries: int = 0


class _Event(Enum):
    HEARD = auto()
    ANSWERED = auto()
    TIMED_OUT = auto()


class Bus:
    """What stands behind one gateway."""

    def __init__(
        self, medium: SharedMedium, key: int, *, rate_bit_s: float, timeout_s: float, retries: int, queue_max: int
    ) -> None:
        self._chances = Chances(medium, key, rate_bit_s)
        self._timeout_s, self._retries, self._queue_max = timeout_s, retries, queue_max
        self._waiting: deque[Errand] = deque()
        self._current: Errand | None = None
        self._answer: bytes | None = None
        self._event = _Event.TIMED_OUT
        self._at_s = self._until_s = inf

    def ask(self, errand: Errand, now_s: float) -> bool:
        """Take a request for its turn; ``False`` if so many wait already that there is no room."""
        self.advance(now_s)
        if len(self._waiting) >= self._queue_max:
            return False
        self._waiting.append(errand)
        if self._current is None:
            self._next(now_s)
        return True

    def forget(self, errands: Collection[Errand]) -> None:
        """Drop requests whose turn has not come; one that is under way is not repeated."""
        self._waiting = deque(each for each in self._waiting if each not in errands)
        for each in errands:
            each.tries = self._retries + 1

    def deadline_s(self) -> float | None:
        """When ``advance`` is next needed; ``None`` while nothing is asked."""
        return None if self._current is None else self._at_s

    def advance(self, now_s: float) -> None:
        """Let everything happen that is due."""
        while self._current is not None and self._at_s <= now_s:
            self._happen(self._current, self._at_s)

    def _happen(self, errand: Errand, at_s: float) -> None:
        if self._event is _Event.HEARD:
            self._answer = errand.hear(at_s)
            octets = 0 if self._answer is None else errand.answered_octets(self._answer)
            back_s = inf if self._answer is None or self._chances.loses(octets) else self._chances.passed_s(octets)
            answered = at_s + back_s <= self._until_s
            self._wait(_Event.ANSWERED if answered else _Event.TIMED_OUT, min(at_s + back_s, self._until_s))
        elif self._event is _Event.ANSWERED:
            self._finish(errand, self._answer, at_s)
        elif errand.tries <= self._retries:
            self._send(errand, at_s)
        else:
            self._finish(errand, None, at_s)

    def _finish(self, errand: Errand, answer: bytes | None, at_s: float) -> None:
        self._current = self._answer = None
        errand.deliver(answer)
        self._next(at_s)

    def _next(self, at_s: float) -> None:
        if self._waiting:
            self._current = self._waiting.popleft()
            self._send(self._current, at_s)

    def _send(self, errand: Errand, at_s: float) -> None:
        errand.tries += 1
        passed_s = at_s + self._chances.passed_s(errand.octets)
        self._until_s = passed_s + (self._timeout_s if errand.timeout_s is None else errand.timeout_s)
        if self._chances.loses(errand.octets):
            self._wait(_Event.TIMED_OUT, self._until_s)
        else:
            self._wait(_Event.HEARD, passed_s + self._chances.turnaround_s())

    def _wait(self, event: _Event, at_s: float) -> None:
        self._event, self._at_s = event, at_s
