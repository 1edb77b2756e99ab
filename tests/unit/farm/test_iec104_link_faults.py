"""Faults of the link of IEC 60870-5-104, around the engine they are made for: what a master gets, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from iec104_bench import ACT, Bench, Master, i, s, spec_of, split, u, unit

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Link
from pilotfarm.emulators.faults import iec104_frames as frames
from pilotfarm.emulators.protocols.iec104.link import (
    STARTDT_ACT,
    STARTDT_CON,
    STOPDT_ACT,
    STOPDT_CON,
    TESTFR_ACT,
    TESTFR_CON,
)
from pilotfarm.emulators.protocols.iec60870.asdu import Type

KINDS: Final = ("iec104-function", "iec104-withheld", "iec104-frame")
MODES: Final = [(kind, mode) for kind in KINDS for mode in registry.fault(kind).modes]
METER: Final = spec_of(("voltage_l1_v", "grid_switch"))
TEST: Final = unit(Type.TEST, ACT, 1, 0, b"\xaa\x55")
ANSWER: Final = unit(Type.TEST, 7, 1, 0, b"\xaa\x55")
T1_S, T2_S, T3_S = 15.0, 10.0, 20.0


class Told:
    """A master without a will of its own, behind one link: started unless told otherwise, its greeting taken."""

    def __init__(
        self,
        kind: str,
        mode: str,
        *,
        started: bool = True,
        wrapped: bool = True,
        **parameters: Any,
    ) -> None:
        master = Master(Bench(1, METER), started=started)
        self.now_s = 0.0
        self.sent, self.received = master.sent, master.received
        spec: Any = registry.fault(kind)
        self.engine: Any = master.engine
        if wrapped:
            self.engine = spec.wrap(master.engine, mode, spec.parameters(**parameters), 1, 0.0)

    def say(self, *frames: bytes) -> list[bytes]:
        self.engine.receive(b"".join(frames), self.now_s)
        return self.heard()

    def ask(self) -> list[bytes]:
        """Have the station say a data unit back."""
        self.sent += 1
        return self.say(i(self.sent - 1, self.received, TEST))

    def wait(self, dt_s: float) -> list[bytes]:
        self.now_s += dt_s
        self.engine.advance(self.now_s)
        return self.heard()

    def heard(self) -> list[bytes]:
        return split(self.engine.take_output())

    def end(self) -> list[bytes]:
        """End the fault as a connection does."""
        self.engine.let_go(self.now_s)
        self.engine.advance(self.now_s)
        told = self.heard()
        if not self.engine.closed:
            self.engine = self.engine.inner
        return told


def count_numbered(frames: Sequence[bytes]) -> int:
    return sum(not frame[2] & 1 for frame in frames)


# ------------------------------------------------------------------------------------------- laws


def conversation(told: Told) -> Iterator[bytes]:
    """A start, tests, questions with and without an acknowledgement, silence, and a stop."""
    greeting = told.say(u(STARTDT_ACT))
    yield b"".join(greeting)
    received = count_numbered(greeting)
    for number in range(9):
        answer = told.say(u(TESTFR_ACT), i(number, received, TEST))
        received += count_numbered(answer)
        yield b"".join(answer)
        yield b"".join(told.say(s(received)))
    for _ in range(3):
        yield b"".join(told.wait(T2_S))
        told.say(u(TESTFR_CON))
    yield b"".join(told.say(u(STOPDT_ACT)))


@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_what_has_ended_before_it_met_anything_changes_no_octet(kind: str, mode: str) -> None:
    ended = Told(kind, mode, started=False)
    ended.engine.let_go(0.0)
    assert list(conversation(ended)) == list(conversation(Told(kind, mode, started=False, wrapped=False)))
    assert not ended.engine.closed


@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_frames_in_one_go_or_octet_by_octet_meet_the_same(kind: str, mode: str) -> None:
    def said(size: int) -> bytes:
        told, answers = Told(kind, mode, started=False), []
        octets = u(STARTDT_ACT) + u(TESTFR_ACT) + i(0, 0, TEST) + i(1, 0, TEST) + u(STOPDT_ACT)
        for at in range(0, len(octets), size):
            told.engine.receive(octets[at : at + size], 0.0)
            answers.append(told.engine.take_output())
        return b"".join(answers)

    assert said(1) == said(7) == said(1000)


@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_octets_that_are_no_frame_reach_the_station_which_closes(kind: str, mode: str) -> None:
    told = Told(kind, mode)
    told.engine.receive(b"GET / HTTP/1.1\r\n", 0.0)
    assert told.engine.closed


@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_half_a_frame_is_handed_on_when_the_fault_ends(kind: str, mode: str) -> None:
    told = Told(kind, mode)
    frame = i(told.sent, told.received, TEST)
    told.engine.receive(frame[:7], 0.0)
    told.end()
    told.engine.receive(frame[7:], 0.0)
    assert [each[6:] for each in told.heard()] == [ANSWER]


@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_a_master_that_hangs_up_has_hung_up(kind: str, mode: str) -> None:
    told = Told(kind, mode)
    told.engine.hang_up(0.0)
    assert told.engine.closed


# ------------------------------------------------------------------------- starts, stops and tests


def test_a_start_that_is_ignored_can_be_repeated_when_the_fault_has_ended() -> None:
    told = Told("iec104-function", "startdt", started=False)
    assert told.say(u(STARTDT_ACT)) == []
    assert told.say(u(TESTFR_ACT)) == [u(TESTFR_CON)]
    assert told.end() == []
    assert told.say(u(STARTDT_ACT))[0] == u(STARTDT_CON)


def test_a_start_is_confirmed_as_late_as_it_is_told_to() -> None:
    told = Told("iec104-function", "startdt", started=False, delay_s=3.0)
    assert told.say(u(STARTDT_ACT)) == []
    assert told.engine.deadline_s() == 3.0
    told.wait(1.0)
    assert told.say(u(STARTDT_ACT)) == [], "what is asked again is not taken later for it"
    assert told.say(u(TESTFR_ACT)) == [u(TESTFR_CON)]
    assert told.wait(1.999) == []
    confirmed = told.wait(0.001)
    assert confirmed[0] == u(STARTDT_CON)
    assert u(STARTDT_CON) not in confirmed[1:]
    assert told.engine.deadline_s() > 3.0


def test_a_start_that_is_still_to_be_taken_is_taken_when_the_fault_ends() -> None:
    told = Told("iec104-function", "startdt", started=False, delay_s=3.0)
    told.say(u(STARTDT_ACT))
    assert told.end()[0] == u(STARTDT_CON)


@pytest.mark.parametrize(
    ("mode", "first", "then", "confirmed"),
    [("startdt", STARTDT_ACT, STOPDT_ACT, STOPDT_CON), ("stopdt", STOPDT_ACT, STARTDT_ACT, STARTDT_CON)],
)
def test_what_is_taken_back_is_not_taken_later(mode: str, first: int, then: int, confirmed: int) -> None:
    told = Told("iec104-function", mode, started=mode == "stopdt", delay_s=3.0)
    assert told.say(u(first)) == []
    assert told.say(u(then)) == [u(confirmed)]
    assert told.wait(3.0) == []


def test_after_a_stop_that_is_ignored_data_go_on() -> None:
    told = Told("iec104-function", "stopdt")
    assert told.say(u(STOPDT_ACT)) == []
    assert [frame[6:] for frame in told.ask()] == [ANSWER]
    told.end()
    assert told.say(s(told.received + 1), u(STOPDT_ACT)) == [u(STOPDT_CON)]


def test_a_test_is_not_answered_and_data_are() -> None:
    told = Told("iec104-function", "testfr")
    assert told.say(u(TESTFR_ACT)) == []
    assert [frame[6:] for frame in told.ask()] == [ANSWER]
    told.end()
    assert told.say(u(TESTFR_ACT)) == [u(TESTFR_CON)]


def test_a_test_is_answered_late() -> None:
    told = Told("iec104-function", "testfr", delay_s=4.0)
    assert told.say(u(TESTFR_ACT)) == []
    assert told.wait(3.999) == []
    assert told.wait(0.001) == [u(TESTFR_CON)]
    assert told.wait(4.0) == []


# --------------------------------------------------------------------------------- what is withheld


def acknowledged(frame: bytes) -> int:
    return int.from_bytes(frame[4:6], "little") >> 1


def test_no_s_frame_comes_and_data_acknowledge() -> None:
    told = Told("iec104-withheld", "s-frames")
    (answer,) = told.ask()
    assert acknowledged(answer) == 1
    for number in range(1, 9):  # w of them, and nothing to say of a device that is not there
        told.say(i(number, told.received + 1, unit(Type.TEST, ACT, 1, 0, b"\xaa\x55")))
    assert told.wait(T2_S) == []


def unacknowledging(kind: str, mode: str, *, wrapped: bool = True) -> tuple[Told, list[bytes]]:
    """A master that asks thirty times and acknowledges nothing, so that the station's window fills; what it is told."""
    told = Told(kind, mode, started=False, wrapped=wrapped)
    told.say(u(STARTDT_ACT))
    return told, [frame for number in range(30) for frame in told.say(i(number, 0, TEST))]


