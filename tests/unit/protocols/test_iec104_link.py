"""The link of IEC 60870-5-104 alone: frames, windows and timers."""

from __future__ import annotations

import pytest
from iec104_bench import i, s, split, u

from pilotfarm.emulators.protocols.iec104.link import (
    STARTDT_ACT,
    STARTDT_CON,
    STOPDT_ACT,
    STOPDT_CON,
    TESTFR_ACT,
    TESTFR_CON,
    Link,
    Timing,
    Transfer,
)

TIMING = Timing(k=3, w=2, t1_s=15.0, t2_s=10.0, t3_s=20.0)
ASDU = bytes(10)


def link(started: bool = True, timing: Timing = TIMING) -> Link:
    made = Link(timing, 0.0)
    if started:
        assert feed(made, u(STARTDT_ACT)) == []
        assert made.take_output() == u(STARTDT_CON)
    return made


def feed(of: Link, data: bytes, now_s: float = 0.0) -> list[bytes]:
    return [asdu for asdu in of.receive(data, now_s) if asdu]


def test_data_units_come_out_in_the_order_of_their_frames() -> None:
    of = link()
    first, second = bytes([1]) * 10, bytes([2]) * 10
    assert feed(of, i(0, 0, first) + i(1, 0, second)) == [first, second]


def test_no_more_than_k_frames_go_out_unacknowledged() -> None:
    of = link()
    for _ in range(TIMING.k):
        assert of.room
        of.send(ASDU, 0.0)
    assert not of.room
    feed(of, s(1))
    assert of.room


def test_w_frames_are_acknowledged_at_once_and_fewer_are_not() -> None:
    of = link()
    feed(of, i(0, 0, ASDU))
    assert of.take_output() == b""
    feed(of, i(1, 0, ASDU))
    assert of.take_output() == s(2)


def test_an_i_frame_of_ours_acknowledges_as_well() -> None:
    of = link()
    feed(of, i(0, 0, ASDU))
    of.send(ASDU, 0.0)
    assert of.take_output() == i(0, 1, ASDU)
    of.advance(TIMING.t2_s)
    assert of.take_output() == b""


def test_a_frame_is_acknowledged_after_t2_and_not_before() -> None:
    of = link()
    feed(of, i(0, 0, ASDU), 1.0)
    assert of.deadline_s() == 11.0
    of.advance(10.9)
    assert of.take_output() == b""
    of.advance(11.0)
    assert of.take_output() == s(1)


def test_a_frame_unacknowledged_for_t1_closes_and_an_acknowledged_one_does_not() -> None:
    lost, kept = link(), link()
    for of in (lost, kept):
        of.send(ASDU, 1.0)
        of.advance(15.9)
        assert not of.closed
    feed(kept, s(1), 15.9)
    for of in (lost, kept):
        of.advance(16.0)
    assert lost.closed
    assert not kept.closed


def test_silence_for_t3_is_tested_and_a_missing_confirmation_closes_after_t1() -> None:
    of = link()
    assert of.deadline_s() == 20.0
    of.advance(19.9)
    assert of.take_output() == b""
    of.advance(20.0)
    assert of.take_output() == u(TESTFR_ACT)
    assert of.deadline_s() == 35.0
    of.advance(34.9)
    assert not of.closed
    of.advance(35.0)
    assert of.closed


def test_a_confirmed_test_begins_the_silence_anew() -> None:
    of = link()
    of.advance(20.0)
    of.take_output()
    feed(of, u(TESTFR_CON), 25.0)
    assert of.deadline_s() == 45.0


def test_a_test_is_confirmed_whether_started_or_not() -> None:
    for started in (False, True):
        of = link(started)
        feed(of, u(TESTFR_ACT))
        assert of.take_output() == u(TESTFR_CON)


def test_an_i_frame_before_the_start_closes() -> None:
    of = link(started=False)
    assert feed(of, i(0, 0, ASDU)) == []
    assert of.closed


def test_nothing_may_be_sent_before_the_start_or_after_the_stop() -> None:
    of = link(started=False)
    assert not of.room
    feed(of, u(STARTDT_ACT))
    assert of.room
    feed(of, u(STOPDT_ACT))
    assert not of.room


