"""One connection's framing and answers, and the station behind a listener.

A frame is an MBAP header (transaction, protocol 0, length, unit) and a message of at most 253
bytes (TCP, 3.1.3). A header that cannot be one (another protocol, a length no message has) closes the
connection: after it, nobody knows where the next frame starts. At most one unfinished frame is kept.

A unit nobody sits at, or whose device is off the network behind a gateway, is answered with exception 0B,
"gateway target device failed to respond" (AP, 7), on a gateway and on a single device alike. A station with
one seat also answers for unit 0 and 255, which TCP, 4.4.1.2 gives to a server that is addressed by its IP
alone, unless its map has a use of its own for them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from pymodbus.pdu import ExceptionResponse, ModbusPDU

from pilotfarm.emulators.contracts.protocol import Command, Seat
from pilotfarm.emulators.errors import PointError, Unsupported
from pilotfarm.emulators.protocols.modbus.functions import FUNCTIONS, GATEWAY_TARGET_FAILED, exception_code
from pilotfarm.emulators.protocols.modbus.table import Bank

_HEADER: Final = struct.Struct(">HHHBB")  # transaction, protocol, length, unit, function
_START: Final = struct.Struct(">HHH")
_READ_HEAD: Final = struct.Struct(">HHHBBB")  # transaction, protocol, length, unit, function, byte count
_SHORTEST, _LONGEST = 2, 254  # unit and message, by the header's length field

_DIRECT: Final = (0, 255)


class ModbusEngine:
    """One connection to a station."""

    __slots__ = ("_banks", "_buffer", "_closed", "_heard_s", "_held", "_out", "_peer", "_station")

    def __init__(self, station: ModbusStation, peer: str, now_s: float, admitted: bool) -> None:
        self._station = station
        self._banks = station.banks
        self._peer = peer
        self._heard_s = now_s
        self._closed = not admitted
        self._held = admitted
        self._buffer = b""
        self._out = bytearray()

    @property
    def closed(self) -> bool:
        return self._closed

    def receive(self, data: bytes, now_s: float) -> None:
        if self._closed:
            return
        self._heard_s = now_s
        if self._buffer:
            data = self._buffer + data
        at, end = 0, len(data)
        while end - at >= 8:
            transaction, protocol, length, unit, function = _HEADER.unpack_from(data, at)
            if protocol or not _SHORTEST <= length <= _LONGEST:
                self._closed = True
                return
            following = at + 6 + length
            if following > end:
                break
            bank = self._banks.get(unit) or self._station.bank(unit)
            if bank is None or bank.device.condition("offline"):
                self._refuse(transaction, unit, function, GATEWAY_TARGET_FAILED)
            elif code := int(bank.device.condition("modbus_exception")):
                self._refuse(transaction, unit, function, code)
            elif (span := bank.spans.get(data[at + 8 : following])) and (function == 3 or function == 4):
                first, last = span
                size = last - first
                self._out += _READ_HEAD.pack(transaction, 0, size + 3, unit, function, size)
                self._out += bank.row[first:last]
            else:
                self._answer(transaction, unit, function, bank, data[at + 8 : following], now_s)
            at = following
        self._buffer = data[at:]
        if end - at >= 6:
            _, protocol, length = _START.unpack_from(data, at)
            self._closed = bool(protocol) or not _SHORTEST <= length <= _LONGEST

    def _answer(self, transaction: int, unit: int, function: int, bank: Bank, body: bytes, now_s: float) -> None:
        command: Command | None = None
        try:
            serve = FUNCTIONS.get(function)
            if serve is None:
                raise Unsupported(f"function {function}")
            answer = serve(bank, body)
            if answer.values:
                command = bank.device.submit(answer.values, "modbus", self._peer, now_s)
            if answer.wrote:
                bank.written(*answer.wrote)
        except PointError as error:
            self._refuse(transaction, unit, function, exception_code(error))
            return
        self._send(transaction, unit, answer.response)
        if command is not None:
            command.acknowledged_s = now_s

    def _refuse(self, transaction: int, unit: int, function: int, code: int) -> None:
        self._send(transaction, unit, ExceptionResponse(function, code))

    def _send(self, transaction: int, unit: int, response: ModbusPDU) -> None:
        message = response.encode()
        self._out += _HEADER.pack(transaction, 0, 2 + len(message), unit, response.function_code) + message

    def advance(self, now_s: float) -> None:
        deadline_s = self.deadline_s()
        if deadline_s is not None and now_s >= deadline_s:
            self._closed = True

    def deadline_s(self) -> float | None:
        idle_s = self._station.idle_timeout_s
        return None if self._closed or idle_s == 0.0 else self._heard_s + idle_s

    def take_output(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def hang_up(self, now_s: float) -> None:
        self._closed = True
        if self._held:
            self._held = False
            self._station.connections -= 1


class ModbusStation:
    """What answers at one address. Connections past the limit get an engine that is closed already."""

    __slots__ = ("_seats", "banks", "connections", "idle_timeout_s", "max_connections")

    def __init__(self, seats: Sequence[Seat], max_connections: int, idle_timeout_s: float) -> None:
        self._seats = seats
        self.max_connections = max_connections
        self.idle_timeout_s = idle_timeout_s
        self.connections = 0
        self.banks: dict[int, Bank] = {}
        """By unit id, made when first asked for."""
        for seat in seats:
            seat.table.sign(seat.row, seat.device.id)

    def connect(self, peer: str, now_s: float) -> ModbusEngine:
        admitted = self.connections < self.max_connections
        self.connections += admitted
        return ModbusEngine(self, peer, now_s, admitted)

    def bank(self, unit: int) -> Bank | None:
        """The registers behind a unit id, or ``None`` if nobody sits there."""
        found = self.banks.get(unit) or self._find(unit)
        if found is not None:
            self.banks[unit] = found
        return found

    def _find(self, unit: int) -> Bank | None:
        alone = len(self._seats) == 1
        for seat in self._seats:
            for number, part in enumerate(seat.table.plan.units):
                if (part.step is not None and seat.address + part.step == unit) or (alone and unit in part.aliases):
                    return Bank(seat.device, seat.table, seat.row, number)
        if alone and unit in _DIRECT:
            return Bank(self._seats[0].device, self._seats[0].table, self._seats[0].row, 0)
        return None
