"""IEC 60870-5-104: the link and the application joined, and the station that makes one pair a master."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.contracts.protocol import Engine, Seat
from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.protocols.iec104.apci import Link, Timing, Transfer
from pilotfarm.emulators.protocols.iec104.application import Application, Outstation
from pilotfarm.emulators.protocols.iec104.asdu import FORMAT_104
from pilotfarm.emulators.protocols.iec104.commands import Selections, SelectMode


class Options(BaseModel):
    """The protocol's part of a site file; ranges of the timers and counters are those of clause 9.6.

    The standard recommends ``w`` of at most two thirds of the master's ``k``. Timers and the
    selection's time-out run on wall time, ``cyclic_s`` on site time; 0 sends nothing of its own
    accord but changes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(8, ge=1, le=64)
    k: int = Field(12, ge=1, le=32767)
    w: int = Field(8, ge=1, le=32767)
    t1_s: float = Field(15.0, ge=1.0, le=255.0)
    t2_s: float = Field(10.0, ge=1.0, le=255.0)
    t3_s: float = Field(20.0, ge=1.0, le=172_800.0)
    cyclic_s: float = Field(0.0, ge=0.0, le=86_400.0)
    select_timeout_s: float = Field(30.0, ge=1.0, le=3600.0)
    sbo: SelectMode = "both"
    event_queue: int = Field(10_000, ge=16, le=1_000_000)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.t2_s >= self.t1_s:
            raise ValueError("t2_s must be shorter than t1_s, or acknowledgements come too late")
        if self.w > self.k:
            raise ValueError("w must not exceed k, or a peer with the same k waits for acknowledgements in vain")
        return self

    @property
    def timing(self) -> Timing:
        return Timing(self.k, self.w, self.t1_s, self.t2_s, self.t3_s)


class Iec104Engine:
    """One master's connection."""

    __slots__ = ("_application", "_link", "_now_s", "_started")

    def __init__(self, station: Outstation, timing: Timing, peer: str, now_s: float) -> None:
        self._link = Link(timing, now_s)
        self._application = Application(station, peer)
        self._now_s = now_s
        self._started = False

    @property
    def closed(self) -> bool:
        return self._link.closed

    @property
    def lost_events(self) -> int:
        """Changes that gave way to newer ones because the master did not take them in time."""
        return self._application.outbox.lost

    def receive(self, data: bytes, now_s: float) -> None:
        self._now_s = now_s
        try:
            for asdu in self._link.receive(data, now_s):
                if asdu:
                    self._application.handle(asdu, now_s)
                elif not self._started:
                    self._begin()
                self._pump(now_s)
        except ProtocolError:
            self._link.close()

    def advance(self, now_s: float) -> None:
        self._now_s = now_s
        self._link.advance(now_s)
        self._pump(now_s)

    def deadline_s(self) -> float | None:
        if self._link.room and self._application.outbox.pending:
            return self._now_s
        return self._link.deadline_s()

    def take_output(self) -> bytes:
        return self._link.take_output()

    def hang_up(self, now_s: float) -> None:
        self._link.close()
        if self._started:
            self._started = False
            self._application.stop()

    def _begin(self) -> None:
        if self._link.transfer is Transfer.STARTED:
            self._started = True
            self._application.start()

    def _pump(self, now_s: float) -> None:
        link, outbox = self._link, self._application.outbox
        for _ in range(link.room):
            asdu = outbox.next()
            if asdu is None:
                return
            link.send(asdu, now_s)


class Iec104Station:
    """What listens at one address: an RTU with a common address a device, or a device by itself.

    What the masters share is made when the first of them comes, so that a thousand idle stations
    cost next to nothing.
    """

    __slots__ = ("_options", "_seats", "_shared")

    def __init__(self, seats: Sequence[Seat], options: Any) -> None:
        assert isinstance(options, Options)
        self._seats = tuple(seats)
        self._options = options
        self._shared: Outstation | None = None

    def connect(self, peer: str, now_s: float) -> Engine:
        options = self._options
        if self._shared is None:
            self._shared = Outstation(
                "iec104",
                FORMAT_104,
                {seat.address: seat for seat in self._seats},
                Selections(options.sbo, options.select_timeout_s),
                options.cyclic_s,
                options.event_queue,
            )
        return Iec104Engine(self._shared, options.timing, peer, now_s)
