"""Frames, segments, link services and responses of DNP3 that come out wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from py1815 import crc
from py1815.link import FrameReader, LinkFrame, LinkFrameError, PrimaryFunction, SecondaryFunction, build, parse
from py1815.link import control_byte as control_of
from py1815.transport import Reassembler, TransportError, segment
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Filter, Link

MASTER, OUTSTATION = 1, 10
DATA = control_of(from_master=False, primary=True, function=PrimaryFunction.UNCONFIRMED_USER_DATA)
STATUS = build(control_of(from_master=False, primary=False, function=SecondaryFunction.LINK_STATUS), MASTER, OUTSTATION)
SHORT = bytes((0xC3, 129, 0, 0)) + bytes(range(40))
LONG = bytes((0xC4, 129, 0, 0)) + bytes(range(250)) * 2
"""A fragment of three segments."""
MODES = registry.fault("dnp3-frame").modes


def framed(fragment: bytes) -> list[bytes]:
    return [build(DATA, MASTER, OUTSTATION, each) for each in segment(fragment, first_sequence=62)]


@dataclass
class Outstation:
    """An engine with frames to send."""

    to_say: bytes = b""
    heard: bytes = b""
    closed: bool = False

    def receive(self, data: bytes, now_s: float) -> None:
        self.heard += data

    def advance(self, now_s: float) -> None: ...
    def deadline_s(self) -> float | None:
        return None

    def take_output(self) -> bytes:
        said, self.to_say = self.to_say, b""
        return said

    def hang_up(self, now_s: float) -> None: ...


def linked(kind: str, mode: str, said: bytes = b"", key: int = 1, **parameters: Any) -> Link:
    spec: Any = registry.fault(kind)
    return spec.wrap(Outstation(said), mode, spec.parameters(**parameters), key, 0.0)


def told(mode: str, said: bytes, key: int = 1, **parameters: Any) -> bytes:
    return linked("dnp3-frame", mode, said, key, **parameters).take_output()


@dataclass
class Receiver:
    """What py1815 makes of bytes: frames whose checks are right, and the fragments in them."""

    frames: list[LinkFrame] = field(default_factory=list)
    fragments: list[bytes] = field(default_factory=list)
    broken: int = 0

    def __post_init__(self) -> None:
        self.reader, self.reassembler = FrameReader(), Reassembler()

    def take(self, data: bytes) -> Receiver:
        for frame in self.reader.feed(data):
            self.frames.append(frame)
            if not frame.is_primary:
                continue
            try:
                fragment = self.reassembler.add(frame.payload)
            except TransportError:
                self.broken += 1
            else:
                self.fragments += [] if fragment is None else [fragment]
        return self


# ----------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("payload", [b"", bytes(20), bytes(250)])
def test_a_header_check_fails_and_the_length_is_as_it_was(payload: bytes) -> None:
    whole = build(DATA, MASTER, OUTSTATION, payload)
    places = set()
    for key in range(800):
        wrong = told("header-crc", whole, key)
        difference = int.from_bytes(wrong, "big") ^ int.from_bytes(whole, "big")
        assert difference.bit_count() == 1
        assert not crc.verify(wrong[:10])
        places.add((8 * len(whole) - difference.bit_length()) // 8)
    assert places == set(range(3, 10))


def test_a_data_check_fails_and_the_header_is_right() -> None:
    whole = build(DATA, MASTER, OUTSTATION, bytes(20))
    places = set()
    for key in range(800):
        wrong = told("data-crc", whole, key)
        difference = int.from_bytes(wrong, "big") ^ int.from_bytes(whole, "big")
        assert difference.bit_count() == 1
        assert wrong[:10] == whole[:10]
        with pytest.raises(LinkFrameError, match="data block CRC"):
            parse(wrong)
        places.add((8 * len(whole) - difference.bit_length()) // 8)
    assert places == set(range(10, len(whole)))


def test_what_has_no_data_has_no_data_check_that_fails() -> None:
    for mode in ("data-crc", "lost", "repeated", "doubled", "sequence", "no-first", "no-final"):
        assert told(mode, STATUS) == STATUS


def test_a_frame_without_its_start_or_its_end_is_none() -> None:
    (whole,) = framed(SHORT)
    assert told("start", whole) == b"\xfa" + whole[1:]
    for mode in ("truncated", "cut"):
        link = linked("dnp3-frame", mode, whole + whole)
        said = link.take_output()
        assert said.startswith(whole[: len(whole) // 2])
        assert not Receiver().take(said).frames
        assert link.closed == (mode == "cut")
        assert len(said) == len(whole) // 2 * (1 if mode == "cut" else 2)


@pytest.mark.parametrize("said", [*framed(SHORT), STATUS])
@pytest.mark.parametrize(
    ("mode", "control", "destination", "source"),
    [
        ("source", 0, MASTER, OUTSTATION + 1),
        ("destination", 0, MASTER + 1, OUTSTATION),
        ("direction", 0x80, MASTER, OUTSTATION),
    ],
)
def test_another_address_or_direction_comes_with_checks_that_fit(
    said: bytes, mode: str, control: int, destination: int, source: int
) -> None:
    before = parse(said)
    assert parse(told(mode, said)) == LinkFrame(before.control ^ control, destination, source, before.payload)


def test_the_address_beside_the_last_one_is_0() -> None:
    said = build(DATA, 65_519, 65_519, b"\xc0")
    assert parse(told("source", said)).source == 0
    assert parse(told("destination", said)).destination == 0


def test_a_lost_frame_leaves_no_fragment_and_a_repeated_one_does_no_harm() -> None:
    frames = framed(LONG)
    assert told("lost", b"".join(frames)) == b""
    assert told("repeated", b"".join(frames)) == b"".join(each + each for each in frames)
    repeated = Receiver().take(told("repeated", b"".join(frames)))
    assert (len(repeated.frames), repeated.fragments) == (6, [LONG])


@pytest.mark.parametrize("fragment", [SHORT, LONG])
def test_a_fragment_comes_twice_with_an_answer_of_the_link_amid_it_once(fragment: bytes) -> None:
    first, *others = framed(fragment)
    received = Receiver().take(told("doubled", first + STATUS + b"".join(others) + STATUS))
    assert received.fragments == ([fragment, fragment] if others else [fragment] * 2)
    assert sum(not each.is_primary for each in received.frames) == 2


def test_segments_out_of_sequence_make_no_fragment_and_those_that_stand_alone_do() -> None:
    received = Receiver().take(told("sequence", b"".join(framed(LONG))))
    assert (received.fragments, len(received.frames)) == ([], 3)
    assert received.broken
    headers = [each.payload[0] for each in received.frames]
    assert headers == [0x40 | 62, 0, 0x80 | 1], "63 and 0 would follow 62"
    assert told("sequence", *framed(SHORT)) == framed(SHORT)[0]


@pytest.mark.parametrize("fragment", [SHORT, LONG])
@pytest.mark.parametrize(("mode", "place", "bit"), [("no-first", 0, 0x40), ("no-final", -1, 0x80)])
def test_a_series_without_a_begin_or_an_end_makes_no_fragment(fragment: bytes, mode: str, place: int, bit: int) -> None:
    frames = framed(fragment)
    before = [parse(each) for each in frames]
    received = Receiver().take(told(mode, b"".join(frames)))
    assert received.fragments == []
    headers = [each.payload[0] for each in before]
    headers[place] ^= bit
    assert [each.payload[0] for each in received.frames] == headers
    assert [each.payload[1:] for each in received.frames] == [each.payload[1:] for each in before]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "cut"])
def test_frames_in_one_go_or_in_pieces_are_changed_alike(mode: str) -> None:
    said = b"".join(framed(LONG)) + STATUS + framed(SHORT)[0]
    whole = told(mode, said)
    link = linked("dnp3-frame", mode)
    outstation: Any = link.inner
    pieces = []
    for octet in said:
        outstation.to_say = bytes((octet,))
        pieces.append(link.take_output())
    assert b"".join(pieces) == whole


@pytest.mark.parametrize("mode", MODES)
def test_a_share_of_the_frames_is_gripped_and_others_are_as_they_were(mode: str) -> None:
    said = b"".join(framed(LONG))
    gripped = sum(told(mode, said, key, share_frac=0.25) != said for key in range(400))
    expected = {"sequence": 175.0, "doubled": 100.0, "no-first": 100.0, "no-final": 100.0}.get(mode, 231.25)
    assert abs(gripped - expected) < 35.0  # of 3 frames, or of the 2 or the 1 it can grip; at most 10 is the deviation


def test_what_follows_a_frame_out_of_order_is_found_again() -> None:
    """A receiver loses a wrong frame and at most what a truncated one swallows, and not the connection."""
    for mode in ("header-crc", "data-crc", "start", "truncated", "lost"):
        link = linked("dnp3-frame", mode, framed(LONG)[0])
        received = Receiver().take(link.take_output())
        link.let_go(0.0)
        outstation: Any = link.inner
        outstation.to_say = framed(SHORT)[0] * 6
        assert SHORT in received.take(link.take_output()).fragments, mode
        assert not link.closed


def test_what_is_no_frame_passes_as_it_is() -> None:
    for junk in (b"\x05\x64\x04\xc4" + bytes(30), bytes(20), b"\x05\x00" + bytes(20)):
        assert told("source", junk) == junk
    short = b"\x05\x64"
    link = linked("dnp3-frame", "source", short)
    assert link.take_output() == b""
    link.let_go(0.0)
    assert link.take_output() == short


# ------------------------------------------------------------------------------------------- link


ASKED = {
    PrimaryFunction.RESET_LINK_STATES: b"",
    PrimaryFunction.TEST_LINK_STATES: b"",
    PrimaryFunction.CONFIRMED_USER_DATA: b"\xc0\xc1\x01\x3c\x01\x06",
    PrimaryFunction.REQUEST_LINK_STATUS: b"",
}


def asked(function: PrimaryFunction, destination: int = OUTSTATION) -> bytes:
    counted = function in (PrimaryFunction.TEST_LINK_STATES, PrimaryFunction.CONFIRMED_USER_DATA)
    control = control_of(from_master=True, primary=True, function=function, fcb=counted, fcv=counted)
    return build(control, destination, MASTER, ASKED.get(function, b"\xc0\xc1\x01\x3c\x01\x06"))


@pytest.mark.parametrize("function", ASKED)
@pytest.mark.parametrize(("mode", "code"), [("nack", 1), ("not-supported", 15)])
def test_a_service_that_is_refused_is_not_done(function: PrimaryFunction, mode: str, code: int) -> None:
    link = linked("dnp3-link", mode)
    outstation: Any = link.inner
    link.receive(asked(function), 0.0)
    (heard,) = FrameReader().feed(outstation.heard)
    assert (heard.control, heard.destination, heard.source, heard.payload) == (0xC9, OUTSTATION, MASTER, b"")
    outstation.to_say = STATUS
    (answer,) = FrameReader().feed(link.take_output())
    assert (answer.control, answer.destination, answer.source) == (code, MASTER, OUTSTATION)
    assert link.bites.count == 1, "request and answer are one"


@pytest.mark.parametrize("mode", registry.fault("dnp3-link").modes)
def test_what_asks_the_link_for_nothing_passes(mode: str) -> None:
    broadcast = asked(PrimaryFunction.CONFIRMED_USER_DATA, 0xFFFF)
    answer = build(control_of(from_master=True, primary=False, function=SecondaryFunction.ACK), OUTSTATION, MASTER)
    for inward in (asked(PrimaryFunction.UNCONFIRMED_USER_DATA), broadcast, answer):
        link = linked("dnp3-link", mode)
        link.receive(inward, 0.0)
        assert link.inner.heard == inward  # type: ignore[attr-defined]
    (said,) = framed(SHORT)
    assert linked("dnp3-link", mode, said).take_output() == said


@pytest.mark.parametrize(("mode", "told"), [("busy", [0x1B, 0x10]), ("unacknowledged", [])])
def test_a_service_is_done_and_answered_as_busy_or_not_at_all(mode: str, told: list[int]) -> None:
    ack = build(control_of(from_master=False, primary=False, function=SecondaryFunction.ACK), MASTER, OUTSTATION)
    link = linked("dnp3-link", mode, STATUS + ack)
    for function in ASKED:
        link.receive(asked(function), 0.0)
    assert link.inner.heard == b"".join(map(asked, ASKED))  # type: ignore[attr-defined]
    assert [each.control for each in FrameReader().feed(link.take_output())] == told


# -------------------------------------------------------------------------------------- responses


def responding(mode: str, key: int = 1, share_frac: float = 1.0) -> Filter:
    spec: Any = registry.fault("dnp3-response")
    return spec.filter(mode, spec.parameters(share_frac=share_frac), key)


@pytest.mark.parametrize(
    ("mode", "said", "changed"),
    [
        ("sequence", "c3 81 0000 1e01", "c4 81 0000 1e01"),
        ("sequence", "ff 82 8000", "f0 82 8000"),
        ("no-first", "e3 81 0000", "63 81 0000"),
        ("no-final", "e3 81 0000", "a3 81 0000"),
        ("function", "c3 82 0000 1e01", "c3 c1 0000 1e01"),
        ("object", "c3 81 0000 1e01", "c3 81 0000 ff01"),
        ("object", "c3 81 0000", "c3 81 0000"),
        ("truncated", "c3 81 0000 1e01", "c3 81 0000 1e"),
        ("truncated", "c3 81 0000", "c3 81 0000"),
        ("corrupted", "c3 81 0000", "c3 81 0000"),
    ],
)
def test_a_response_comes_out_as_the_mode_says(mode: str, said: str, changed: str) -> None:
    assert responding(mode).outward(bytes.fromhex(said), 0.0) == bytes.fromhex(changed)


def test_a_corrupted_response_has_one_bit_of_its_objects_turned_over() -> None:
    said = bytes.fromhex("c3 81 0000 1e0100000001")
    places = set()
    for key in range(600):
        changed = responding("corrupted", key).outward(said, 0.0)
        assert changed is not None
        difference = int.from_bytes(said, "big") ^ int.from_bytes(changed, "big")
        assert difference.bit_count() == 1
        places.add(8 * len(said) - difference.bit_length())
    assert places == set(range(8 * 4, 8 * len(said)))


@pytest.mark.parametrize("mode", registry.fault("dnp3-response").modes)
def test_requests_confirmations_and_a_share_of_the_responses_are_as_they_were(mode: str) -> None:
    said = bytes.fromhex("c3 81 0000 1e0100000001")
    request = b"\xc3\x01\x3c\x01\x06"
    each = responding(mode)
    assert each.inward(said, 0.0) == (said, None)
    assert each.outward(request, 0.0) == request
    assert each.outward(b"\xc3", 0.0) == b"\xc3"
    gripped = sum(responding(mode, key, 0.25).outward(said, 0.0) != said for key in range(400))
    assert 70 <= gripped <= 130  # 100, with a standard deviation of 8.7


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("dnp3-frame", {"share_frac": 0.0}),
        ("dnp3-response", {"share_frac": 1.01}),
        ("dnp3-link", {"share_frac": 0.5}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.fault(kind).parameters(**parameters)
