"""Packets in the file format of Wireshark, pcapng (draft-ietf-opsawg-pcapng), and TCP segments to put there.

What a connection says is known as octets, and not as packets: segments are made of it, with the addresses of its ends.
Sequence numbers begin at 0. Octets of a serial line stand behind a header of their own, by which Wireshark tells the
two directions apart; it is told what they are: `-d rtacser.data,mbrtu`.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct, pack
from typing import Final

LINKTYPE_RAW: Final = 101
"""IP without anything beneath (tcpdump.org/linktypes.html)."""
LINKTYPE_RTAC_SERIAL: Final = 250
"""A serial line, with a header of 12 octets: seconds, microseconds, what happened, control lines, two unused."""
_SENT, _HEARD = 1, 2
SEGMENT_OCTETS: Final = 1_460
_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER: Final = 0x1A2B3C4D
_INBOUND, _OUTBOUND = 1, 2
_TCP: Final = Struct(">HHLLBBHHH")
_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_WINDOW: Final = 65_535
_PROTOCOL: Final = 6
_HOPS: Final = 64


def header() -> bytes:
    """Return what stands before all packets: a section, and interfaces for TCP and for serial lines.

    Times are microseconds.
    """
    section = pack("<LHHq", _BYTE_ORDER, 1, 0, -1)
    interfaces = (pack("<HHL", link, 0, 0) for link in (LINKTYPE_RAW, LINKTYPE_RTAC_SERIAL))
    return _block(_SECTION, section) + b"".join(_block(_INTERFACE, each) for each in interfaces)


def packet(unix_s: float, data: bytes, *, inbound: bool, interface: int = 0) -> bytes:
    """Return a packet as it came to, or left, the device at a wall time [s since 1970 UTC]."""
    microseconds = round(unix_s * 1e6)
    head = pack("<LLLLL", interface, microseconds >> 32, microseconds & 0xFFFFFFFF, len(data), len(data))
    options = pack("<HHLHH", 2, 4, _INBOUND if inbound else _OUTBOUND, 0, 0)
    return _block(_PACKET, head + _padded(data) + options)


def dropped(unix_s: float, count: int) -> bytes:
    """Return a note that so many packets are missing so far."""
    microseconds = round(unix_s * 1e6)
    head = pack("<LLL", 0, microseconds >> 32, microseconds & 0xFFFFFFFF)
    return _block(_STATISTICS, head + pack("<HHQHH", 5, 8, count, 0, 0))


def on_line(unix_s: float, data: bytes, *, inbound: bool) -> bytes:
    """Return octets of a serial line as a packet."""
    seconds, microseconds = divmod(round(unix_s * 1e6), 1_000_000)
    head = pack(">LLBBH", seconds, microseconds, _HEARD if inbound else _SENT, 0, 0)
    return packet(unix_s, head + data, inbound=inbound, interface=1)


class TcpStream:
    """The segments of one connection, between a ``peer`` and a device, each host and port."""

    def __init__(self, peer: tuple[str, int], device: tuple[str, int]) -> None:
        self._ends = {True: peer, False: device}
        self._next = {True: 0, False: 0}
        """The sequence number that each end sends next: the peer under True."""

    def began(self) -> Iterator[tuple[bool, bytes]]:
        """Yield the handshake: whether each segment is inbound, and the segment."""
        yield True, self._segment(True, _SYN)
        yield False, self._segment(False, _SYN | _ACK)
        yield True, self._segment(True, _ACK)

    def said(self, inbound: bool, data: bytes) -> Iterator[tuple[bool, bytes]]:
        for at in range(0, len(data), SEGMENT_OCTETS):
            yield inbound, self._segment(inbound, _PSH | _ACK, data[at : at + SEGMENT_OCTETS])

    def ended(self, *, reset: bool) -> Iterator[tuple[bool, bytes]]:
        """Yield that the device closes, or resets."""
        yield False, self._segment(False, (_RST if reset else _FIN) | _ACK)

    def _segment(self, inbound: bool, flags: int, data: bytes = b"") -> bytes:
        sequence, acknowledged = self._next[inbound], self._next[not inbound] if flags & _ACK else 0
        self._next[inbound] = (sequence + len(data) + bool(flags & _SYN)) & 0xFFFFFFFF
        (source, source_port), (target, target_port) = self._ends[inbound], self._ends[not inbound]
        fields = source_port, target_port, sequence, acknowledged, 5 << 4, flags, _WINDOW
        around = _Around(source, target)
        check = around.checksum(_TCP.pack(*fields, 0, 0) + data)
        return around.packet(_TCP.pack(*fields, check, 0) + data)


class _Around:
    """The IP header around TCP segments from one address to another (RFC 791, RFC 8200)."""

    def __init__(self, source: str, target: str) -> None:
        ends = ip_address(source), ip_address(target)
        self._v6 = any(each.version == 6 for each in ends)
        self._ends = b"".join(_packed_v6(each) if self._v6 else each.packed for each in ends)

    def checksum(self, segment: bytes) -> int:
        """Return a segment's check, of it and a pseudo-header (RFC 9293, 3.1)."""
        pseudo = pack(">LL", len(segment), _PROTOCOL) if self._v6 else pack(">HH", _PROTOCOL, len(segment))
        return _check(self._ends + pseudo + segment)

    def packet(self, segment: bytes) -> bytes:
        if self._v6:
            return pack(">LHBB", 6 << 28, len(segment), _PROTOCOL, _HOPS) + self._ends + segment
        before = pack(">BBHHHBB", 0x45, 0, 20 + len(segment), 0, 0x4000, _HOPS, _PROTOCOL)
        return before + pack(">H", _check(before + b"\0\0" + self._ends)) + self._ends + segment


def _packed_v6(address: IPv4Address | IPv6Address) -> bytes:
    return address.packed if isinstance(address, IPv6Address) else b"\0" * 10 + b"\xff\xff" + address.packed


def _check(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(octets[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _block(kind: int, body: bytes) -> bytes:
    length = pack("<L", 12 + len(body))
    return pack("<L", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
