"""Which quantities a ledger keeps: names, globs and roles, as a user lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import Final

from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.quantities import CATALOGUE, RESOURCES, Role, split
from pilotfarm.emulators.quantities.modes import modes_of
from pilotfarm.emulators.words import suggestion

ROLES: Final = tuple(role for role in Role if role not in (Role.RATING, Role.COMMAND))
"""What is recorded: ratings do not change, and commands are rows of a table of their own."""

Chosen = Mapping[str, Sequence[str]]
"""The quantities recorded of each group, by the group's name."""


def recordable(population: Population) -> Chosen:
    return {
        group.name: [quantity.name for quantity in group.spec.quantities if quantity.role in ROLES]
        for group in population
    }


def counting(population: Population) -> Set[str]:
    """Return the quantities of a site that count wall time."""
    return {mode.remaining for group in population for mode in modes_of(group.readable, RESOURCES)}


def chosen(population: Population, patterns: Sequence[str]) -> Chosen:
    """Return what patterns choose; all there is without any. A pattern is a name, a glob or a role such as ``state``.

    Raises ``ConfigError`` with every pattern that chooses nothing at this site.
    """
    every = recordable(population)
    if not patterns:
        return every
    roles = {q.name: q.role.value for group in population for q in group.spec.quantities}
    known = {name for names in every.values() for name in names}
    found = {pattern: {name for name in known if _chooses(pattern, name, roles[name])} for pattern in patterns}
    problems = [
        Problem("--quantities", 0, "", _nothing(pattern, known)) for pattern, names in found.items() if not names
    ]
    if problems:
        raise ConfigError(problems)
    wanted = set().union(*found.values())
    return {group: [name for name in names if name in wanted] for group, names in every.items()}


def _chooses(pattern: str, name: str, role: str) -> bool:
    return pattern == role or fnmatchcase(name, pattern)


def _nothing(pattern: str, known: set[str]) -> str:
    if not pattern:
        return "a name is missing before or after a comma"
    if any(letter in pattern for letter in "*?["):
        return f"{pattern!r} fits no quantity that is recorded at this site"
    quantity = CATALOGUE.get(split(pattern)[1])
    if quantity is None:
        near = suggestion(pattern, [*known, *(role.value for role in ROLES)])
        return f"{pattern!r} is no quantity of this site and no role{near}"
    if quantity.role is Role.RATING:
        return f"{pattern!r} is a rating: it does not change and is not recorded"
    if quantity.role is Role.COMMAND:
        return f"{pattern!r} is a command: the table commands has it, whatever is chosen here"
    return f"no device of this site has {pattern!r}"
