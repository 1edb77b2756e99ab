"""The load that a phase puts on a SESP: asked of somebody outside, for as long as the phase lasts, and judged after it.

The engine has no clock and knows no load test; ``Outside`` is all it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from pilotfarm.emulators.scenarios.model import SespLoadTable
from pilotfarm.emulators.scenarios.plan import Phase
from pilotfarm.emulators.scenarios.verdict import Verdict

NAME: Final = "sesp_load"
"""What stands for its step in results."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a load: readings by their fate; without ``counts`` there is no result, ``reason`` says why.

    ``counts`` has sent, acknowledged, failed, unconfirmed, stored, lost and undelivered.
    """

    counts: Mapping[str, int] | None
    latency_p95_s: float | None
    reason: str


class Load(Protocol):
    """A load that is being put on a SESP."""

    def end(self) -> None:
        """Send no more; said again it changes nothing."""

    def outcome(self) -> Outcome | None:
        """Return what became of it, or nothing while that is not known."""


class Outside(Protocol):
    """What a phase asks for outside the farm."""

    def pace(self, speed: float | None) -> None:
        """Have so many site seconds pass in a wall second; None: as many as without a scenario."""

    def load(self, asked: SespLoadTable) -> Load | str:
        """Put a load on a SESP, or say why there is none."""


NOBODY: Final = "there is no SESP to send to: `scenario run` with servers and --sesp URL has one"


class Alone:
    """Nobody is outside."""

    def pace(self, speed: float | None) -> None: ...

    def load(self, asked: SespLoadTable) -> Load | str:
        return NOBODY


def said(asked: SespLoadTable) -> str:
    """Say what a load is."""
    users = "every device" if asked.users is None else f"{asked.users} devices"
    return f"sesp_load of {users}, {asked.factor:g} times their rate"


def judged(asked: SespLoadTable, outcome: Outcome) -> tuple[Verdict, str]:
    """Return the verdict on a load that has ended, and its figures."""
    found = outcome.counts
    if found is None:
        return Verdict.FAIL, outcome.reason
    sent = found["sent"]
    kept = sent - found["lost"] - found["undelivered"]
    names = ("sent", "acknowledged", "failed", "unconfirmed", "lost", "undelivered")
    figures = ", ".join(f"{found[name]} {name}" for name in names)
    p95_s = outcome.latency_p95_s
    late = asked.max_latency_p95_s is not None and (p95_s is None or p95_s > asked.max_latency_p95_s)
    figures += "" if p95_s is None else f", 95 % answered within {p95_s:.3g} s"
    passed = kept >= asked.min_stored_frac * sent and not late
    return (Verdict.PASS if passed else Verdict.FAIL), figures


class Surge:
    """The load of a phase that is under way, begun or not."""

    def __init__(self, phase: Phase, asked: SespLoadTable) -> None:
        self.asked = asked
        self.line = phase.load_line
        self.began_s: float | None = None
        self._without = phase.skip
        self._load: Load | None = None

    def begin(self, outside: Outside, time_s: float) -> None:
        if self._without:
            return
        found = outside.load(self.asked)
        if isinstance(found, str):
            self._without = found
        else:
            self._load, self.began_s = found, time_s

    def stop(self) -> None:
        if self._load is not None:
            self._load.end()

    def settled(self) -> tuple[Verdict, str] | None:
        """End it, for all steps of its phase have; return its verdict and why, once that is known."""
        if self._without:
            return Verdict.SKIPPED, self._without
        if self._load is None:
            return Verdict.BLOCKED, "a phase before it did not pass"
        self._load.end()
        outcome = self._load.outcome()
        return None if outcome is None else judged(self.asked, outcome)
