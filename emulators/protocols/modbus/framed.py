"""Engines around the one of Modbus TCP that do something with whole frames before it hears them."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import Final

from pilotfarm.emulators.contracts.asking import Carried, Downlink, Order
from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.errors import PointError
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.functions import (
    BUSY,
    EXCEPTION,
    WRITES,
    exception_code,
    exception_name,
)

_HEADER: Final = struct.Struct(">HHH")
HEADER_OCTETS: Final = 6
_LENGTH_MIN, _LENGTH_MAX = 2, 254
UNIT_AT, MESSAGE_AT = 6, 7
UNDER_WAY_MAX: Final = 64
"""Writes of one master that may be on their way to devices."""


class FramedEngine(ABC):
    """One master's connection, frame by frame."""

    __slots__ = ("_buffer", "_inner", "_out", "_traffic")

    def __init__(self, inner: Engine, traffic: Traffic) -> None:
        self._inner = inner
        self._traffic = traffic
        self._buffer = self._out = b""

    @property
    def closed(self) -> bool:
        return self._inner.closed

    def receive(self, data: bytes, now_s: float) -> None:
        self._buffer += data
        while not self.closed and len(self._buffer) >= HEADER_OCTETS:
            _, protocol, length = _HEADER.unpack_from(self._buffer)
            if protocol or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                self._inner.receive(self._buffer, now_s)  # it knows what to do
                self._buffer = b""
                return
            end = HEADER_OCTETS + length
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            self._take(frame, now_s)

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    @abstractmethod
    def _take(self, frame: bytes, now_s: float) -> None:
        """Do something with a frame."""

    def _answered(self, frame: bytes, now_s: float) -> bytes:
        """What a frame is answered when it is heard now."""
        self._inner.receive(frame, now_s)
        return self._inner.take_output()

    def _refused(self, frame: bytes, code: int) -> bytes:
        self._traffic.refuse(exception_name(code))
        return self._framed(frame, bytes((frame[MESSAGE_AT] | EXCEPTION, code)))

    def _framed(self, frame: bytes, answer: bytes) -> bytes:
        return frame[:2] + _HEADER.pack(0, 0, 1 + len(answer))[2:] + frame[UNIT_AT : UNIT_AT + 1] + answer


class DownlinkEngine(FramedEngine):
    """A connection to a station that polls: writes go down the line and are answered when their device has.

    What is read is what the station knows, at once. A write that no device answers is exception 0B; one of what is not
    at the station is refused by it.
    """

    __slots__ = ("_application", "_peer", "_under_way")

    def __init__(self, inner: Engine, application: Application, traffic: Traffic, peer: str) -> None:
        super().__init__(inner, traffic)
        self._application = application
        self._peer = peer
        self._under_way: list[tuple[Carried, bytes, bytes]] = []
        """What each write became, its frame, and the answer if it is taken."""

    def advance(self, now_s: float) -> None:
        under_way, self._under_way = sorted(self._under_way, key=lambda each: each[0].due_s), []
        for carried, frame, answer in under_way:
            try:
                if carried.due_s <= now_s and carried.done(now_s):
                    self._out += answer
                else:
                    self._under_way.append((carried, frame, answer))
            except PointError as error:
                self._out += self._refused(frame, exception_code(error))
        self._inner.advance(now_s)

    def deadline_s(self) -> float | None:
        waited = [carried.due_s for carried, _, _ in self._under_way]
        inner = self._inner.deadline_s()
        return min(waited if inner is None else [*waited, inner], default=None)

    def hang_up(self, now_s: float) -> None:
        """The master is gone; what is on its way comes, and nobody is told."""
        for carried, _, _ in self._under_way:
            carried.leave()
        self._under_way.clear()
        self._inner.hang_up(now_s)

    def _take(self, frame: bytes, now_s: float) -> None:
        seat = self._application.seat(frame[UNIT_AT], frame[MESSAGE_AT:]) if frame[MESSAGE_AT] in WRITES else None
        if seat is None or seat.downlink is None:
            self._out += self._answered(frame, now_s)
        elif len(self._under_way) >= UNDER_WAY_MAX:
            self._out += self._refused(frame, BUSY)
        else:
            self._carry(frame, seat.downlink, now_s)

    def _carry(self, frame: bytes, downlink: Downlink, now_s: float) -> None:
        self._traffic.requests += 1
        told: dict[str, float] = {}
        message = self._application.answer(frame[UNIT_AT], frame[MESSAGE_AT:], self._peer, now_s, tell=told.update)
        if message is None:
            return
        if message[0] & EXCEPTION:
            self._out += self._refused(frame, message[1])
            return
        try:
            carried = downlink.carry(Order(told, "modbus", self._peer), now_s)
        except PointError as error:
            self._out += self._refused(frame, exception_code(error))
            return
        self._under_way.append((carried, frame, self._framed(frame, message)))
        self.advance(now_s)
