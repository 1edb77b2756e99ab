"""Who asks a device over Modbus: requests framed, answers taken out of their frames and understood.

On a line a frame ends by its function and length, and its check confirms it; over TCP a transaction tells which request
an answer is of. What answers nothing that was asked is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.asking import Known, Masters, Told
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.errors import (
    Blocked,
    Busy,
    NoAnswer,
    NoSuchPoint,
    OutOfRange,
    PointError,
    Unsupported,
)
from pilotfarm.emulators.plans.modbus import RegisterPlan
from pilotfarm.emulators.protocols.modbus.functions import EXCEPTION, REFUSALS, exception_name
from pilotfarm.emulators.protocols.modbus.reading import Message, Reads
from pilotfarm.emulators.protocols.modbus.writing import Writes
from pilotfarm.emulators.wire.rtu import CHECK_OCTETS, FRAME_MAX, answer_size, framed, is_whole

_HEADER: Final = struct.Struct(">HHHB")
_KINDS: Final = (Unsupported, NoSuchPoint, OutOfRange, Blocked, Busy, NoAnswer)
_OF_CODE: Final[Mapping[int, type[PointError]]] = {REFUSALS[kind]: kind for kind in _KINDS}


class Framing(Protocol):
    """How messages travel."""

    def ask(self, message: Message) -> bytes: ...
    def hear(self, octets: bytes) -> bytes | None: ...


class LineFraming:
    """Modbus RTU: a unit, a message, and a check (MODBUS over Serial Line V1.02, 2.5.1)."""

    def __init__(self) -> None:
        self._unit = -1
        self._buffer = b""

    def ask(self, message: Message) -> bytes:
        self._unit, self._buffer = message.unit, b""
        return framed(*message)

    def hear(self, octets: bytes) -> bytes | None:
        self._buffer += octets
        size = answer_size(self._buffer)
        if not size or size > FRAME_MAX or len(self._buffer) < size:
            return None
        frame, self._buffer = self._buffer[:size], b""
        return frame[1:-CHECK_OCTETS] if is_whole(frame) and frame[0] == self._unit else None


class TcpFraming:
    """Modbus TCP: a transaction, a unit and a message (MODBUS Messaging on TCP/IP V1.0b, 3.1.3)."""

    def __init__(self) -> None:
        self._transaction = 0
        self._unit = -1
        self._buffer = b""

    def ask(self, message: Message) -> bytes:
        self._transaction = (self._transaction + 1) % (1 << 16)
        self._unit = message.unit
        return _HEADER.pack(self._transaction, 0, 1 + len(message.octets), message.unit) + message.octets

    def hear(self, octets: bytes) -> bytes | None:
        self._buffer += octets
        found = None
        while len(self._buffer) >= _HEADER.size:
            transaction, _, length, unit = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size - 1 + length
            if len(self._buffer) < end:
                break
            if (transaction, unit) == (self._transaction, self._unit):
                found = self._buffer[_HEADER.size : end]
            self._buffer = self._buffer[end:]
        return found


class ModbusMaster:
    """Who asks one device."""

    def __init__(self, framing: Framing, reads: Sequence[Reads], writes: Writes) -> None:
        self._framing, self._reads, self._writes = framing, reads, writes
        self._asked = b""
        self.reads = [each.messages for each in reads]
        self.says = [each.says for each in reads]

    def writes(self, values: Mapping[str, float], known: Known) -> Sequence[Message]:
        return self._writes.messages(values, known)

    def ask(self, message: Message) -> bytes:
        self._asked = message.octets
        return self._framing.ask(message)

    def hear(self, octets: bytes) -> bytes | None:
        answer = self._framing.hear(octets)
        return answer if answer is not None and answers(self._asked, answer) else None

    def refusal(self, answer: bytes) -> PointError | None:
        if not answer[0] & EXCEPTION:
            return None
        return _OF_CODE.get(answer[1], Busy)(f"the device says {exception_name(answer[1])}")

    def told(self, scan_class: int, answers: Sequence[bytes], known: Known) -> Told:
        return self._reads[scan_class].told(answers, known)


def answers(asked: bytes, answer: bytes) -> bool:
    """Whether a message answers another: an exception, the registers or bits that were asked for, or a write's echo."""
    function = asked[0]
    if answer[:1] == bytes((function | EXCEPTION,)):
        return len(answer) == 2
    if answer[:1] != asked[:1]:
        return False
    if function > 4:
        return answer[1:5] == asked[1:5]
    count = int.from_bytes(asked[3:5], "big")
    octets = -(-count // 8) if function <= 2 else 2 * count
    return len(answer) == 2 + octets and answer[1] == octets


def masters(
    plan: RegisterPlan, points: Sequence[PointRow], names: Sequence[Collection[str]], columns: Seen, on_line: bool
) -> Masters:
    """Return what makes the masters of a group's devices (``contracts.asking.Asking.masters``)."""
    _, fields = plan.layout(columns)
    scales = plan.scales(columns)
    by_class = [[point for point in points if point.quantity in each] for each in names]

    def made(row: int, unit: int) -> ModbusMaster:
        reads = [Reads(plan, fields, columns, row, each, unit) for each in by_class]
        framing = LineFraming() if on_line else TcpFraming()
        return ModbusMaster(framing, reads, Writes(plan, scales, points, unit))

    return made
