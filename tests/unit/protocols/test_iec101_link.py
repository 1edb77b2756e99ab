"""The link of IEC 60870-5-101 alone: both of its sides, by themselves and against each other over a line that loses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product

import pytest

from pilotfarm.emulators.protocols.iec101.frames import Deframer, Frame, Framing
from pilotfarm.emulators.protocols.iec101.primary import Primary, Timing
from pilotfarm.emulators.protocols.iec101.secondary import Secondary
from pilotfarm.emulators.protocols.iec101.services import BALANCED, UNBALANCED, Request

FRAMING = Framing(1)
ADDRESS = 7
MODULO = 2
RESET, STATUS, DEMAND = 0x40, 0x49, 0x48
DATA_0, DATA_1 = 0x53, 0x73
CLASS_1_0, CLASS_1_1, CLASS_2_0, CLASS_2_1 = 0x5A, 0x7A, 0x5B, 0x7B
COMMAND = b"command"


@dataclass
class Shelf:
    """A user that has data of both classes to hand out, and keeps what it is told."""

    first: list[bytes] = field(default_factory=list)
    second: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    begun: int = 0
    arrivals: int = 0
    full: bool = False

    @property
    def urgent(self) -> bool:
        return bool(self.first)

    def begin(self, now_s: float) -> None:
        self.begun += 1

    def take(self, data: bytes, now_s: float) -> None:
        self.taken.append(data)

    def give(self, urgent: bool, now_s: float) -> bytes | None:
        shelf = self.first if urgent else self.second
        return shelf.pop(0) if shelf else None

    def arrived(self) -> None:
        self.arrivals += 1


def station(shelf: Shelf, *, single: bool = False, begun: bool = True, balanced: bool = False) -> Secondary:
    made = Secondary(FRAMING, ADDRESS, BALANCED if balanced else UNBALANCED, shelf, single=single)
    if begun:
        ask(made, RESET)
    return made


def ask(of: Secondary, control: int, data: bytes = b"") -> bytes:
    return of.answer(Frame(control, ADDRESS, data), 0.0)


def reply(control: int, data: bytes = b"") -> bytes:
    return FRAMING.encode(control, ADDRESS, data)


class TestSecondary:
    def test_before_the_reset_only_status_and_reset_are_answered(self) -> None:
        shelf = Shelf(first=[b"event"])
        of = station(shelf, begun=False)
        for control in (CLASS_1_1, CLASS_2_1, 0x5A):
            assert ask(of, control) == b""
        for control in (DATA_1, DATA_0, 0x44):
            assert ask(of, control, COMMAND) == b""
        assert (shelf.taken, shelf.begun) == ([], 0)
        assert ask(of, STATUS) == ask(of, DEMAND) == reply(0x2B)
        assert ask(of, RESET) == reply(0x20)
        assert ask(of, CLASS_1_1) == reply(0x08, b"event")

    def test_class_1_and_class_2_are_given_and_their_lack_is_said(self) -> None:
        of = station(Shelf(first=[b"a", b"b"], second=[b"c"]))
        assert ask(of, CLASS_2_1) == reply(0x28, b"c")
        assert ask(of, CLASS_2_0) == reply(0x29)
        assert ask(of, CLASS_1_1) == reply(0x28, b"a")
        assert ask(of, CLASS_1_0) == reply(0x08, b"b")
        assert ask(of, CLASS_1_1) == reply(0x09)

    @pytest.mark.parametrize("full", [False, True])
    @pytest.mark.parametrize("urgent", [False, True])
    @pytest.mark.parametrize("single", [False, True])
    def test_a_single_character_stands_where_nothing_is_demanded(self, single: bool, urgent: bool, full: bool) -> None:
        shelf = Shelf()
        of = station(shelf, single=single)
        shelf.first, shelf.full = [b"x"] * urgent, full
        plain = single and not urgent and not full
        bits = 0x20 * urgent | 0x10 * full
        assert ask(of, RESET) == (b"\xe5" if plain else reply(bits))
        assert ask(of, CLASS_2_1) == (b"\xe5" if plain else reply(bits | 0x09))
        assert ask(of, STATUS) == reply(bits | 0x0B)
        assert ask(of, DATA_0, COMMAND) == (b"\xe5" if plain else reply(bits | (0x01 if full else 0x00)))
        assert shelf.taken == ([] if full else [COMMAND])

    def test_a_repetition_is_answered_as_before_and_nothing_is_done(self) -> None:
        shelf = Shelf(first=[b"a", b"b"])
        of = station(shelf)
        assert ask(of, CLASS_1_1) == ask(of, CLASS_1_1) == ask(of, CLASS_1_1) == reply(0x28, b"a")
        assert shelf.arrivals == 1
        assert ask(of, DATA_0, COMMAND) == reply(0x20)
        shelf.first.clear()
        assert ask(of, DATA_0, COMMAND) == reply(0x20)
        assert shelf.taken == [COMMAND]
        assert ask(of, CLASS_2_0) == reply(0x20), "whatever else is asked with the bit of before"

    def test_after_a_reset_the_first_count_bit_is_1(self) -> None:
        shelf = Shelf(first=[b"a"])
        of = station(shelf)
        assert ask(of, CLASS_1_0) == b""
        assert ask(of, CLASS_1_1) == reply(0x08, b"a")
        assert ask(of, RESET) == reply(0x00)
        assert ask(of, CLASS_1_0) == b""
        assert shelf.begun == 2

    def test_a_reset_is_one_whatever_its_count_bit_says(self) -> None:
        for control in (0x40, 0x60, 0x50, 0x70):
            shelf = Shelf()
            of = station(shelf)
            assert ask(of, control) == reply(0x00)
            assert shelf.begun == 2

    def test_a_valid_count_bit_counts_in_every_service(self) -> None:
        # hat-drivers' master asks for the status with a count bit that goes on.
        shelf = Shelf()
        of = station(shelf, balanced=True)
        assert ask(of, 0x79) == reply(0x0B)
        assert ask(of, 0x5F) == reply(0x0F)
        assert ask(of, DATA_1, COMMAND) == reply(0x00)
        assert ask(of, 0x52) == reply(0x00)
        assert ask(of, DATA_1, COMMAND) == reply(0x00)
        assert shelf.taken == [COMMAND] * 2

    def test_services_without_a_count_bit_are_done_each_time(self) -> None:
        shelf = Shelf(first=[b"a", b"b"])
        of = station(shelf)
        assert ask(of, 0x4A) == reply(0x28, b"a")
        assert ask(of, 0x4A) == reply(0x08, b"b")
        ask(of, 0x43, COMMAND)
        ask(of, 0x43, COMMAND)
        assert shelf.taken == [COMMAND] * 2

    def test_what_is_full_refuses_and_takes_when_it_is_asked_again(self) -> None:
        for again in (DATA_1, DATA_0):
            shelf = Shelf(full=True)
            of = station(shelf)
            assert ask(of, DATA_1, COMMAND) == reply(0x11)
            assert ask(of, DATA_1, COMMAND) == reply(0x11)
            shelf.full = False
            assert ask(of, again, COMMAND) == reply(0x00)
            assert ask(of, again, COMMAND) == reply(0x00)
            assert shelf.taken == [COMMAND]

    def test_what_was_refused_without_a_count_bit_leaves_what_was_taken_with_one(self) -> None:
        shelf = Shelf()
        of = station(shelf)
        ask(of, DATA_1, COMMAND)
        shelf.full = True
        assert ask(of, 0x43, COMMAND) == reply(0x11)
        shelf.full = False
        assert ask(of, DATA_1, COMMAND) == reply(0x00)
        assert shelf.taken == [COMMAND]

    def test_data_without_reply_are_taken_where_there_is_room(self) -> None:
        shelf = Shelf()
        of = station(shelf)
        assert ask(of, 0x44, COMMAND) == b""
        shelf.full = True
        assert ask(of, 0x44, COMMAND) == b""
        assert shelf.taken == [COMMAND]

    @pytest.mark.parametrize("balanced", [False, True])
    @pytest.mark.parametrize("begun", [False, True])
    def test_every_other_service_is_said_not_to_be_implemented(self, begun: bool, balanced: bool) -> None:
        served = BALANCED if balanced else UNBALANCED
        for function, valid in product(range(16), (0x40, 0x70)):
            if function not in served and function not in (Request.DATA, Request.DATA_NO_REPLY):
                of = station(Shelf(), begun=begun, balanced=balanced)
                assert ask(of, valid | function) == reply(0x0F)

    def test_data_in_a_frame_that_carries_none_or_none_in_one_that_does_are_no_service(self) -> None:
        for control in range(0x40, 0x80):
            shelf = Shelf(first=[b"a"], second=[b"b"])
            of = station(shelf)
            carries = control & 0x0F in (Request.DATA, Request.DATA_NO_REPLY)
            assert ask(of, control, b"" if carries else COMMAND) == b""
            assert (shelf.taken, shelf.begun) == ([], 1)

    def test_balanced_no_access_is_demanded(self) -> None:
        of = station(Shelf(first=[b"a"]), balanced=True)
        assert ask(of, STATUS) == reply(0x0B)


# ---------------------------------------------------------------------- a master on a line that loses


class Endless:
    """A user with endless numbered data, that wants each of the master's once."""

    def __init__(self) -> None:
        self.wanted = 0
        self.told = 0
        self.under_way = False
        self.full = False
        self.urgent = True

    def begin(self, now_s: float) -> None:
        if self.under_way:
            self.told = (self.told - 1) % MODULO  # tell it again
        self.under_way = False

    def take(self, data: bytes, now_s: float) -> None:
        assert data == bytes((1 + self.wanted,)), "taken twice or never"
        self.wanted = (self.wanted + 1) % MODULO

    def give(self, urgent: bool, now_s: float) -> bytes | None:
        self.told, self.under_way = (self.told + 1) % MODULO, True
        return bytes((1 + (self.told - 1) % MODULO,))

    def arrived(self) -> None:
        self.under_way = False


