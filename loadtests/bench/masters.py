"""The IEC 104 and DNP3 masters of the benchmarks, which only count what they receive."""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from py1815 import link
from py1815.application import FunctionCode, build_confirm, build_request, class_header, parse_response
from py1815.transport import Reassembler, segment

_START: Final = b"\x68"
_STARTDT_ACT, _STARTDT_CON = 0x07, 0x0B
_TESTFR_ACT, _TESTFR_CON = 0x43, 0x83
_INTERROGATION, _TERMINATION = 100, 10
_LAST_MONITORED_TYPE = 44
_ACKNOWLEDGE_EVERY = 8

_DIR_PRM_UNCONFIRMED_DATA = 0xC4
_MASTER, _CONFIRM_ASKED = 1, 0x20


@dataclass(slots=True)
class Iec104Master:
    """One connection that interrogates common addresses one after another and counts objects."""

    host: str
    port: int
    objects: int = 0
    _sock: socket.socket = field(init=False)
    _data: bytes = b""
    _at: int = 0
    _sent: int = 0
    _received: int = 0
    _unacknowledged: int = 0

    def open(self) -> None:
        self._sock = socket.create_connection((self.host, self.port), 10.0)
        self._sock.settimeout(30.0)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(_unnumbered(_STARTDT_ACT))
        function = 0
        while function != _STARTDT_CON:
            at = self._frame()
            function = self._data[at + 2]

    def close(self) -> None:
        self._sock.close()

    def interrogate(self, common_address: int) -> None:
        """Ask for everything (QOI 20) and return once the activation has ended."""
        asdu = struct.pack("<BBBBHBBBB", _INTERROGATION, 1, 6, 0, common_address, 0, 0, 0, 20)
        control = struct.pack("<HH", self._sent << 1, self._received << 1)
        self._sent = (self._sent + 1) & 0x7FFF
        self._unacknowledged = 0
        self._sock.sendall(_START + bytes([len(asdu) + 4]) + control + asdu)
        while True:
            at = self._frame()
            data = self._data
            if data[at + 2] & 1:
                continue
            self._received = (self._received + 1) & 0x7FFF
            self._unacknowledged += 1
            if self._unacknowledged == _ACKNOWLEDGE_EVERY:
                self._unacknowledged = 0
                self._sock.sendall(_START + struct.pack("<BHH", 4, 1, self._received << 1))
            if data[at + 6] <= _LAST_MONITORED_TYPE:
                self.objects += data[at + 7] & 0x7F
            elif data[at + 6] == _INTERROGATION and data[at + 8] & 0x3F == _TERMINATION:
                return

    def _frame(self) -> int:
        """Where the next whole frame begins in ``_data``."""
        while True:
            at, left = self._at, len(self._data) - self._at
            if left >= 2 and left >= self._data[at + 1] + 2:
                self._at += self._data[at + 1] + 2
                if self._data[at + 2] == _TESTFR_ACT:
                    self._sock.sendall(_unnumbered(_TESTFR_CON))
                return at
            part = self._sock.recv(65536)
            if not part:
                raise ConnectionError("the server closed the connection")
            self._data, self._at = self._data[at:] + part, 0


def _unnumbered(function: int) -> bytes:
    return _START + bytes([4, function, 0, 0, 0])


@dataclass(slots=True)
class Dnp3Master:
    """One association that polls class 0 and counts octets of objects."""

    host: str
    port: int
    outstation: int
    object_octets: int = 0
    _sock: socket.socket = field(init=False)
    _sequence: int = 0
    _frames: link.FrameReader = field(default_factory=link.FrameReader)
    _segments: Reassembler = field(default_factory=Reassembler)
    _whole: deque[bytes] = field(default_factory=deque)

    def open(self) -> None:
        self._sock = socket.create_connection((self.host, self.port), 10.0)
        self._sock.settimeout(30.0)

    def close(self) -> None:
        self._sock.close()

    def poll(self) -> None:
        """Read class 0 and return once the last fragment is in; confirm where asked to."""
        self._sequence = (self._sequence + 1) & 0x0F
        self._send(build_request(FunctionCode.READ, sequence=self._sequence, body=class_header(0)))
        while True:
            fragment = self._fragment()
            response = parse_response(fragment)
            if fragment[0] & _CONFIRM_ASKED:
                self._send(build_confirm(sequence=fragment[0] & 0x0F, unsolicited=response.unsolicited))
            if response.unsolicited:
                continue
            self.object_octets += len(fragment) - 4
            if fragment[0] & 0x40:
                return

    def _send(self, fragment: bytes) -> None:
        for part in segment(fragment):
            self._sock.sendall(link.build(_DIR_PRM_UNCONFIRMED_DATA, self.outstation, _MASTER, part))

    def _fragment(self) -> bytes:
        while not self._whole:
            part = self._sock.recv(65536)
            if not part:
                raise ConnectionError("the outstation closed the connection")
            fragments = (self._segments.add(frame.payload) for frame in self._frames.feed(part))
            self._whole.extend(fragment for fragment in fragments if fragment is not None)
        return self._whole.popleft()


def rate(act: Callable[[], None], seconds: float) -> float:
    """Call ``act`` again and again for ``seconds``; how often a second it was done."""
    act()
    begin_s, done = time.perf_counter(), 0
    while (took_s := time.perf_counter() - begin_s) < seconds:
        act()
        done += 1
    return done / took_s