def test_a_stop_waits_for_the_acknowledgement_of_what_was_sent() -> None:
    of = link()
    feed(of, i(0, 0, ASDU))
    of.send(ASDU, 0.0)
    feed(of, i(1, 0, ASDU))
    of.take_output()
    feed(of, u(STOPDT_ACT))
    assert of.take_output() == s(2)
    assert of.transfer is Transfer.STOPPING
    feed(of, s(1))
    assert of.take_output() == u(STOPDT_CON)
    assert of.transfer is Transfer.STOPPED


def test_sequence_numbers_go_on_after_a_stop_and_a_start() -> None:
    of = link()
    feed(of, i(0, 0, ASDU) + u(STOPDT_ACT) + u(STARTDT_ACT))
    assert feed(of, i(1, 0, ASDU)) == [ASDU]


def test_sequence_numbers_wrap_after_32767() -> None:
    of = link()
    for number in range(32768 + 3):
        assert feed(of, i(number, number, ASDU)) == [ASDU]
        of.send(ASDU, 0.0)
        assert split(of.take_output())[-1] == i(number, number + 1, ASDU)
    assert not of.closed


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        ("a number sent out of sequence", i(1, 0, ASDU)),
        ("an acknowledgement of what was never sent", i(0, 1, ASDU)),
        ("a supervisory frame that does so", s(1)),
        ("an I frame without a data unit", i(0, 0, b"")),
        ("a supervisory frame with a tail", bytes((0x68, 5, 1, 0, 0, 0, 0))),
        ("an unnumbered frame of two functions", u(STARTDT_ACT | STOPDT_ACT)),
        ("an unnumbered frame with a number", bytes((0x68, 4, STARTDT_ACT, 0, 2, 0))),
        ("a confirmation of a start nobody asked for", u(STARTDT_CON)),
        ("another start octet", b"\x16\x04\x07\x00\x00\x00"),
        ("a length below 4", b"\x68\x03\x07\x00\x00"),
        ("a length above 253", b"\x68\xfe"),
    ],
)
def test_what_cannot_be_a_frame_closes(what: str, frame: bytes) -> None:
    of = link()
    feed(of, frame)
    assert of.closed, what
    assert of.deadline_s() is None
    assert feed(of, u(TESTFR_ACT)) == []
    assert of.take_output() == b""


def test_where_the_stream_is_cut_makes_no_difference() -> None:
    stream = u(STARTDT_ACT) + i(0, 0, ASDU) + u(TESTFR_ACT) + i(1, 0, b"x" * 249) + s(0) + u(STOPDT_ACT) + i(2, 0, ASDU)
    whole = link(started=False)
    expected = feed(whole, stream), whole.take_output(), whole.closed
    for cut in range(len(stream) + 1):
        of = link(started=False)
        asdus = feed(of, stream[:cut]) + feed(of, stream[cut:])
        assert (asdus, of.take_output(), of.closed) == expected
    octets = link(started=False)
    asdus = [asdu for at in range(len(stream)) for asdu in feed(octets, stream[at : at + 1])]
    assert (asdus, octets.take_output(), octets.closed) == expected


def test_a_link_that_is_stopped_acknowledges_what_it_has_and_takes_acknowledgements_but_no_data() -> None:
    of = link()
    of.send(ASDU, 0.0, ["a"])
    feed(of, i(0, 0, ASDU))
    of.stop()
    assert of.take_output() == i(0, 0, ASDU) + s(1)
    assert not of.room
    feed(of, s(1))
    assert not of.closed
    feed(of, i(1, 1, ASDU))
    assert of.closed


def test_what_unacknowledged_frames_carry_is_given_back_once() -> None:
    of = link()
    for carried in (["a", "b"], [], ["c"]):
        of.send(ASDU, 0.0, carried)
    feed(of, s(1))
    assert of.give_back() == ["c"]
    assert of.give_back() == []
    feed(of, s(3))
    assert not of.closed, "the frames are still under way"