class PollingMaster:
    """A master as the standard has it, and a station: one service at a time, repeated until it is answered."""

    def __init__(self) -> None:
        self.user = Endless()
        self.station = Secondary(FRAMING, ADDRESS, UNBALANCED, self.user, single=False)
        self.bit = 0
        self.sent = 0
        self.heard = 0
        self.doubtful = False
        """Whether a reset has left it open if the last datum arrived."""
        self.under_way: Frame | None = Frame(RESET, ADDRESS)

    def key(self) -> object:
        of, user = self.station, self.user
        return (
            (of._bit, of._answer, of._refused, of.begun, user.wanted, user.told, user.under_way, user.full),
            (self.bit, self.sent, self.heard, self.doubtful, self.under_way),
        )

    def moves(self) -> Iterable[Callable[[], None]]:
        yield self.turn_full
        yield self.restart
        if self.under_way is None:
            yield lambda: self.begin(Request.DATA, bytes((1 + self.sent,)))
            yield lambda: self.begin(Request.CLASS_1)
            yield lambda: self.begin(Request.CLASS_2)
        else:
            yield lambda: self.line(answered=False)
            yield lambda: self.line(answered=True)

    def turn_full(self) -> None:
        self.user.full = not self.user.full

    def restart(self) -> None:
        self.under_way = Frame(RESET, ADDRESS)

    def begin(self, function: Request, data: bytes = b"") -> None:
        self.bit ^= 0x20
        self.under_way = Frame(0x50 | self.bit | function, ADDRESS, data)

    def line(self, answered: bool) -> None:
        asked = self.under_way
        assert asked is not None
        answer = self.station.answer(asked, 0.0)
        if not answered:
            return
        (frame,) = Deframer(FRAMING, 0.0).receive(answer, 0.0)
        function = asked.control & 0x0F
        if function == Request.RESET_LINK:
            self.bit, self.sent, self.doubtful = 0, self.user.wanted, True
        elif function == Request.DATA:
            assert frame.control & 0x0F in (0, 1)
            if not frame.control & 0x0F:
                self.sent = (self.sent + 1) % MODULO
                assert self.sent == self.user.wanted, "acknowledged and not taken"
        else:
            number = frame.data[0] - 1
            assert number == self.heard or (self.doubtful and number == (self.heard - 1) % MODULO)
            self.heard, self.doubtful = (number + 1) % MODULO, False
        self.under_way = None


