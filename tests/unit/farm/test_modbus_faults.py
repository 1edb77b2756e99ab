"""Devices that keep silent over Modbus, and answers that come out wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Filter, Link

ANSWER = bytes.fromhex("0007 0000 0007 01 03 04 53756e53")
"""Unit 1 says "SunS" in transaction 7."""


@dataclass
class Device:
    """An engine with answers to give."""

    answers: list[bytes] = field(default_factory=list)
    closed: bool = False
    heard: bytes = b""
    advanced_s: float | None = None
    gone_s: float | None = None

    def receive(self, data: bytes, now_s: float) -> None:
        self.heard += data

    def advance(self, now_s: float) -> None:
        self.advanced_s = now_s

    def deadline_s(self) -> float | None:
        return 5.0

    def take_output(self) -> bytes:
        return self.answers.pop(0) if self.answers else b""

    def hang_up(self, now_s: float) -> None:
        self.gone_s = now_s


def answering(mode: str, *answers: bytes, share_frac: float = 1.0, key: int = 1) -> Link:
    spec: Any = registry.fault("modbus-answer")
    return spec.wrap(Device(list(answers)), mode, spec.parameters(share_frac=share_frac), key, 0.0)


def silent(mode: str, share_frac: float = 1.0, key: int = 1) -> Filter:
    spec: Any = registry.fault("silence")
    return spec.filter(mode, spec.parameters(share_frac=share_frac), key)


MODES = registry.fault("modbus-answer").modes


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("transaction", "8007 0000 0007 01 03 04 53756e53"),
        ("protocol", "0007 8000 0007 01 03 04 53756e53"),
        ("length", "0007 0000 0008 01 03 04 53756e53"),
        ("unit", "0007 0000 0007 81 03 04 53756e53"),
        ("function", "0007 0000 0007 01 43 04 53756e53"),
        ("truncated", "0007 0000 0007 01 03 04 53"),
        ("doubled", "0007 0000 0007 01 03 04 53756e53 0007 0000 0007 01 03 04 53756e53"),
        ("cut", "0007 0000 0007 01 03 04 53"),
    ],
)
def test_an_answer_comes_out_as_the_mode_says(mode: str, told: str) -> None:
    link = answering(mode, ANSWER)
    assert link.take_output() == bytes.fromhex(told)
    assert link.closed == (mode == "cut")


def test_a_corrupted_answer_has_one_bit_turned_over_behind_its_function() -> None:
    places = set()
    for key in range(300):
        told = answering("corrupted", ANSWER, key=key).take_output()
        difference = int.from_bytes(told, "big") ^ int.from_bytes(ANSWER, "big")
        assert difference.bit_count() == 1
        places.add(8 * len(ANSWER) - difference.bit_length())
    assert places == set(range(8 * 8, 8 * len(ANSWER)))


def test_the_shortest_answer_stays_one_that_can_be_told_from_none() -> None:
    exception = bytes.fromhex("0007 0000 0003 01 83 02")
    assert answering("truncated", exception).take_output() == exception[:8]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "cut"])
def test_answers_in_one_go_or_in_pieces_are_changed_alike(mode: str) -> None:
    second = struct.pack(">HHHBBB", 8, 0, 3, 1, 0x83, 2)
    whole = answering(mode, ANSWER + second).take_output()
    link = answering(mode, *(bytes((octet,)) for octet in ANSWER + second))
    pieces = [link.take_output() for _ in range(len(ANSWER + second))]
    assert b"".join(pieces) == whole
    assert all(not piece for piece in pieces[: len(ANSWER) - 1])


def test_nothing_follows_a_cut() -> None:
    link = answering("cut", ANSWER + ANSWER, ANSWER)
    assert len(link.take_output()) == 10
    assert link.take_output() == b""


@pytest.mark.parametrize("mode", MODES)
def test_a_share_of_the_answers_is_gripped_and_the_others_are_as_they_were(mode: str) -> None:
    gripped = 0
    for key in range(400):
        told = answering(mode, ANSWER, share_frac=0.25, key=key).take_output()
        gripped += told != ANSWER
    assert 70 <= gripped <= 130  # 100, with a standard deviation of 8.7


def test_what_ends_hands_on_what_is_there_as_it_is() -> None:
    link = answering("transaction", ANSWER[:5], ANSWER[5:], ANSWER)
    assert link.take_output() == b""
    link.let_go(0.0)
    assert link.take_output() + link.take_output() + link.take_output() == ANSWER + ANSWER
    assert link.take_output() == b""


def test_requests_and_time_pass() -> None:
    link = answering("unit")
    device: Any = link.inner
    link.receive(b"request", 1.0)
    link.advance(2.0)
    link.hang_up(3.0)
    assert (device.heard, device.advanced_s, link.deadline_s(), device.gone_s) == (b"request", 2.0, 5.0, 3.0)
    device.closed = True
    assert link.closed


def test_unheard_requests_do_not_reach_the_device_and_unanswered_ones_do() -> None:
    assert silent("unheard").inward(b"\x06", 0.0) == (None, None)
    assert silent("unheard").outward(b"\x06", 0.0) == b"\x06"
    assert silent("unanswered").inward(b"\x06", 0.0) == (b"\x06", None)
    assert silent("unanswered").outward(b"\x06", 0.0) is None


@pytest.mark.parametrize("mode", ["unheard", "unanswered"])
def test_a_share_of_the_requests_is_lost(mode: str) -> None:
    def passes(each: Filter) -> bool:
        heard, _ = each.inward(b"\x06", 0.0)
        return heard is not None and each.outward(heard, 0.0) is not None

    each = silent(mode, share_frac=0.25)
    assert 260 <= sum(passes(each) for _ in range(400)) <= 340  # 300, with a standard deviation of 8.7
    assert [passes(silent(mode, 0.5, key)) for key in range(50)] == [
        passes(silent(mode, 0.5, key)) for key in range(50)
    ]
