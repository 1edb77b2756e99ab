"""The ratings of a group: what its table sets, checked against its kind, and a value for every device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec, Keys, Rating
from pilotfarm.emulators.site import distributions
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.words import listed, quoted


def read(checker: Checker, spec: DeviceSpec | None, group: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Read the ratings a group sets, by name; without a known kind only their form can be checked."""
    raw = checker.table(group, "ratings", at_least_one=False, under=path)
    known = None if spec is None else {rating.name: rating for rating in spec.ratings}
    written: dict[str, Any] = {}
    for name, item in raw.items():
        at = (*path, "ratings", name)
        if known is not None and spec is not None and name not in known:
            checker.unknown(at, f"rating of {spec.kind}", name, known)
            continue
        if item is None:
            checker.document.problem(at, "is empty; leave it out for the default")
            continue
        if isinstance(item, list):
            checker.document.problem(
                at, "must be a number or a distribution, not a list; one of several is {choice: [...]}"
            )
            continue
        numbers = _without_names(checker, known[name], item, at) if known and known[name].names else item
        chosen = None if numbers is None else _distribution(checker, numbers, at)
        if chosen is not None and known is not None and _is_possible(checker, known[name], chosen, item, at):
            written[name] = chosen
    return written


def _without_names(checker: Checker, rating: Rating, item: Any, at: Path) -> Any:
    """Replace the names of a rating that has names by its numbers; ``None`` after a problem."""
    is_choice = isinstance(item, dict) and isinstance(item.get("choice"), list)
    given = item["choice"] if is_choice else [item]
    for name in given:
        if isinstance(name, str) and name not in rating.names:
            checker.unknown(at, rating.name, name, rating.names)
            return None
    numbers = [float(rating.names.index(each)) if isinstance(each, str) else each for each in given]
    return {**item, "choice": numbers} if is_choice else numbers[0]


def _distribution(checker: Checker, item: Any, at: Path) -> Any:
    try:
        return distributions.VALUE.validate_python(item)
    except ValidationError as error:
        checker.report(error, at, ("uniform", "normal", "lognormal", "choice", "weights", "min", "max"), item)
        return None


def _is_possible(checker: Checker, rating: Rating, chosen: Any, item: Any, at: Path) -> bool:
    low, high = distributions.support(chosen)
    if rating.possible and not _among(distributions.values(chosen), rating.possible):
        possible = listed(rating.names or [f"{number:g}" for number in rating.only])
        checker.document.problem(at, f"must be {possible}, or a choice of these, not {quoted(item)}")
        return False
    if low < rating.min or high > rating.max:
        unit = "" if rating.unit in ("1", "bool", "code", "name") else f" {rating.unit}"
        bounds = f"{rating.min:.10g} to {rating.max:.10g}{unit}"
        found = f"{low:.10g}" if low == high else f"anything from {low:.10g} to {high:.10g}"
        hint = _unit_hint(rating, chosen) if isinstance(chosen, int | float) else "; cut it off with min and max"
        checker.document.problem(at, f"can be {found}, which is impossible: {rating.name} is {bounds}{hint}")
        return False
    return True


def _unit_hint(rating: Rating, number: float) -> str:
    """Say what a number would be in the rating's unit, if it looks as if it were meant in another."""
    if rating.unit == "1" and rating.min <= number / 100 <= rating.max:
        return f"; {number:g} % is {number / 100:g}"
    if rating.unit in ("W", "Wh", "VA") and rating.min <= number * 1000 <= rating.max:
        return f"; {number:g} k{rating.unit} is {number * 1000:.10g}"
    return ""


def _among(numbers: tuple[float, ...] | None, possible: tuple[float, ...]) -> bool:
    return numbers is not None and set(numbers) <= set(possible)


def sampled(spec: DeviceSpec, written: Mapping[str, Any], nominal_voltage_v: float | None, keys: Keys) -> Columns:
    """Give every device every rating of its kind: what the group sets, else the kind's default.

    The default of a nominal voltage is its feeder's.
    """
    columns: Columns = {}
    for rating in spec.ratings:
        default = rating.default
        if rating.name == "nominal_voltage_v" and nominal_voltage_v is not None:
            default = nominal_voltage_v
        chosen = written.get(rating.name, distributions.VALUE.validate_python(default))
        sample = distributions.sample(chosen, keys, rating.name)
        # What a site file sets cannot leave the bounds; a kind's own default is cut off at them.
        columns[rating.name] = np.clip(sample, rating.min, rating.max)
    return columns