class BalancedPair:
    """Our primary station against our secondary, with a line between them that loses what it likes."""

    def __init__(self) -> None:
        self.user = Endless()
        self.station = Secondary(FRAMING, ADDRESS, BALANCED, self.user, single=False)
        self.primary = Primary(FRAMING, ADDRESS, Timing(1.0, 1, 5.0), 0.0)
        self.octets = self.primary.take_output()
        self.sent = 0
        self.now_s = 0.0

    def key(self) -> object:
        of, user, by = self.station, self.user, self.primary
        mine = (of._bit, of._answer, of._refused, of.begun, user.wanted, user.full)
        return mine, (by._at, by._bit, by._data, by._frame, min(by._sent, 3)), self.sent, self.octets

    def moves(self) -> Iterable[Callable[[], None]]:
        yield self.turn_full
        yield self.wait
        if self.octets:
            yield lambda: self.line(answered=False)
            yield lambda: self.line(answered=True)
        if self.primary.room:
            yield self.send

    def turn_full(self) -> None:
        self.user.full = not self.user.full

    def send(self) -> None:
        self.primary.send(bytes((1 + self.sent,)), self.now_s, [self.sent])
        self.collect()

    def wait(self) -> None:
        self.now_s = self.primary.deadline_s() or 0.0
        self.primary.advance(self.now_s)
        self.collect()

    def line(self, answered: bool) -> None:
        (frame,) = Deframer(FRAMING, self.now_s).receive(self.octets, self.now_s)
        self.octets = b""
        answer = self.station.answer(frame, self.now_s)
        if answered and answer:
            (back,) = Deframer(FRAMING, self.now_s).receive(answer, self.now_s)
            before = self.primary._data
            self.primary.receive(back.control, self.now_s)
            if before and not self.primary._data:
                self.sent = (self.sent + 1) % MODULO
                assert self.sent == self.user.wanted, "acknowledged and not taken"
            self.collect()

    def collect(self) -> None:
        self.octets = self.primary.take_output() or self.octets
        if not self.primary.up and self.primary.give_back():
            self.sent = self.user.wanted  # it may or may not have been taken: the next link begins where that stands


