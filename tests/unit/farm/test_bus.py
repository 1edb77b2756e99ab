"""A bus behind a gateway, by hand: whose turn it is, what is lost, and how long it all takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotfarm.emulators.links.bus import Bus, Errand
from pilotfarm.profiles.media.shared import hop_s, shared_medium

NOW_S = 1_000.0
RATE = 9_600.0
PLAIN = replace(
    shared_medium("rs485"),
    access_median_s=1e-9,
    access_p95_s=2e-9,
    access_p99_s=3e-9,
    access_max_s=4e-9,
    turnaround_min_s=0.02,
    turnaround_max_s=0.02,
    bit_error_rate=0.0,
)
ASK_S, ANSWER_S = hop_s(PLAIN, 8, RATE), hop_s(PLAIN, 45, RATE)
EXCHANGE_S = ASK_S + 0.02 + ANSWER_S
ANSWER = bytes(45)


class Talk:
    """Requests to a bus, and what became of them."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[tuple[str, float]] = []
        self.delivered: list[tuple[str, bytes | None, float]] = []
        self.now_s = NOW_S

    def ask(self, name: str, answer: bytes | None = ANSWER, at_s: float | None = None) -> bool:
        def hear(heard_s: float) -> bytes | None:
            self.heard.append((name, heard_s))
            return answer

        errand = Errand(8, hear, lambda got: self.delivered.append((name, got, self.now_s)))
        return self.bus.ask(errand, self.now_s if at_s is None else at_s)

    def run(self, until_s: float = NOW_S + 60.0) -> None:
        """Advance at every deadline, and not before."""
        while (due_s := self.bus.deadline_s()) is not None and due_s <= until_s:
            assert due_s >= self.now_s
            self.now_s = due_s
            self.bus.advance(due_s)


def bus(queue_max: int = 4, retries: int = 1, timeout_s: float = 0.5, loss_frac: float = 0.0) -> Bus:
    medium = replace(PLAIN, loss_frac=loss_frac)
    return Bus(medium, 1, rate_bit_s=RATE, timeout_s=timeout_s, retries=retries, queue_max=queue_max)


def test_an_exchange_takes_its_octets_and_the_turn_around() -> None:
    talk = Talk(bus())
    talk.ask("a")
    talk.run()
    assert talk.heard == [("a", pytest.approx(NOW_S + ASK_S + 0.02))]
    assert talk.delivered == [("a", ANSWER, pytest.approx(NOW_S + EXCHANGE_S))]
    assert talk.bus.deadline_s() is None


def test_one_exchange_at_a_time_in_the_order_asked() -> None:
    talk = Talk(bus())
    assert all(talk.ask(name) for name in "abc")
    talk.run()
    assert [(name, pytest.approx(at_s)) for name, _, at_s in talk.delivered] == [
        (name, NOW_S + k * EXCHANGE_S) for k, name in enumerate("abc", 1)
    ]


def test_so_many_may_wait_beside_the_one_whose_turn_it_is() -> None:
    talk = Talk(bus(queue_max=2))
    assert [talk.ask(name) for name in "abcd"] == [True, True, True, False]
    talk.run()
    assert [name for name, _, _ in talk.delivered] == ["a", "b", "c"]
    assert talk.ask("e")


def test_who_is_silent_is_asked_again_and_given_up() -> None:
    talk = Talk(bus(retries=2))
    talk.ask("a", answer=None)
    talk.ask("b")
    talk.run()
    assert [name for name, _ in talk.heard] == ["a", "a", "a", "b"]
    given_up_s = NOW_S + 3 * (ASK_S + 0.5)
    assert talk.delivered == [
        ("a", None, pytest.approx(given_up_s)),
        ("b", ANSWER, pytest.approx(given_up_s + EXCHANGE_S)),
    ]


def test_an_answer_that_would_come_too_late_is_none() -> None:
    edge_s = 0.02 + ANSWER_S
    for timeout_s, answers in ((edge_s + 1e-6, True), (edge_s - 1e-6, False)):
        talk = Talk(bus(retries=0, timeout_s=timeout_s))
        talk.ask("a")
        talk.run()
        ((_, got, at_s),) = talk.delivered
        assert (got is not None) is answers
        assert at_s == pytest.approx(NOW_S + ASK_S + min(edge_s, timeout_s))


def test_what_is_lost_is_asked_again_and_a_device_may_hear_it_twice() -> None:
    talk = Talk(bus(retries=6, loss_frac=0.4, queue_max=200))
    for k in range(200):
        talk.ask(f"r{k}")
    talk.run(NOW_S + 1e6)
    assert len(talk.delivered) == 200
    lost = sum(got is None for _, got, _ in talk.delivered)
    assert lost == pytest.approx(200 * 0.64**7, abs=12)
    assert len(talk.heard) > 1.3 * len({name for name, _ in talk.heard})


def test_time_that_passes_unwatched_is_made_up() -> None:
    talk = Talk(bus())
    talk.ask("a")
    talk.ask("b")
    talk.now_s = NOW_S + 100.0
    talk.bus.advance(talk.now_s)
    assert [name for name, _, _ in talk.delivered] == ["a", "b"]
    assert talk.heard[1][1] == pytest.approx(NOW_S + EXCHANGE_S + ASK_S + 0.02)
    talk.ask("c")
    talk.run(NOW_S + 200.0)
    assert talk.delivered[-1][2] == pytest.approx(NOW_S + 100.0 + EXCHANGE_S)
