"""Answers of Modbus that come when nobody waits for them any more, and requests that meet an exception or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Filter
from pilotfarm.emulators.links.pipe import HELD_MAX_BYTES

MODES = registry.fault("modbus-late").modes
WRITES = {5, 6, 15, 16, 21, 22, 23}


def answer(number: int, registers: int = 1) -> bytes:
    body = bytes((1, 3, 2 * registers)) + bytes(2 * registers)
    return number.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


@dataclass
class Device:
    """Answers at once, with the transaction it is asked."""

    said: bytes = b""
    closed: bool = False
    due_s: float | None = None

    def receive(self, data: bytes, now_s: float) -> None:
        for at in range(0, len(data), 2):
            self.said += answer(int.from_bytes(data[at : at + 2], "big"))

    def advance(self, now_s: float) -> None: ...
    def deadline_s(self) -> float | None:
        return self.due_s

    def take_output(self) -> bytes:
        said, self.said = self.said, b""
        return said

    def hang_up(self, now_s: float) -> None:
        self.closed = True


def late(mode: str, key: int = 1, **parameters: Any) -> Any:
    spec: Any = registry.fault("modbus-late")
    return spec.wrap(Device(), mode, spec.parameters(**parameters), key, 0.0)


def ask(link: Any, number: int, now_s: float) -> list[int]:
    link.receive(number.to_bytes(2, "big"), now_s)
    return told(link)


def told(link: Any) -> list[int]:
    """The transactions of the answers that come."""
    said, found = link.take_output(), []
    while said:
        number = int.from_bytes(said[:2], "big")
        assert said.startswith(answer(number))
        found.append(number)
        said = said[len(answer(number)) :]
    return found


def wait(link: Any, now_s: float) -> list[int]:
    link.advance(now_s)
    return told(link)


@pytest.mark.parametrize("mode", ["late", "overtaken"])
def test_the_answer_to_a_request_comes_after_the_next_one_was_asked(mode: str) -> None:
    link = late(mode, delay_s=1.5)
    assert ask(link, 1, 0.0) == []
    assert ask(link, 2, 1.0) == []
    assert link.deadline_s() == 1.5
    assert wait(link, 1.499) == []
    assert wait(link, 1.5) == [1]
    assert link.deadline_s() == 2.5
    assert wait(link, 2.5) == [2]
    assert link.deadline_s() is None


def first_gripped(mode: str) -> Any:
    """A link that grips the first answer, and neither the second nor the third."""
    for key in range(1_000):
        probe = late(mode, key, share_frac=0.5)
        if [probe._draw() < 0.5 for _ in range(3)] == [True, False, False]:
            return late(mode, key, delay_s=1.5, share_frac=0.5)
    raise AssertionError


def test_answers_behind_a_late_one_wait_for_it_and_no_longer() -> None:
    link = first_gripped("late")
    assert ask(link, 1, 0.0) + ask(link, 2, 1.0) == []
    assert ask(link, 3, 1.5) == [1, 2, 3]
    assert link.deadline_s() is None


def test_answers_overtake_a_late_one() -> None:
    link = first_gripped("overtaken")
    assert ask(link, 1, 0.0) == []
    assert ask(link, 2, 1.0) == [2]
    assert ask(link, 3, 1.5) == [3, 1]


def test_an_answer_lags_until_the_next_one_brings_it() -> None:
    link = late("lagging")
    assert [ask(link, number, float(number)) for number in range(1, 5)] == [[], [1], [2], [3]]
    assert wait(link, 1e6) == []
    assert link.deadline_s() is None
    link = first_gripped("lagging")
    assert [ask(link, number, float(number)) for number in range(1, 4)] == [[], [1, 2], [3]]


@pytest.mark.parametrize("mode", MODES)
def test_what_ends_hands_on_what_is_held_and_holds_nothing_back_after(mode: str) -> None:
    link = late(mode)
    assert ask(link, 1, 0.0) == []
    link.let_go(0.1)
    assert told(link) == [1]
    assert ask(link, 2, 0.2) == [2]


@pytest.mark.parametrize("mode", MODES)
def test_a_share_of_the_answers_is_late(mode: str) -> None:
    held = sum(not ask(late(mode, key, share_frac=0.25), 1, 0.0) for key in range(400))
    assert 70 <= held <= 130  # 100, with a standard deviation of 8.7


def test_a_device_is_woken_when_it_asks_for_it() -> None:
    link = late("late", delay_s=1.5)
    link.inner.due_s = 1.0
    assert ask(link, 1, 0.0) == []
    assert link.deadline_s() == 1.0
    link.inner.due_s = 9.0
    assert link.deadline_s() == 1.5


def test_more_answers_than_the_bound_close_the_connection() -> None:
    link = late("late", delay_s=600.0)
    each = answer(1, 100)
    fitting = HELD_MAX_BYTES // len(each)
    link.inner.said = each * fitting
    assert (link.take_output(), link.closed) == (b"", False)
    link.inner.said = each
    assert (link.take_output(), link.closed) == (b"", True)


# ---------------------------------------------------------------------------------------- exceptions


def refusing(key: int = 1, **parameters: Any) -> Filter:
    spec: Any = registry.fault("modbus-exception")
    return spec.filter("", spec.parameters(**parameters), key)


@pytest.mark.parametrize("of", ["all", "reads", "writes"])
def test_an_exception_meets_every_function_or_those_that_write_or_the_others(of: str) -> None:
    each = refusing(of=of, code=6)
    for function in range(1, 0x80):
        message = bytes((function, 0, 0))
        gripped = of == "all" or (function in WRITES) == (of == "writes")
        refused = None, bytes((function | 0x80, 6))
        assert each.inward(message, 0.0) == (refused if gripped else (message, None))
        assert each.outward(message, 0.0) == message


def test_a_share_of_the_requests_meets_an_exception() -> None:
    each = refusing(share_frac=0.25)
    refused = sum(each.inward(b"\x03", 0.0)[0] is None for _ in range(400))
    assert 70 <= refused <= 130  # 100, with a standard deviation of 8.7


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("modbus-late", {"delay_s": 0.0}),
        ("modbus-late", {"delay_s": 601.0}),
        ("modbus-late", {"share_frac": 0.0}),
        ("modbus-exception", {"of": "coils"}),
        ("modbus-exception", {"share_frac": 2.0}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.fault(kind).parameters(**parameters)