@pytest.mark.parametrize("kind", [PollingMaster, BalancedPair])
def test_whatever_a_line_loses_each_datum_is_taken_once_in_order(
    kind: type[PollingMaster | BalancedPair],
) -> None:
    first = kind()
    seen, left = {first.key()}, deque([first])
    while left:
        here = left.popleft()
        for number in range(len(list(here.moves()))):
            there = deepcopy(here)
            list(there.moves())[number]()
            key = there.key()
            if key not in seen:
                seen.add(key)
                left.append(there)
    assert len(seen) > 200


class TestPrimary:
    timing = Timing(timeout_s=1.0, repeats=2, test_s=10.0)

    def begun(self, timing: Timing = timing) -> Primary:
        of = Primary(FRAMING, ADDRESS, timing, 0.0)
        assert of.take_output() == reply(0x49)
        of.receive(0x0B, 0.0)
        assert of.take_output() == reply(0x40)
        assert not of.up
        of.receive(0x00, 0.0)
        assert of.up
        assert of.room
        assert not of.take_output()
        return of

    def test_the_count_bit_turns_with_each_service(self) -> None:
        of = self.begun()
        for control in (0x73, 0x53, 0x73):
            of.send(COMMAND, 0.0)
            assert of.take_output() == reply(control, COMMAND)
            assert not of.room
            of.receive(0x00, 0.0)
            assert of.room

    def test_what_is_not_answered_is_repeated_and_then_the_link_is_down_and_begins_again(self) -> None:
        of = self.begun()
        of.send(COMMAND, 5.0, ["event"])
        first = of.take_output()
        for now_s in (6.0, 7.0):
            of.advance(now_s - 0.001)
            assert of.take_output() == b""
            assert of.deadline_s() == now_s
            of.advance(now_s)
            assert of.take_output() == first
        of.advance(8.0)
        assert not of.up
        assert of.take_output() == reply(0x49)
        assert of.give_back() == ["event"]
        assert of.give_back() == []
        for now_s in range(9, 60):
            of.advance(float(now_s))
            assert of.take_output() == reply(0x49)
        of.receive(0x0B, 60.0)
        of.receive(0x00, 60.0)
        of.take_output()
        of.send(COMMAND, 60.0)
        assert of.take_output() == reply(0x73, COMMAND)

    def test_a_reset_that_is_not_answered_leads_back_to_the_status(self) -> None:
        of = Primary(FRAMING, ADDRESS, self.timing, 0.0)
        of.receive(0x0B, 0.0)
        of.take_output()
        sent = []
        for now_s in (1.0, 2.0, 3.0):
            of.advance(now_s)
            sent.append(of.take_output())
        assert sent == [reply(0x40), reply(0x40), reply(0x49)]

    def test_a_silent_line_is_tested(self) -> None:
        for answer in (0x00, 0x0E, 0x0F):
            of = self.begun()
            of.heard(3.0)
            assert of.deadline_s() == 13.0
            of.advance(13.0)
            assert of.take_output() == reply(0x72)
            of.receive(answer, 13.5)
            assert of.room
            assert of.deadline_s() == 23.5
            of.send(COMMAND, 14.0)
            assert of.take_output() == reply(0x53, COMMAND)
        assert self.begun(Timing(1.0, 2, 0.0)).deadline_s() is None

    def test_a_peer_without_room_is_asked_until_it_has_some(self) -> None:
        for refused in (False, True):
            of = self.begun()
            of.send(COMMAND, 0.0, ["event"])
            of.take_output()
            of.receive(0x11 if refused else 0x10, 0.0)
            assert of.up
            assert not of.room
            assert not of.take_output()
            for now_s in (1.0, 2.0):
                assert of.deadline_s() == now_s
                of.advance(now_s)
                assert of.take_output() == reply(0x49)
                of.receive(0x1B, now_s)
            of.advance(3.0)
            assert of.take_output() == reply(0x49)
            of.receive(0x0B, 3.0)
            assert of.room is not refused
            assert of.take_output() == (reply(0x53, COMMAND) if refused else b"")
            assert of.give_back() == (["event"] if refused else [])

    def test_a_peer_without_room_that_falls_silent_is_down(self) -> None:
        of = self.begun()
        of.send(COMMAND, 0.0)
        of.receive(0x10, 0.0)
        for now_s in (1.0, 2.0, 3.0, 4.0):
            assert of.up
            of.advance(now_s)
        assert not of.up

    @pytest.mark.parametrize("answer", [0x08, 0x09, 0x0E, 0x0F])
    def test_data_that_are_answered_in_no_known_way_bring_the_link_down(self, answer: int) -> None:
        of = self.begun()
        of.send(COMMAND, 0.0, ["event"])
        of.receive(answer, 0.0)
        assert not of.up
        assert of.give_back() == ["event"]

    def test_answers_that_nobody_waits_for_are_nothing(self) -> None:
        for control in range(0x40):
            of = self.begun()
            of.receive(control, 0.0)
            assert of.room
            assert not of.take_output()
        for control in set(range(0x40)) - {0x0B, 0x2B}:
            of = Primary(FRAMING, ADDRESS, self.timing, 0.0)
            of.take_output()
            of.receive(control, 0.5)
            assert not of.up
            assert not of.take_output()
