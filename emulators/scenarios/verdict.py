"""What became of a scenario: a result of every step and expectation, and one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step or an expectation ended."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    BLOCKED = "BLOCKED"
    """Never reached: a step before it failed, or what it waited for never came."""
    SKIPPED = "SKIPPED"
    """Left out: by the file, by who ended the run, or for want of wall time."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one step, or one expectation of a step, ended; times are site seconds since the scenario began."""

    phase: str
    step: str
    line: int
    text: str
    verdict: Verdict
    began_s: float | None
    """None of one that never began."""
    ended_s: float
    detail: str = ""
    """Why it is no PASS, or what was seen or done."""


def overall(results: Sequence[Result]) -> Verdict:
    """The verdict of a whole scenario: FAIL if anything failed or was blocked, SKIPPED if all of it was."""
    found = {result.verdict for result in results}
    if found & {Verdict.FAIL, Verdict.BLOCKED}:
        return Verdict.FAIL
    return Verdict.PASS if Verdict.PASS in found else Verdict.SKIPPED
