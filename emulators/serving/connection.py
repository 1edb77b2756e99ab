"""One master: its transport on one side, its engine on the other, and links around the engine.

Bytes and the time go into the engine, bytes come out. A peer that does not read is not read from, and is cut after
``STALL_S``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, cast

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.way import Admission, Engine, Link, Severing
from pilotfarm.emulators.serving.capture import Capture
from pilotfarm.emulators.serving.histogram import LATENCIES_S, Histogram
from pilotfarm.emulators.serving.transports import reset

OUTPUT_HIGH_BYTES: Final = 256 * 1024
"""Bytes waiting for a peer above which it is no longer read from, and events stay in its engine."""
STALL_S: Final = 30.0
"""How long a peer may leave its bytes unread."""

TIMED_EVERY: Final = 16
"""Of so many reads of a protocol one is timed: to time each would make a short request a third slower."""

Wrap: TypeAlias = Callable[[Engine, int, float], Link]
"""Puts a link around an engine, given the connection's number and the time."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """What happened at one protocol's listeners since the start."""

    accepted: int = 0
    refused: int = 0
    no_room: int = 0
    gave_way: int = 0
    cut: int = 0
    stalled: int = 0
    closed_by_engine: int = 0
    open: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    reads: int = 0
    """Times that bytes came, as the system handed them over."""
    answer_times: Histogram = field(default_factory=lambda: Histogram(LATENCIES_S))
    """From bytes coming to an answer being handed over, of one read in ``TIMED_EVERY``, if it has an answer."""


class Host(Protocol):
    """The listener a connection came to."""

    @property
    def address(self) -> str: ...
    @property
    def admission(self) -> Admission: ...
    @property
    def links(self) -> Mapping[int, Wrap]: ...
    @property
    def captures(self) -> Collection[Capture]:
        """Who is shown what connections say and hear."""
        ...

    @property
    def sparing(self) -> Collection[int]:
        """Which of the links a connection does not get that comes now."""
        ...

    def engine(self, connection: Connection, now_s: float) -> Engine:
        """Make the engine of a connection that has just come up."""
        ...

    def left(self, connection: Connection) -> None: ...
    def forget(self, connection: Connection) -> None:
        """The device has a connection no longer, and its peer is not told."""
        ...


class Connection(asyncio.Protocol):
    """A master that was let in."""

    __slots__ = (
        "_clock",
        "_counters",
        "_engine",
        "_host",
        "_links",
        "_spared",
        "_stall",
        "_timer",
        "_timer_s",
        "_transport",
        "number",
        "peer",
        "used_s",
    )

    def __init__(self, host: Host, peer: str, number: int, counters: Counters, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._counters = counters
        self.peer = peer
        self.number = number
        self.used_s = clock.now_s()
        """When the peer last sent something."""
        self._transport: asyncio.Transport | None = None
        self._engine: Engine | None = None
        self._links: dict[int, Link] = {}
        """The innermost first."""
        self._spared: Collection[int] = ()
        """Links that were there when it came, and leave it alone."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave as asyncio.Transport without deriving from it.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=OUTPUT_HIGH_BYTES)
        self._counters.open += 1
        if self._host.admission.shut:  # it was not, when the peer came
            self.abort()
            return
        now_s = self._clock.now_s()
        self._engine = self._host.engine(self, now_s)
        self._spared = self._host.sparing
        for capture in self._host.captures:
            capture.began(self, self.peer, self._host.address, now_s)
        self.link(self._host.links)
        self._flush(now_s)

    def data_received(self, data: bytes) -> None:
        if self._engine is None:
            return
        counters = self._counters
        counters.bytes_in += len(data)
        counters.reads = reads = counters.reads + 1
        self.used_s = now_s = self._clock.now_s()
        for capture in self._host.captures:
            capture.said(self, self.peer, self._host.address, data, now_s, inbound=True)
        before = counters.bytes_out if reads % TIMED_EVERY == 1 else -1
        self._engine.receive(data, now_s)
        self._flush(now_s)
        if 0 <= before < counters.bytes_out:
            counters.answer_times.take(self._clock.now_s() - now_s)

    def pump(self, now_s: float) -> None:
        """Fire due timers and send what the engine has."""
        if self._engine is not None and self._stall is None:
            self._engine.advance(now_s)
            self._flush(now_s)

    def link(self, links: Mapping[int, Wrap]) -> None:
        """Have these links and no others around the engine; one that goes hands on what it holds."""
        now_s = self._clock.now_s()
        for number in [number for number in self._links if number not in links]:
            self._unlink(number, now_s)
        for number, wrap in links.items():
            if self._engine is not None and number not in self._links and number not in self._spared:
                self._engine = self._links[number] = link = wrap(self._engine, self.number, now_s)
                if isinstance(link, Severing) and link.forgotten:
                    self._host.forget(self)
                self._flush(now_s)

    def _unlink(self, number: int, now_s: float) -> None:
        link = self._links[number]
        link.let_go(now_s)
        if self._engine is not None:
            self._engine.advance(now_s)  # the links around it take what it has handed on
        self._flush(now_s)
        del self._links[number]
        around = next((other for other in self._links.values() if other.inner is link), None)
        if around is not None:
            around.inner = link.inner
        elif self._engine is link:
            self._engine = link.inner
        self._flush(now_s)

    def pause_writing(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        self._stall = asyncio.get_running_loop().call_later(STALL_S, self._stalled)

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self.pump(self._clock.now_s())

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in (self._timer, self._stall):
            if handle is not None:
                handle.cancel()
        self._timer = self._stall = None
        self._counters.open -= 1
        for capture in self._host.captures:
            capture.ended(self, self._clock.now_s(), reset=False)
        self._host.left(self)
        if self._engine is not None:
            self._engine.hang_up(self._clock.now_s())
            self._engine = None
        self._transport = None

    @property
    def up(self) -> bool:
        """Whether the peer has been let in, and nobody is closing the connection."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def give_way(self) -> None:
        """Close now, even if the peer takes nothing any more."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            self.abort()
        else:
            self.close()

    def abort(self) -> None:
        """Reset: the peer learns at once, and of nothing that it has not been sent yet."""
        if self._transport is not None:
            for capture in self._host.captures:
                capture.ended(self, self._clock.now_s(), reset=True)
            reset(self._transport)

    @property
    def _resets(self) -> bool:
        return any(isinstance(link, Severing) and link.resets for link in self._links.values())

    def _flush(self, now_s: float) -> None:
        engine, transport = self._engine, self._transport
        if engine is None or transport is None or transport.is_closing():
            return
        output = engine.take_output()
        if output:
            self._counters.bytes_out += len(output)
            transport.write(output)
            for capture in self._host.captures:
                capture.said(self, self.peer, self._host.address, output, now_s, inbound=False)
        if engine.closed:
            self._counters.closed_by_engine += 1
            if self._resets:
                self.abort()
            else:
                transport.close()
            return
        deadline_s = engine.deadline_s()
        if deadline_s is not None and (self._timer is None or deadline_s < self._timer_s):
            if self._timer is not None:
                self._timer.cancel()
            self._wait(deadline_s, now_s)

    def _wait(self, deadline_s: float, now_s: float) -> None:
        self._timer_s = deadline_s
        self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline_s - now_s), self._due)

    def _due(self) -> None:
        # A deadline that moved on meanwhile costs one early call; moving the timer at each frame would cost more.
        now_s = self._clock.now_s()
        if now_s < self._timer_s:  # the loop counts whole milliseconds, and media have shorter times
            self._wait(self._timer_s, now_s)
            return
        self._timer = None
        self.pump(now_s)

    def _stalled(self) -> None:
        log.warning("%s: %s has not read for %g s; cut", self._host.address, self.peer, STALL_S)
        self._counters.stalled += 1
        self.abort()
