"""What is logged is bounded by kind, and what is left unsaid is counted."""

from __future__ import annotations

import io
import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.loadtests import signals
from pilotfarm.loadtests.logs import KIND_MAX, WINDOW_S, BoundedHandler


class Console:
    """A bounded handler, and what it has written."""

    def __init__(self) -> None:
        self.handler = BoundedHandler()
        self.stream = io.StringIO()
        self.handler.setStream(self.stream)
        self.now_s = 1_750_000_000.0

    def log(self, text: str, *args: object, line: int = 1, name: str = "farm", error: Exception | None = None) -> None:
        info = None if error is None else (type(error), error, None)
        record = logging.LogRecord(name, logging.WARNING, "file.py", line, text, args, info)
        record.created = self.now_s
        self.handler.handle(record)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def console() -> Iterator[Console]:
    found = Console()
    yield found
    found.handler.close()


def test_a_line_is_shown_once_in_a_minute_and_the_rest_are_counted(console: Console) -> None:
    for _ in range(20_000):
        console.log("%s: garbage %d", "10.0.0.1", 7)
    assert console.lines == ["10.0.0.1: garbage 7"]
    console.now_s += WINDOW_S - 1.0
    console.log("another kind", line=2)
    assert len(console.lines) == 2
    console.now_s += 1.0
    console.log("%s: garbage %d", "10.0.0.1", 8)
    assert console.lines[2:] == [
        "19999 more lines like this were left unsaid: 10.0.0.1: garbage 7",
        "10.0.0.1: garbage 8",
    ]


def test_each_address_has_its_line_up_to_a_bound(console: Console) -> None:
    for number in range(10_000):
        console.log("%s: garbage", f"10.0.{number // 256}.{number % 256}")
    assert console.lines == [f"10.0.0.{number}: garbage" for number in range(KIND_MAX)]
    assert len(console.handler._windows) == 1


def test_kinds_do_not_silence_one_another(console: Console) -> None:
    for _ in range(3):
        console.log("one", line=1)
        console.log("two", line=2)
        console.log("three", line=2, name="elsewhere")
        for error in (ValueError("a"), ValueError("b"), KeyError("c")):
            console.log("failed", line=3, error=error)
    assert [line for line in console.lines if not line.startswith(("ValueError", "KeyError"))] == [
        "one",
        "two",
        "three",
        "failed",
        "failed",
    ]


def test_what_is_unsaid_is_told_with_the_next_line_of_any_kind_and_at_the_end() -> None:
    console = Console()
    for kind in range(3):
        for _ in range(kind + 1):
            console.log("kind", line=kind)
    console.now_s += WINDOW_S
    console.log("all is quiet", line=9)
    console.log("all is quiet", line=9)
    assert console.lines[3:] == [
        "1 more lines like this were left unsaid: kind",
        "2 more lines like this were left unsaid: kind",
        "all is quiet",
    ]
    console.handler.close()
    assert console.lines[6:] == ["1 more lines like this were left unsaid: all is quiet"]


def test_a_traceback_is_not_told_again_with_the_count() -> None:
    console = Console()
    for _ in range(2):
        console.log("failed\nbadly", error=ValueError("no"))
    console.handler.close()
    assert console.lines == ["failed", "badly", "ValueError: no", "1 more lines like this were left unsaid: failed"]


def test_a_clock_that_goes_back_silences_nothing_for_long(console: Console) -> None:
    console.log("kind")
    console.now_s -= 1e6
    console.log("kind")
    assert console.lines == ["kind", "kind"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.floats(0.0, 30.0))))
def test_every_line_is_shown_or_counted(steps: list[tuple[int, int, float]]) -> None:
    console = Console()
    for kind, about, later_s in steps:
        console.now_s += later_s
        console.log("%s", about, line=kind)
    console.handler.close()
    counted = [line for line in console.lines if "left unsaid" in line]
    shown = len(console.lines) - len(counted)
    assert shown + sum(int(line.split()[0]) for line in counted) == len(steps)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_hangup_ends_a_service_unless_it_is_to_be_ignored(ignored: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        assert (signal.SIGHUP in signals.ending()) is not ignored
        assert {signal.SIGINT, signal.SIGTERM} <= set(signals.ending())
    finally:
        signal.signal(signal.SIGHUP, before)
