"""Scenarios from text, on a farm that is there already."""

from __future__ import annotations

from collections.abc import Callable

from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.reading import Draft
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.site.document import read

HEAD = "name: made\nphases:\n  - name: only\n    steps:\n"
FIRST = HEAD.count("\n") + 1
"""The line of the first step."""


def draft(text: str) -> Draft:
    return Draft(read("made.yaml", text, "scenario"))


def steps(*lines: str) -> str:
    """A scenario of one phase, a step each line."""
    return HEAD + "".join(f"      - {line}\n" for line in lines)


def problems(text: str, farm: Farm) -> list[Problem]:
    """Return what is wrong with a scenario for a farm."""
    try:
        resolve(draft(text), farm)
    except ConfigError as error:
        return list(error.problems)
    return []


def run(text: str, farm: Farm, wall_s: Callable[[], float] | None = None, dt_s: float = 1.0) -> Run:
    """Run a scenario to its end; a farm that goes on longer than a day fails."""
    made = Run(resolve(draft(text), farm), farm, wall_s)
    made.advance()
    for _ in range(86_400):
        if made.over:
            return made
        farm.step(dt_s)
        made.advance()
    raise AssertionError("the scenario did not end")


def verdicts(made: Run) -> list[tuple[str, str]]:
    """Return what became of each step and expectation, as name of the step and verdict."""
    return [(result.step, str(result.verdict)) for result in made.results]
