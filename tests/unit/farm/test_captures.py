"""Captures: what is written is what was said, with a bound. No socket here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from struct import unpack_from

import pytest

from pilotfarm.emulators.serving import capture as captures
from pilotfarm.emulators.serving import pcapng
from pilotfarm.emulators.serving.capture import Capture
from pilotfarm.emulators.serving.pcapng import SEGMENT_OCTETS, TcpStream
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

NOW_S = 1_750_000_000.25
PEER, DEVICE = ("127.0.0.1", 40_000), ("127.1.0.1", 1_502)
SIX, OTHER_SIX = ("::1", 40_000), ("fd00::1", 1_502)


def blocks(file: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each block; both its lengths have to agree (pcapng, 3.1)."""
    at = 0
    while at < len(file):
        kind, length = unpack_from("<LL", file, at)
        assert length % 4 == 0
        assert unpack_from("<L", file, at + length - 4)[0] == length
        yield kind, file[at + 8 : at + length - 4]
        at += length


def packets(file: bytes) -> list[tuple[float, bytes, int]]:
    """Time, octets and direction of each packet."""
    found = []
    for kind, body in blocks(file):
        if kind == 6:
            _, high, low, captured, original = unpack_from("<LLLLL", body)
            assert captured == original
            (direction,) = unpack_from("<L", body, 20 + (captured + 3) // 4 * 4 + 4)
            found.append((((high << 32) + low) / 1e6, body[20 : 20 + captured], direction))
    return found


async def taken(capture: Capture) -> bytes:
    return b"".join([piece async for piece in capture])


def file_of(capture: Capture) -> bytes:
    capture.end(NOW_S)
    return asyncio.run(taken(capture))


def checksum(octets: bytes) -> int:
    """Zero where the octets have a right check in them (RFC 1071)."""
    total = sum(unpack_from(f">{(len(octets) + 1) // 2}H", octets + b"\0"))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@pytest.mark.parametrize("data", [b"x", b"even", b"a longer message that has odd octets"])
def test_segments_over_ipv4_have_right_checks(data: bytes) -> None:
    ((inbound, segment),) = TcpStream(PEER, DEVICE).said(True, data)
    assert inbound
    assert checksum(segment[:20]) == 0
    pseudo = segment[12:20] + bytes((0, 6)) + (len(segment) - 20).to_bytes(2, "big")
    assert checksum(pseudo + segment[20:]) == 0
    assert unpack_from(">BBH", segment) == (0x45, 0, len(segment))
    assert (segment[12:16], segment[16:20]) == (bytes((127, 0, 0, 1)), bytes((127, 1, 0, 1)))
    assert unpack_from(">HH", segment, 20) == (40_000, 1_502)
    assert segment[40:] == data


@pytest.mark.parametrize(("peer", "device"), [(SIX, OTHER_SIX), (PEER, OTHER_SIX)])
def test_segments_over_ipv6_have_right_checks(peer: tuple[str, int], device: tuple[str, int]) -> None:
    ((_, segment),) = TcpStream(peer, device).said(False, b"odd")
    assert segment[0] >> 4 == 6
    assert unpack_from(">HB", segment, 4) == (len(segment) - 40, 6)
    pseudo = segment[8:40] + (len(segment) - 40).to_bytes(4, "big") + (6).to_bytes(4, "big")
    assert checksum(pseudo + segment[40:]) == 0
    assert segment[60:] == b"odd"
    assert unpack_from(">HH", segment, 40) == (1_502, 40_000)


def test_a_conversation_counts_its_octets() -> None:
    """SYN counts as an octet (RFC 9293, 3.4)."""
    stream = TcpStream(PEER, DEVICE)
    said = [*stream.began(), *stream.said(True, b"12345"), *stream.said(False, b"123"), *stream.ended(reset=False)]
    assert [inbound for inbound, _ in said] == [True, False, True, True, False, False]
    numbers = [unpack_from(">LLBB", segment, 24) for _, segment in said]
    assert [(sequence, acknowledged, flags) for sequence, acknowledged, _, flags in numbers] == [
        (0, 0, 0x02),
        (0, 1, 0x12),
        (1, 1, 0x10),
        (1, 1, 0x18),
        (1, 6, 0x18),
        (4, 6, 0x11),
    ]
    ((_, reset),) = TcpStream(PEER, DEVICE).ended(reset=True)
    assert reset[33] == 0x14


def test_what_is_long_is_several_segments() -> None:
    data = bytes(range(256)) * 12
    stream = TcpStream(PEER, DEVICE)
    segments = [segment for _, segment in stream.said(False, data)]
    assert b"".join(segment[40:] for segment in segments) == data
    assert [len(segment) - 40 for segment in segments] == [
        SEGMENT_OCTETS,
        SEGMENT_OCTETS,
        len(data) - 2 * SEGMENT_OCTETS,
    ]
    assert unpack_from(">L", segments[1], 24)[0] == SEGMENT_OCTETS


def test_a_file_has_every_packet_with_its_time_and_direction() -> None:
    capture = Capture()
    capture.began("a", "127.0.0.1:40000", "127.1.0.1:1502", NOW_S)
    capture.said("a", "127.0.0.1:40000", "127.1.0.1:1502", b"asked", NOW_S + 1.0, inbound=True)
    capture.said("a", "127.0.0.1:40000", "127.1.0.1:1502", b"answered", NOW_S + 2.0, inbound=False)
    capture.ended("a", NOW_S + 3.0, reset=True)
    file = file_of(capture)
    kinds = list(blocks(file))
    assert [kind for kind, _ in kinds] == [0x0A0D0D0A, 1, 1, *[6] * 6]
    assert unpack_from("<LHH", kinds[0][1]) == (0x1A2B3C4D, 1, 0)
    assert [unpack_from("<H", body)[0] for _, body in kinds[1:3]] == [pcapng.LINKTYPE_RAW, 250]
    found = packets(file)
    assert [time_s - NOW_S for time_s, _, _ in found] == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    assert [direction for _, _, direction in found] == [1, 2, 1, 1, 2, 2]
    assert [segment[40:] for _, segment, _ in found if len(segment) > 40] == [b"asked", b"answered"]
    assert capture.packets == 6


def test_a_connection_that_stood_before_has_no_beginning_and_one_unheard_no_end() -> None:
    capture = Capture()
    capture.said("a", "127.0.0.1:40000", "127.1.0.1:1502", b"asked", NOW_S, inbound=True)
    capture.ended("b", NOW_S, reset=False)
    assert [segment[33] for _, segment, _ in packets(file_of(capture))] == [0x18]


def test_octets_of_a_serial_line_stand_behind_the_header_of_its_link_type() -> None:
    """LINKTYPE_RTAC_SERIAL: time, event 2 for what is received and 1 for what is sent, control lines, padding."""
    capture = Capture()
    capture.began("a", "master", "/run/bus", NOW_S)
    capture.said("a", "master", "/run/bus", b"asked", NOW_S, inbound=True)
    capture.said("a", "master", "/run/bus", b"answered", NOW_S + 1.0, inbound=False)
    capture.ended("a", NOW_S, reset=False)
    file = file_of(capture)
    assert [unpack_from("<L", body)[0] for kind, body in blocks(file) if kind == 6] == [1, 1]
    asked, answered = packets(file)
    assert unpack_from(">LLBBH", asked[1]) == (1_750_000_000, 250_000, 2, 0, 0)
    assert unpack_from(">LLB", answered[1]) == (1_750_000_001, 250_000, 1)
    assert (asked[1][12:], asked[2], answered[1][12:], answered[2]) == (b"asked", 1, b"answered", 2)


def test_a_reader_that_is_slow_loses_packets_and_the_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "WAITING_MAX", 300)
    capture = Capture()
    for _ in range(5):
        capture.said("a", "127.0.0.1:40000", "127.1.0.1:1502", b"12345678", NOW_S, inbound=True)
    assert (capture.packets, capture.dropped) == (3, 2)
    file = file_of(capture)
    assert len(packets(file)) == 3
    *_, (kind, body) = blocks(file)
    assert kind == 5
    assert unpack_from("<HHQ", body, 12) == (5, 8, 2)


def test_what_has_been_read_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "WAITING_MAX", 100)

    async def scenario() -> list[int]:
        capture, seen = Capture(), []
        pieces = aiter(capture)
        await anext(pieces)
        for _ in range(3):
            capture.said("a", "127.0.0.1:40000", "127.1.0.1:1502", b"x", NOW_S, inbound=True)
            seen.append(len(await anext(pieces)))
        capture.end(NOW_S)
        seen += [len(piece) async for piece in pieces]
        assert capture.dropped == 0
        return seen

    assert len(asyncio.run(scenario())) == 3


def test_who_has_looked_is_shown_nothing_more(make_layout: Callable[..., SiteLayout]) -> None:
    meters = "  meters: {kind: smart_meter, count: 2, feeder: west, endpoints: [{protocol: modbus}]}\n"
    server = Pilot(make_layout(meters)).server
    with server.captured([0, 1]) as one, server.captured([1]) as other:
        assert [listener.captures for listener in server._listeners] == [(one,), (one, other)]
    assert [listener.captures for listener in server._listeners] == [(), ()]
