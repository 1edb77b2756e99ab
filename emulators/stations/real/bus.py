"""A bus on which one exchange is under way at a time: requests to devices, repeated after a time-out, and answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from pilotfarm.emulators.contracts.asking import Master, Order
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.errors import NoAnswer, PointError
from pilotfarm.emulators.stations.real.device_end import DeviceEnd


@dataclass(slots=True, eq=False)
class Peer:
    """A device as its station reaches it: on a line, or by a connection that is made when it is asked."""

    name: str
    master: Master
    end: DeviceEnd
    known: dict[str, float]
    """What is known of its quantities."""
    line: Engine | None = None
    connect: Callable[[float], Engine] | None = None
    _connection: Engine | None = None

    def ask(self, message: Any, now_s: float) -> Engine:
        """Send a request."""
        way = self.line or self._connected(now_s)
        way.receive(self.master.ask(message), now_s)
        return way

    def give_up(self, now_s: float) -> None:
        """End a connection on which nobody answers; the next request is made on a new one."""
        if self._connection is not None:
            self._connection.hang_up(now_s)
            self._connection = None

    def _connected(self, now_s: float) -> Engine:
        if self._connection is None or self._connection.closed:
            assert self.connect is not None, "who is on no line is connected to"
            self._connection = self.connect(now_s)
        return self._connection


@dataclass(slots=True, eq=False)
class Errand:
    """Messages to a device, one after the other until one is refused, or not answered in so many ``tries``."""

    peer: Peer
    messages: Sequence[Any]
    tries: int
    ended: Callable[[Errand], None]
    order: Order | None = None
    answers: list[bytes] = field(default_factory=list)
    tried: int = 0
    """How often the message has been sent that is not answered yet."""
    error: PointError | None = None


class Bus:
    """The exchanges of a station with the devices of a bus. Times are site seconds."""

    def __init__(self, timeout_s: float, start_s: float) -> None:
        self._timeout_s = timeout_s
        self.now_s = start_s
        self._polls: deque[Errand] = deque()
        self._commands: deque[Errand] = deque()
        self._current: Errand | None = None
        self._way: Engine | None = None
        self._look_s = self._until_s = inf

    @property
    def polling(self) -> bool:
        """Whether polls wait or are under way."""
        return bool(self._polls) or (self._current is not None and self._current.order is None)

    @property
    def commanding(self) -> bool:
        """Whether commands wait or are under way."""
        return bool(self._commands) or (self._current is not None and self._current.order is not None)

    def poll(self, errand: Errand) -> None:
        self._polls.append(errand)

    def command(self, errand: Errand) -> None:
        """Have an errand wait for the exchange that is under way, and for commands before it."""
        self._commands.append(errand)

    def restart(self, now_s: float) -> None:
        """End what waits and is under way; connections too."""
        ended = [*([self._current] if self._current else ()), *self._commands]
        self._polls.clear()
        self._commands.clear()
        self._current = self._way = None
        for errand in ended:
            errand.peer.give_up(self.now_s)
            if errand.order is not None:
                errand.error = NoAnswer("the station has begun anew")
                errand.ended(errand)
        self.now_s = max(self.now_s, now_s)

    def due_s(self) -> float:
        """When something happens next; infinity while nothing is under way."""
        if self._way is None:
            return inf
        deadline_s = self._way.deadline_s()
        return min(self._until_s, self._look_s, inf if deadline_s is None else deadline_s)

    def advance(self, to_s: float, polls_until_s: float) -> None:
        """Have everything happen up to and with ``to_s``; no poll begins at ``polls_until_s`` or later."""
        while self._current is not None or self._begin(polls_until_s):
            at_s = max(self.due_s(), self.now_s)
            if at_s > to_s:
                break
            self.now_s = at_s
            self._happen()
        self.now_s = max(self.now_s, to_s)

    def _begin(self, polls_until_s: float) -> bool:
        if self._commands:
            self._current = self._commands.popleft()
        elif self._polls and self.now_s < polls_until_s:
            self._current = self._polls.popleft()
        else:
            return False
        self._send(self._current)
        return True

    def _send(self, errand: Errand) -> None:
        errand.tried += 1
        errand.peer.end.order = errand.order
        self._way = errand.peer.ask(errand.messages[len(errand.answers)], self.now_s)
        self._look_s, self._until_s = self.now_s, self.now_s + self._timeout_s

    def _happen(self) -> None:
        errand, way = self._current, self._way
        assert errand is not None
        assert way is not None
        self._look_s = inf
        way.advance(self.now_s)
        octets = way.take_output()
        answer = errand.peer.master.hear(octets) if octets else None
        if answer is not None:
            self._answered(errand, answer)
        elif self.now_s >= self._until_s:
            self._timed_out(errand)

    def _answered(self, errand: Errand, answer: bytes) -> None:
        errand.error = errand.peer.master.refusal(answer)
        errand.answers.append(answer)
        errand.tried = 0
        self._go_on(errand, errand.error is not None or len(errand.answers) == len(errand.messages))

    def _timed_out(self, errand: Errand) -> None:
        spent = errand.tried >= errand.tries
        if spent:
            errand.error = NoAnswer(f"{errand.peer.name} does not answer its station")
            errand.peer.give_up(self.now_s)
        self._go_on(errand, spent)

    def _go_on(self, errand: Errand, ended: bool) -> None:
        """Have what comes next: a command goes before the next exchange of a poll."""
        if ended:
            self._current = self._way = None
            errand.ended(errand)
        elif errand.order is None and self._commands:
            self._current = self._way = None
            self._polls.appendleft(errand)
        else:
            self._send(errand)
