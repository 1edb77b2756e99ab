"""The only module with sockets: a listener an address, a connection a master, and bounds on both.

Listeners are plain sockets watched by the event loop, which keeps ten thousand of them cheap; an
accepted connection becomes a transport. Bytes and the time go into the connection's engine, bytes
come out. A peer that does not read is not read from, and is cut after ``STALL_S``.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.protocol import Engine, Station
from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.faults.device import OFFLINE_MODES
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.site.layout import StationLayout, TcpEndpoint

BACKLOG: Final = 128
OUTPUT_HIGH_BYTES: Final = 256 * 1024
"""Bytes waiting for a peer above which it is no longer read from, and events stay in its engine."""
STALL_S: Final = 30.0
"""How long a peer may leave its bytes unread."""
ACCEPTS_A_TURN: Final = 64
_SPARE_DESCRIPTORS: Final = 256

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """What happened at one protocol's listeners since the start."""

    accepted: int = 0
    refused: int = 0
    cut: int = 0
    stalled: int = 0
    closed_by_engine: int = 0
    open: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(slots=True, eq=False)
class _Listener:
    layout: StationLayout
    station: Station
    devices: Sequence[tuple[str, str]]
    """Group and id of the devices behind the address."""
    max_connections: int
    spontaneous: bool
    sock: socket.socket | None = None
    connections: set[_Connection] = field(default_factory=set)
    cutting: bool = False

    @property
    def address(self) -> str:
        return self.layout.endpoint.label


class Server:
    """Every listener of a farm. ``start`` brings all of them up or none."""

    def __init__(self, farm: Farm, images: Images, clock: Clock) -> None:
        self._farm = farm
        self._clock = clock
        self._listeners = [_listener(farm, layout, station) for layout, station in images.stations]
        self._talkative: set[_Connection] = set()
        self._accepting: set[asyncio.Task[object]] = set()
        self._afflicted: set[int] = set()
        self.counters = {layout.protocol: Counters() for layout, _ in images.stations}

    @property
    def listening(self) -> int:
        return sum(listener.sock is not None for listener in self._listeners)

    async def start(self) -> None:
        """Listen at every address; ``ConfigError`` names each that cannot be had, and nothing stays open."""
        _raise_descriptor_limit(len(self._listeners))
        problems = []
        for listener in self._listeners:
            try:
                self._open(listener)
            except OSError as error:
                problems.append(_explained(listener, error))
                if error.errno == errno.EMFILE:
                    break
        if problems:
            for listener in self._listeners:
                self._shut(listener)
            raise ConfigError(problems)

    async def stop(self) -> None:
        """Close every listener and connection; what was already handed to the system is still sent."""
        for listener in self._listeners:
            self._shut(listener)
            for connection in list(listener.connections):
                connection.close()
        for task in list(self._accepting):
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)

    def after_step(self) -> None:
        """Cut and restore what faults took off the network; send what engines have of their own accord."""
        self._apply_offline()
        now_s = self._clock.now_s()
        for connection in list(self._talkative):
            connection.pump(now_s)

    # -------------------------------------------------------------------------------- listeners

    def _open(self, listener: _Listener) -> None:
        endpoint = listener.layout.endpoint
        assert isinstance(endpoint, TcpEndpoint), f"nothing answers on {endpoint.label} yet"
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((endpoint.host, endpoint.port))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        listener.sock = sock
        asyncio.get_running_loop().add_reader(sock.fileno(), self._accept, listener)

    def _shut(self, listener: _Listener) -> None:
        if listener.sock is not None:
            asyncio.get_running_loop().remove_reader(listener.sock.fileno())
            listener.sock.close()
            listener.sock = None

    def _accept(self, listener: _Listener) -> None:
        counters = self.counters[listener.layout.protocol]
        for _ in range(ACCEPTS_A_TURN):
            if listener.sock is None:
                return
            try:
                sock, peer = listener.sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("%s: cannot accept: %s", listener.address, error)
                return
            if listener.cutting or len(listener.connections) >= listener.max_connections:
                counters.cut += listener.cutting
                counters.refused += not listener.cutting
                _reset(sock)
                continue
            sock.setblocking(False)
            counters.accepted += 1
            connection = _Connection(self, listener, f"{peer[0]}:{peer[1]}", counters, self._clock)
            listener.connections.add(connection)
            task = asyncio.ensure_future(self._adopt(connection, sock))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _adopt(self, connection: _Connection, sock: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
        except OSError as error:
            connection.listener.connections.discard(connection)
            sock.close()
            log.info("%s: %s went away while it connected: %s", connection.listener.address, connection.peer, error)

    # ------------------------------------------------------------------------------------ faults

    def _apply_offline(self) -> None:
        gripped = any("offline" in group.conditions for group in self._farm.groups.values())
        if not gripped and not self._afflicted:
            return
        for index, listener in enumerate(self._listeners):
            mode = self._offline_mode(listener)
            if mode or index in self._afflicted:
                self._afflict(index, listener, mode)

    def _offline_mode(self, listener: _Listener) -> float:
        """The mode all devices behind an address share; a station with a device left stays on the network."""
        modes = [self._farm.device(device).condition("offline") for _, device in listener.devices]
        return max(modes) if all(modes) else 0.0

    def _afflict(self, index: int, listener: _Listener, mode: float) -> None:
        listener.cutting = mode == OFFLINE_MODES["cut"]
        if not mode:
            self._afflicted.discard(index)
        else:
            self._afflicted.add(index)
            for connection in list(listener.connections):
                self.counters[listener.layout.protocol].cut += 1
                connection.abort()
        if mode and not listener.cutting:
            self._shut(listener)
        elif listener.sock is None:
            try:
                self._open(listener)
            except OSError as error:
                self._afflicted.add(index)  # tried again after the next step
                log.warning("%s: cannot listen again: %s", listener.address, error)


class _Connection(asyncio.Protocol):
    """One master: its transport on one side, its engine on the other."""

    __slots__ = (
        "_clock",
        "_counters",
        "_engine",
        "_server",
        "_stall",
        "_timer",
        "_timer_s",
        "_transport",
        "listener",
        "peer",
    )

    def __init__(self, server: Server, listener: _Listener, peer: str, counters: Counters, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._counters = counters
        self.listener = listener
        self.peer = peer
        self._transport: asyncio.Transport | None = None
        self._engine: Engine | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave as asyncio.Transport without deriving from it.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=OUTPUT_HIGH_BYTES)
        self._counters.open += 1
        now_s = self._clock.now_s()
        self._engine = self.listener.station.connect(self.peer, now_s)
        if self.listener.spontaneous:
            self._server._talkative.add(self)
        self._flush(now_s)

    def data_received(self, data: bytes) -> None:
        if self._engine is None:
            return
        self._counters.bytes_in += len(data)
        now_s = self._clock.now_s()
        self._engine.receive(data, now_s)
        self._flush(now_s)

    def pump(self, now_s: float) -> None:
        """Fire due timers and send what the engine has."""
        if self._engine is not None and self._stall is None:
            self._engine.advance(now_s)
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
        self.listener.connections.discard(self)
        self._server._talkative.discard(self)
        if self._engine is not None:
            self._engine.hang_up(self._clock.now_s())
            self._engine = None
        self._transport = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _flush(self, now_s: float) -> None:
        engine, transport = self._engine, self._transport
        if engine is None or transport is None or transport.is_closing():
            return
        output = engine.take_output()
        if output:
            self._counters.bytes_out += len(output)
            transport.write(output)
        if engine.closed:
            self._counters.closed_by_engine += 1
            transport.close()
            return
        deadline_s = engine.deadline_s()
        if deadline_s is not None and (self._timer is None or deadline_s < self._timer_s):
            if self._timer is not None:
                self._timer.cancel()
            self._timer_s = deadline_s
            wait_s = max(0.0, deadline_s - now_s)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._due)

    def _due(self) -> None:
        # A deadline that moved on meanwhile costs one early call; moving the timer at each frame would cost more.
        self._timer = None
        self.pump(self._clock.now_s())

    def _stalled(self) -> None:
        log.warning("%s: %s has not read for %g s; cut", self.listener.address, self.peer, STALL_S)
        self._counters.stalled += 1
        self.abort()


