"""Modbus TCP: one connection's framing, and the station behind a listener.

A frame is an MBAP header (transaction, protocol 0, length, unit) and a message of at most 253
bytes (TCP, 3.1.3). A header that cannot be one (another protocol, a length no message has) closes the
connection: after it, nobody knows where the next frame starts. At most one unfinished frame is kept.

Masters repeat themselves: a frame that is a read as some master of the group has sent before, but for its
transaction, is answered by looking it up. What is looked up is where the registers lie; they are read live.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final

from pilotfarm.emulators.contracts.line import SerialLine
from pilotfarm.emulators.contracts.protocol import Seat, Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.plans.modbus import READS
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.framed import DownlinkEngine
from pilotfarm.emulators.protocols.modbus.functions import EXCEPTION, exception_name
from pilotfarm.emulators.protocols.modbus.gateway import GatewayEngine, bus_of
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.protocols.modbus.rtu import RtuEngine

_HEADER: Final = struct.Struct(">HHH")  # transaction, protocol, length of what follows: the unit and a message
_UNIT_AT: Final = 6
_LENGTH_MIN, _LENGTH_MAX = 2, 254
_READ_OCTETS: Final = 12
_REGISTERS_AT: Final = 9


class ModbusEngine:
    """One connection to a station."""

    __slots__ = (
        "_admitted",
        "_application",
        "_banks",
        "_buffer",
        "_heard_s",
        "_idle_s",
        "_out",
        "_peer",
        "_station",
        "_traffic",
        "closed",
    )

    def __init__(self, station: ModbusStation, peer: str, now_s: float, admitted: bool) -> None:
        self._station = station
        self._traffic = station.traffic
        self._application = station.application
        self._banks = station.application.banks
        self._peer = peer
        self._heard_s = now_s
        self._idle_s = station.options.idle_timeout_s
        self.closed = not admitted
        self._admitted = admitted
        self._buffer = b""
        self._out = b""

    def receive(self, data: bytes, now_s: float) -> None:
        if self.closed:
            return
        self._heard_s = now_s
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        answer = self._again(data)
        if answer is None:
            self._take_apart(data, now_s)
        else:
            self._out += answer

    def _again(self, frame: bytes) -> bytes | None:
        """Answer a frame that is a read as asked before; ``None`` for any other bytes."""
        bank = self._banks.get(frame[_UNIT_AT]) if len(frame) == _READ_OCTETS else None
        if bank is None or bank.seat.filters or not bank.seat.reachable:
            return None
        read = bank.reads.get(frame[2:])
        if read is None:
            return None
        head, first, last = read
        table = bank.table
        self._traffic.requests += 1
        table.read = True
        if table.stale:
            table.make()
        return frame[:2] + head + bank.row[first:last]

    def _take_apart(self, data: bytes, now_s: float) -> None:
        out = [self._out]
        at, end = 0, len(data)
        while end - at >= _UNIT_AT:
            _, protocol, length = _HEADER.unpack_from(data, at)
            if protocol or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                self.closed = True
                break
            following = at + _UNIT_AT + length
            if following > end:
                break
            frame = data[at:following]
            out.append(self._again(frame) or self._answer(frame, now_s))
            at = following
        self._buffer = data[at:]
        self._out = b"".join(out)

    def _answer(self, frame: bytes, now_s: float) -> bytes:
        unit, message = frame[_UNIT_AT], frame[_UNIT_AT + 1 :]
        self._traffic.requests += 1
        answer = self._application.answer(unit, message, self._peer, now_s)
        if answer is None:
            return b""
        if answer[0] & EXCEPTION:
            self._traffic.refuse(exception_name(answer[1]))
        framed = frame[:2] + _HEADER.pack(0, 0, len(answer) + 1)[2:] + frame[_UNIT_AT : _UNIT_AT + 1] + answer
        bank = self._banks.get(unit)
        if bank is not None and not bank.seat.filters and message[0] in READS and answer[0] == message[0]:
            bank.remember(frame[2:], framed[2:_REGISTERS_AT])
        return framed

    def advance(self, now_s: float) -> None:
        deadline_s = self.deadline_s()
        if deadline_s is not None and now_s >= deadline_s:
            self.closed = True

    def deadline_s(self) -> float | None:
        return None if self.closed or self._idle_s == 0.0 else self._heard_s + self._idle_s

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def hang_up(self, now_s: float) -> None:
        self.closed = True
        if self._admitted:
            self._admitted = False
            self._station.connections -= 1


class ModbusStation:
    """What answers at one address, or as one or several units on a line.

    Connections past the limit get an engine that is closed already. A line has one, without a limit.
    """

    __slots__ = ("_bus", "_line", "_rtu", "_seats", "application", "connections", "filtered", "options", "traffic")

    def __init__(self, seats: Sequence[Seat], options: ModbusOptions, line: SerialLine | None = None) -> None:
        self._line = line
        self._seats = tuple(seats)
        self._bus = None if options.bus is None else bus_of(options.bus, [seat.device.id for seat in seats])
        self._rtu = line is not None or options.framing == "rtu"
        self.application = Application(seats, options, on_bus=self._rtu or options.bus is not None)
        self.options = options
        self.connections = 0
        self.filtered = False
        self.traffic = Traffic()

    def restart(self, seats: Collection[Seat]) -> None:
        """Modbus owes its masters nothing; what may have changed is whose serial numbers are shown."""
        self.application.sign(seats)

    def connect(self, peer: str, now_s: float) -> Engine:
        if self._line is not None:
            return RtuEngine(self.application, self.traffic, peer, now_s, line=self._line)
        admitted = self.connections < self.options.max_connections
        self.connections += admitted
        if not self._rtu:
            engine = ModbusEngine(self, peer, now_s, admitted)
            if self._bus is not None and self.options.bus is not None:
                return GatewayEngine(engine, self._bus, self.options.bus, self.application, self.traffic, peer)
            if any(seat.downlink is not None for seat in self._seats):
                return DownlinkEngine(engine, self.application, self.traffic, peer)
            return engine
        idle_s = self.options.idle_timeout_s
        over_rtu = RtuEngine(self.application, self.traffic, peer, now_s, idle_s=idle_s, leave=self._left)
        if not admitted:
            self.connections += 1
            over_rtu.hang_up(now_s)
        return over_rtu

    def _left(self) -> None:
        self.connections -= 1