@pytest.mark.parametrize("mode", ["s-frames", "acknowledgements"])
def test_what_was_withheld_is_made_good_when_the_fault_ends(mode: str) -> None:
    _, plain = unacknowledging("iec104-withheld", mode, wrapped=False)
    told, frames = unacknowledging("iec104-withheld", mode)
    acks = [frame for frame in plain if frame[2] & 1]
    assert len(acks) > 1
    if mode == "s-frames":
        assert frames == [frame for frame in plain if frame not in acks]
    else:
        assert [frame[:4] + frame[6:] for frame in frames] == [f[:4] + f[6:] for f in plain if f not in acks]
        assert {acknowledged(frame) for frame in frames} == {0}
    assert told.end() == [acks[-1]]
    assert told.wait(T2_S) == [s(30)]
    assert not told.engine.closed


def test_what_came_before_the_fault_is_still_acknowledged() -> None:
    before = Told("iec104-withheld", "acknowledgements", wrapped=False)
    before.ask()
    before.ask()
    spec: Any = registry.fault("iec104-withheld")
    before.engine = spec.wrap(before.engine, "acknowledgements", spec.parameters(), 1, 0.0)
    for _ in range(3):
        (answer,) = before.ask()
        assert (acknowledged(answer), answer[6:]) == (2, ANSWER)
    before.end()
    (answer,) = before.ask()
    assert acknowledged(answer) == 6


