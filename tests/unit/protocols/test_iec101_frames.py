"""FT1.2: what is a frame and what is none, however the octets come."""

from __future__ import annotations

import random
from itertools import product

import pytest

from pilotfarm.emulators.protocols.iec101.frames import SINGLE, Deframer, Frame, Framing

WIDTHS = [Framing(octets) for octets in (0, 1, 2)]
AFTER_IDLE_S = 1.0


def address_in(framing: Framing) -> int:
    return (0, 7, 0x0107)[framing.address_octets]


def frames_of(framing: Framing) -> list[Frame]:
    """Frames as both stations send them, unbalanced and balanced."""
    address = address_in(framing)
    fixed = [0x40, 0x49, 0x5A, 0x7B, 0xC9, 0xF2, 0x00, 0x09, 0x3B, 0x80]
    data = [0x73, 0x44, 0xD3, 0x28]
    command = bytes.fromhex("2d 01 06 01 00 a0 0f 00 01")
    return [Frame(control, address) for control in fixed] + [Frame(control, address, command) for control in data]


def encoded(framing: Framing, frames: list[Frame]) -> bytes:
    return b"".join(b"\xe5" if each is SINGLE else framing.encode(*each) for each in frames)


def heard(framing: Framing, *pieces: bytes, now_s: float = 0.0) -> list[Frame]:
    """What a station makes of octets that come piece by piece at once, and then an idle line."""
    deframer = Deframer(framing, now_s)
    found = [frame for piece in pieces for frame in deframer.receive(piece, now_s)]
    return found + deframer.advance(now_s + AFTER_IDLE_S)


@pytest.mark.parametrize(
    ("octets", "frame"),
    [
        # A REQUEST STATUS OF LINK and its answer, a RESET OF REMOTE LINK, and a general interrogation.
        ("10 49 01 4a 16", Frame(0x49, 1)),
        ("10 0b 01 0c 16", Frame(0x0B, 1)),
        ("10 40 01 41 16", Frame(0x40, 1)),
        ("68 09 09 68 73 01 64 01 06 01 00 00 14 f4 16", Frame(0x73, 1, bytes.fromhex("64 01 06 01 00 00 14"))),
    ],
)
def test_known_frames(octets: str, frame: Frame) -> None:
    framing = Framing(1)
    assert framing.encode(*frame) == bytes.fromhex(octets)
    assert heard(framing, bytes.fromhex(octets)) == [frame]


@pytest.mark.parametrize("framing", WIDTHS, ids=lambda each: f"{each.address_octets} octets")
def test_frames_of_every_length_come_as_they_were_sent(framing: Framing) -> None:
    longest = 255 - 1 - framing.address_octets
    sent = [Frame(0x73, address_in(framing), bytes(range(256))[:length]) for length in range(longest + 1)]
    assert heard(framing, encoded(framing, sent)) == sent


@pytest.mark.parametrize("framing", WIDTHS, ids=lambda each: f"{each.address_octets} octets")
def test_it_makes_no_difference_where_the_octets_are_cut(framing: Framing) -> None:
    good, address = frames_of(framing), address_in(framing)
    broken = framing.encode(0x73, address, b"\x10\x49\x07\x50\x16")[:-1] + b"\x17"
    for tail in (b"", broken, b"\xe5", b"\xe5\xe5", b"\xe5\x68\x09", framing.encode(0x49, address)[:-2]):
        stream = encoded(framing, [*good[:3], SINGLE, *good[-2:]]) + tail + (tail and encoded(framing, good[:1]))
        whole = heard(framing, stream)
        assert whole[:6] == [*good[:3], SINGLE, *good[-2:]]
        for cut in range(len(stream) + 1):
            assert heard(framing, stream[:cut], stream[cut:]) == whole
        assert heard(framing, *(bytes((octet,)) for octet in stream)) == whole


@pytest.mark.parametrize("framing", WIDTHS, ids=lambda each: f"{each.address_octets} octets")
def test_a_frame_with_one_octet_changed_is_no_frame(framing: Framing) -> None:
    for frame in frames_of(framing):
        octets = framing.encode(*frame)
        for at, other in product(range(len(octets)), range(256)):
            if other != octets[at]:
                changed = octets[:at] + bytes((other,)) + octets[at + 1 :]
                assert heard(framing, changed) == [], f"{changed.hex(' ')} for {octets.hex(' ')}"


@pytest.mark.parametrize("framing", WIDTHS, ids=lambda each: f"{each.address_octets} octets")
def test_a_frame_that_lacks_an_octet_or_has_one_too_many_is_no_frame(framing: Framing) -> None:
    for frame in frames_of(framing):
        octets = framing.encode(*frame)
        for at in range(len(octets)):
            assert heard(framing, octets[:at] + octets[at + 1 :]) == []
            doubled = octets[: at + 1] + octets[at:]
            assert heard(framing, doubled) == ([frame] if doubled.startswith(octets) else [])


