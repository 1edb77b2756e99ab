"""Engines around the one of Modbus TCP that do something with whole frames before it hears them."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections import deque
from typing import Final

from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.functions import (
    BUSY,
    EXCEPTION,
    GATEWAY_TARGET_FAILED,
    WRITES,
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
        return frame[:2] + _HEADER.pack(0, 0, 3)[2:] + bytes((frame[UNIT_AT], frame[MESSAGE_AT] | EXCEPTION, code))


class DownlinkEngine(FramedEngine):
    """A connection to a station that polls: writes go down the line and are answered when their device has.

    What is read is what the station knows, at once. A write that no device answers is exception 0B.
    """

    __slots__ = ("_application", "_under_way")

    def __init__(self, inner: Engine, application: Application, traffic: Traffic) -> None:
        super().__init__(inner, traffic)
        self._application = application
        self._under_way: deque[tuple[float, bool, bytes]] = deque()
        """When each write is answered, whether it is, and the frame."""

    def advance(self, now_s: float) -> None:
        due = [each for each in self._under_way if each[0] <= now_s]
        self._under_way = deque(each for each in self._under_way if each[0] > now_s)
        for _, comes, frame in sorted(due, key=lambda each: each[0]):
            self._out += self._answered(frame, now_s) if comes else self._refused(frame, GATEWAY_TARGET_FAILED)
        self._inner.advance(now_s)

    def deadline_s(self) -> float | None:
        waited = [due_s for due_s, _, _ in self._under_way]
        inner = self._inner.deadline_s()
        return min(waited if inner is None else [*waited, inner], default=None)

    def hang_up(self, now_s: float) -> None:
        """The master is gone; what is on its way comes, and nobody is told."""
        for due_s, comes, frame in self._under_way:
            if comes:
                self._answered(frame, due_s)
        self._under_way.clear()
        self._inner.hang_up(now_s)

    def _take(self, frame: bytes, now_s: float) -> None:
        seat = self._application.seat(frame[UNIT_AT]) if frame[MESSAGE_AT] in WRITES else None
        if seat is None or seat.downlink is None:
            self._out += self._answered(frame, now_s)
        elif len(self._under_way) >= UNDER_WAY_MAX:
            self._out += self._refused(frame, BUSY)
        else:
            self._under_way.append((*seat.downlink.carry(now_s), frame))
            self.advance(now_s)
