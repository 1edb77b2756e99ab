"""A scenario that has been checked against a site: what to do, when, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pilotfarm.emulators.scenarios.model import FaultTable, SespLoadTable
from pilotfarm.emulators.scenarios.observed import Observed


@dataclass(frozen=True, slots=True)
class Break:
    """Put a fault on the farm."""

    fault: FaultTable


@dataclass(frozen=True, slots=True)
class Tell:
    """Give devices their values; those that others put with them are not named."""

    values: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Mend:
    """End the faults of steps by their names, of all steps where none is named."""

    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let site time pass, or, with None, nothing beyond what the step waits for."""

    for_s: float | None


@dataclass(frozen=True, slots=True)
class Expect:
    """Look whether conditions come to hold; each has a verdict."""

    expected: Sequence[Observed]


Action: TypeAlias = Break | Tell | Mend | Wait | Expect


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``after`` are numbers of steps of its phase, ``at_s`` is since the phase began."""

    name: str
    text: str
    """What it does, in a line."""
    line: int
    after: Sequence[int]
    at_s: float
    when: Observed | None
    action: Action
    skip: str


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps in the order of the file; of one that is repeated, each round is a phase.

    ``speed`` and ``load`` are asked for outside the farm; ``load_line`` is where the load is asked for.
    """

    name: str
    steps: Sequence[Step]
    speed: float | None = None
    load: SespLoadTable | None = None
    load_line: int = 0
    skip: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a scenario."""

    name: str
    title: str
    file: str
    limit_s: float
    phases: Sequence[Phase]

    @property
    def expectations(self) -> int:
        """How many there are, repetitions counted."""
        steps = (step for phase in self.phases for step in phase.steps)
        return sum(len(step.action.expected) for step in steps if isinstance(step.action, Expect))

    @property
    def results(self) -> int:
        """How many a run comes to: one a step, or one an expectation of it."""
        steps = (step for phase in self.phases for step in phase.steps)
        loads = sum(phase.load is not None for phase in self.phases)
        return loads + sum(len(step.action.expected) if isinstance(step.action, Expect) else 1 for step in steps)