def test_the_longest_frame_with_one_octet_changed_is_no_frame() -> None:
    framing = Framing(1)
    octets = framing.encode(0x08, 1, bytes(0x10 if at % 3 else 0xE5 for at in range(253)))
    assert len(octets) == 261
    for at in range(len(octets)):
        assert heard(framing, octets[:at] + bytes((octets[at] ^ 0x01,)) + octets[at + 1 :]) == []


def test_a_frame_without_data_is_of_fixed_length() -> None:
    assert heard(Framing(1), bytes.fromhex("68 02 02 68 73 01 74 16")) == []


class TestSilences:
    framing = Framing(1, idle_s=0.03, gap_s=0.3)
    good = framing.encode(0x49, 1)
    frame = Frame(0x49, 1)

    def test_after_a_broken_frame_nothing_is_heard_before_the_line_was_idle(self) -> None:
        deframer = Deframer(self.framing, 0.0)
        assert deframer.receive(b"\x11" + self.good, 0.0) == []
        assert deframer.receive(self.good, 0.029) == []
        assert deframer.receive(self.good, 0.058) == []
        assert deframer.receive(self.good, 0.089) == [self.frame]

    def test_good_frames_need_no_silence_between_them(self) -> None:
        assert heard(self.framing, self.good * 3) == [self.frame] * 3

    def test_a_frame_that_stops_is_given_up_after_the_gap(self) -> None:
        for silence_s, found in ((0.299, []), (0.3, [self.frame])):
            deframer = Deframer(self.framing, 0.0)
            deframer.receive(self.good[:3], 0.0)
            assert deframer.receive(self.good, silence_s) == found

    def test_a_frame_may_pause_for_less_than_the_gap(self) -> None:
        deframer = Deframer(self.framing, 0.0)
        for at, octet in enumerate(self.good[:-1]):
            assert deframer.receive(bytes((octet,)), at * 0.29) == []
        assert deframer.receive(self.good[-1:], (len(self.good) - 1) * 0.29) == [self.frame]

    def test_a_single_character_counts_once_the_line_was_idle_after_it(self) -> None:
        deframer = Deframer(self.framing, 0.0)
        assert deframer.deadline_s() is None
        assert deframer.receive(b"\xe5", 1.0) == []
        assert deframer.deadline_s() == pytest.approx(1.03)
        assert deframer.advance(1.029) == []
        assert deframer.advance(1.031) == [SINGLE]
        assert deframer.advance(9.0) == []
        assert deframer.receive(b"\xe5", 10.0) == []
        assert deframer.receive(self.good, 11.0) == [SINGLE, self.frame]

    def test_a_single_character_counts_before_a_good_frame_and_not_before_another_thing(self) -> None:
        assert heard(self.framing, b"\xe5" + self.good) == [SINGLE, self.frame]
        for other in (b"\xe5", b"\x00", self.good[:-1] + b"\x00"):
            assert heard(self.framing, b"\xe5" + other) == []
        deframer = Deframer(self.framing, 0.0)
        deframer.receive(b"\xe5" + self.good[:-1], 0.0)
        assert deframer.advance(1.0) == []  # who began to send behind it never ended
        assert deframer.receive(self.good, 1.0) == [self.frame]

    def test_no_octets_are_no_event(self) -> None:
        deframer = Deframer(self.framing, 0.0)
        deframer.receive(b"\x11", 0.0)
        assert deframer.receive(b"", 0.02) == []
        assert deframer.receive(self.good, 0.031) == [self.frame]


@pytest.mark.parametrize("framing", WIDTHS, ids=lambda each: f"{each.address_octets} octets")
def test_whatever_comes_is_borne_and_less_than_a_frame_is_kept(framing: Framing) -> None:
    draw = random.Random(1)
    likely = bytes((0x10, 0x68, 0xE5, 0x16, 0x09, 0x73, 0x07, 0x01))
    deframer, now_s = Deframer(framing, 0.0), 0.0
    for _ in range(2_000):
        now_s += draw.choice((0.0, 0.0, 0.05, 0.5))
        octets = bytes(draw.choice(likely) if draw.random() < 0.9 else draw.randrange(256) for _ in range(40))
        deframer.receive(octets[: draw.randrange(41)], now_s)
        assert len(deframer._rest) < 261
    assert deframer.receive(framing.encode(0x49, address_in(framing)), now_s + 1.0)[-1] == Frame(
        0x49, address_in(framing)
    )