def test_data_are_made_good_as_acknowledgements_are() -> None:
    told = Told("iec104-withheld", "acknowledgements")
    (answer,) = told.ask()
    assert acknowledged(answer) == 0
    assert told.end() == [s(1)]


def test_nothing_is_made_good_where_data_have_acknowledged_since() -> None:
    told, frames = unacknowledging("iec104-withheld", "s-frames")
    assert told.say(s(len(frames))), "answers that had to wait"
    assert told.end() == []


def test_a_station_that_never_tests_keeps_a_dead_connection() -> None:
    plain, told = (Told("iec104-withheld", "tests", wrapped=wrapped) for wrapped in (False, True))
    plain.ask()
    told.ask()
    acks = [s(each.received + 1) for each in (plain, told)]
    plain.say(acks[0])
    told.say(acks[1])
    plain.wait(T2_S)
    told.wait(T2_S)
    assert plain.wait(T3_S) == [u(TESTFR_ACT)]
    plain.wait(T1_S)
    assert plain.engine.closed
    for _ in range(10):
        assert told.wait(T3_S) == []
        assert told.engine.deadline_s() == told.now_s + T3_S
    assert not told.engine.closed
    assert told.say(u(TESTFR_ACT)) == [u(TESTFR_CON)]
    told.end()
    assert told.wait(T3_S) == [u(TESTFR_ACT)]


def test_a_test_that_is_on_its_way_when_the_fault_begins_is_withheld_too() -> None:
    told = Told("iec104-withheld", "tests", wrapped=False)
    told.engine.advance(T3_S)
    spec: Any = registry.fault("iec104-withheld")
    link = spec.wrap(told.engine, "tests", spec.parameters(), 1, T3_S)
    assert link.take_output() == b""
    assert link.deadline_s() == 2 * T3_S


# ------------------------------------------------------------------------- frames that come out wrong


@pytest.mark.parametrize(
    ("data", "octets"),
    [
        (b"\x68", None),
        (b"\x68\x03", 0),
        (b"\x68\x04", 6),
        (b"\x68\xfd", 255),
        (b"\x68\xfe", 0),
        (b"\x69\x04", 0),
    ],
)
def test_how_long_a_frame_is(data: bytes, octets: int | None) -> None:
    assert frames.size_of(data) == octets


def test_behind_what_is_no_frame_nothing_is_taken_for_one() -> None:
    """As another fault nearer to the device may leave it."""
    spec: Any = registry.fault("iec104-frame")

    def told(key: int, *modes: str) -> bytes:
        plain = Told("iec104-frame", "lost", wrapped=False)
        engine = plain.engine
        for mode in modes:
            share_frac = 0.5 if mode == "start-octet" else 1.0
            engine = spec.wrap(engine, mode, spec.parameters(share_frac=share_frac), key, 0.0)
        engine.receive(u(TESTFR_ACT) + i(plain.sent, plain.received, TEST), 0.0)
        octets: bytes = engine.take_output()
        return octets

    garbled = {key: octets for key in range(20) if (octets := told(key, "start-octet"))[0] != frames.START}
    assert any(frames.START in octets[6:7] for octets in garbled.values())
    assert {key: told(key, "start-octet", "repeated") for key in garbled} == garbled


