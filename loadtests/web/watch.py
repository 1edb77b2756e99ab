"""Bounds of a server of HTTP, and the time they are measured in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

REQUESTS_MAX: Final = 128
_TICK_MAX_S: Final = 0.5

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server gives to its clients at most.

    Connections and requests have bounds of their own: a connection is no work until a request has come whole.
    """

    connections_max: int = 512
    """Beyond it, who has been waited for longest gives way to a newcomer."""
    requests_max: int = REQUESTS_MAX
    """Requests at work, without event streams and without those whose body has not come whole."""
    arrival_s: float = 10.0
    """How long a request may take to arrive, from its first byte or from the connection's start ..."""
    arrival_bytes_per_s: float = 10_000.0
    """... and more for a long one, at this many bytes a second (as Apache's mod_reqtimeout counts its MinRate)."""
    stall_s: float = 30.0
    """How long a peer may read nothing of an answer, as masters may."""
    bodies_max_bytes: int = 64_000_000
    """What all bodies that have not been answered hold together, each without its first ``BODY_FREE_BYTES``."""
    unsent_max_bytes: int = 64_000_000
    """What waits in all answers together; beyond it, who has read nothing for longest is cut."""

    @classmethod
    def of(cls, connections_max: int) -> Bounds:
        """Return the bounds where no more than ``connections_max`` descriptors can be had."""
        return cls(connections_max=connections_max, requests_max=min(REQUESTS_MAX, connections_max // 2))

    def __post_init__(self) -> None:
        assert self.requests_max < self.connections_max, "somebody must be able to give way"


class Watch(Generic[C]):
    """A server's bounds, who waits for a request, and a clock that stands while the server itself is busy.

    A peer is not late because a long step of the farm kept the event loop from reading what it had sent.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.now_s = 0.0
        self._seen_s: float | None = None
        self._lines: tuple[OrderedDict[C, None], OrderedDict[C, None]] = (OrderedDict(), OrderedDict())

    def tick(self, loop_s: float) -> None:
        """Move on with the event loop's time, which is asked for several times a second."""
        if self._seen_s is not None:
            self.now_s += min(loop_s - self._seen_s, _TICK_MAX_S)
        self._seen_s = loop_s

    def line_up(self, connection: C, served: bool) -> None:
        """Have a connection wait from now on, beside those that were served before or those that never were."""
        self.leave(connection)
        self._lines[served][connection] = None

    def leave(self, connection: C) -> None:
        for line in self._lines:
            line.pop(connection, None)

    def longest(self) -> C | None:
        """Return who has waited for longest; who was never served comes before all others."""
        return next((connection for line in self._lines for connection in line), None)