def _listener(farm: Farm, layout: StationLayout, station: Station) -> _Listener:
    spec = registry.protocol(layout.protocol)
    devices = [(seat.group, farm.groups[seat.group].layout.devices[seat.row]) for seat in layout.seats]
    return _Listener(layout, station, devices, layout.options.max_connections, spec.spontaneous)


def _reset(sock: socket.socket) -> None:
    """Close with a reset, so that the peer learns at once and no descriptor lingers."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _explained(listener: _Listener, error: OSError) -> Problem:
    what_to_do = {
        errno.EADDRINUSE: "another program listens there; end it, or choose other ports with --ports-from",
        errno.EACCES: "ports below 1024 need privilege; choose a higher one",
        errno.EADDRNOTAVAIL: "this machine has no such address; use own ports with --ports-from",
        errno.EMFILE: "too many open files; raise the limit with `ulimit -n`",
    }
    who = listener.layout.name or listener.devices[0][1]
    hint = what_to_do.get(error.errno or 0, "")
    message = f"cannot listen on {listener.address} ({listener.layout.protocol}): {error.strerror}"
    return Problem(who, 0, "", f"{message}; {hint}" if hint else message)


def _raise_descriptor_limit(listeners: int) -> None:
    """Ask the system for the descriptors the site needs; ``ConfigError`` if it grants fewer."""
    needed = listeners + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        soft = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < needed:
        message = (
            f"{listeners} addresses need about {needed} open files, and this user may open {soft}; raise `ulimit -n`"
        )
        raise ConfigError([Problem("system", 0, "", message)])