@pytest.fixture(scope="module")
def answering() -> Told:
    """A master that many links are tried with, one after the other."""
    return Told("iec104-frame", "lost", wrapped=False)


def framed(told: Told, mode: str, key: int = 1, **parameters: float) -> tuple[bytes, bytes, Link]:
    """The answer to one question as it should be and as it comes, and the link it comes through."""
    spec: Any = registry.fault("iec104-frame")
    link: Link = spec.wrap(told.engine, mode, spec.parameters(**parameters), key, 0.0)
    link.receive(i(told.sent, told.received, TEST), 0.0)
    told.sent += 1
    right = i(told.received, told.sent, ANSWER)
    told.received += 1
    return right, link.take_output(), link


@pytest.mark.parametrize(
    "mode", ["send-number", "receive-number", "lost", "repeated", "start-octet", "truncated", "cut"]
)
def test_a_frame_comes_out_as_the_mode_says(answering: Told, mode: str) -> None:
    right, octets, link = framed(answering, mode)
    sent, received = answering.received - 1, answering.sent
    assert (
        octets
        == {
            "send-number": i(sent + 1, received, ANSWER),
            "receive-number": i(sent, received + 16_384, ANSWER),
            "lost": b"",
            "repeated": right + right,
            "start-octet": b"\x97" + right[1:],
            "truncated": right[: len(right) // 2],
            "cut": right[: len(right) // 2],
        }[mode]
    )
    assert link.closed == (mode == "cut")
    link.let_go(0.0)
    assert link.closed, "it cannot go on"


def test_the_number_after_the_last_is_the_first() -> None:
    last = i(32_767, 32_767, ANSWER)
    assert frames.sent(last) == frames.received(last) == 32_767
    assert frames.with_sent(last, 32_768) == i(0, 32_767, ANSWER)
    assert frames.with_received(last, 32_767 + 16_384) == i(32_767, 16_383, ANSWER)


def test_a_corrupted_frame_has_one_bit_of_its_data_unit_turned_over_and_the_connection_goes_on(
    answering: Told,
) -> None:
    places = set()
    for key in range(1_000):
        right, octets, link = framed(answering, "corrupted", key)
        difference = int.from_bytes(octets, "big") ^ int.from_bytes(right, "big")
        assert difference.bit_count() == 1
        places.add(8 * len(right) - difference.bit_length())
        link.let_go(0.0)
        assert not link.closed
    assert places == set(range(48, 8 * len(right)))


@pytest.mark.parametrize("mode", registry.fault("iec104-frame").modes)
def test_a_share_of_the_frames_is_gripped(answering: Told, mode: str) -> None:
    gripped = 0
    for key in range(400):
        right, octets, _ = framed(answering, mode, key, share_frac=0.25)
        gripped += octets != right
    assert 70 <= gripped <= 130  # 100, with a standard deviation of 8.7


@pytest.mark.parametrize("mode", ["send-number", "receive-number", "lost", "repeated", "corrupted"])
def test_only_frames_that_can_be_wrong_in_that_way_are_gripped(mode: str) -> None:
    assert Told("iec104-frame", mode).say(u(TESTFR_ACT)) == [u(TESTFR_CON)]
    _, plain = unacknowledging("iec104-frame", mode, wrapped=False)
    _, told = unacknowledging("iec104-frame", mode)
    acks = [[acknowledged(frame) for frame in each if frame[2] & 1] for each in (plain, told)]
    wrong = 16_384 if mode == "receive-number" else 0
    assert acks[1] == [number + wrong for number in acks[0]]
    assert acks[0]


def test_nothing_follows_a_cut() -> None:
    told = Told("iec104-frame", "cut")
    told.engine.receive(u(TESTFR_ACT) + u(TESTFR_ACT), 0.0)
    assert told.engine.take_output() == u(TESTFR_CON)[:3]
    assert told.engine.take_output() == b""
    assert told.engine.closed


def test_a_connection_that_met_nothing_goes_on_when_the_fault_ends() -> None:
    told = Told("iec104-frame", "send-number")
    told.end()
    assert [frame[6:] for frame in told.ask()] == [ANSWER]
