"""What the EMPOWER specification (deliverable D4.1, sections 6.1 to 6.6) asks, read from ``requirements.yaml``.

Five use cases exchange 31 information flows with the Smart Energy Service Provider (SESP). Each flow has
five levels, from 1 (low) to 3 (high), whose meaning ``level`` tells (Tables 6 to 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

import yaml

Direction = Literal["to_device", "to_sesp"]
Interval = Literal["fast", "daily", "on_demand"]

CRITERIA: Final = ("throughput", "latency", "security", "availability", "reliability")


@dataclass(frozen=True, slots=True)
class Level:
    """What a level asks: numbers lie in ``[min, max)``; ``needs`` are the means of security it takes.

    The unit is the criterion's: throughput bit/s, latency s, availability and reliability (information
    lost or wrong) as shares. ``None`` is no bound.
    """

    name: str
    min: float | None
    max: float | None
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """One information flow: what goes which way, how good its link must be, and how often it goes."""

    use_case: str
    kind: str
    direction: Direction
    item: str
    throughput: int
    latency: int
    security: int
    availability: int
    reliability: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class UseCase:
    """One use case (Tables 1 to 5): its flows, and what of its text is the device's own behaviour."""

    id: str
    kind: str
    flows: tuple[Flow, ...]
    sesp_can: tuple[str, ...]
    pre_conditions: tuple[str, ...]
    post_conditions: tuple[str, ...]
    exceptions: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def behaviour(self) -> tuple[str, ...]:
        """Every sentence that a device of this kind has to fulfil."""
        return (*self.sesp_can, *self.pre_conditions, *self.post_conditions, *self.exceptions, *self.assumptions)


@cache
def _document() -> Mapping[str, Any]:
    text = resources.files("pilotfarm.profiles").joinpath("requirements.yaml").read_text(encoding="utf-8")
    document: Mapping[str, Any] = yaml.safe_load(text)
    return document


@cache
def use_cases() -> tuple[UseCase, ...]:
    """Return the five use cases, in the specification's order."""
    return tuple(_use_case(entry) for entry in _document()["use_cases"])


@cache
def flows() -> tuple[Flow, ...]:
    """Return all 31 information flows."""
    return tuple(flow for case in use_cases() for flow in case.flows)


@cache
def level(criterion: str, number: int) -> Level:
    """Return what level ``number`` (1 to 3) of one of ``CRITERIA`` asks; ``KeyError`` if there is none."""
    entry = _document()["levels"][criterion][number]
    low = entry.get("from", entry.get("above"))
    high = entry.get("to", entry.get("below"))
    return Level(entry["name"], low, high, tuple(entry.get("needs", ())))


def _use_case(entry: Mapping[str, Any]) -> UseCase:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(entry.get(name, ()))

    directions: tuple[Direction, ...] = ("to_device", "to_sesp")
    return UseCase(
        id=entry["id"],
        kind=entry["device"],
        flows=tuple(
            Flow(use_case=entry["id"], kind=entry["device"], direction=direction, **flow)
            for direction in directions
            for flow in entry[direction]
        ),
        sesp_can=texts("sesp_can"),
        pre_conditions=texts("pre_conditions"),
        post_conditions=texts("post_conditions"),
        exceptions=texts("exceptions"),
        assumptions=texts("assumptions"),
    )
