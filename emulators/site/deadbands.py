"""The deadbands that an endpoint asks for: by quantity, in its unit or as a share of the rating it has one by."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec
from pilotfarm.emulators.plans.deadband import Deadband, Deadbands, Reporting
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.model import SHARE_PATTERN
from pilotfarm.emulators.words import quoted, suggestion

_SHARE: Final = re.compile(SHARE_PATTERN)
WIDTH_MAX: Final = 1e12
"""Beyond any quantity, and within what a deadband on the wire holds."""


class WrongDeadband(ValueError):
    """Says what is wrong with a deadband."""


def read(checker: Checker, written: Mapping[str, Any], spec: DeviceSpec, served: MapSpec, path: Path) -> Deadbands:
    """Return the deadbands that a site file changes; a later line goes before an earlier one.

    ``path`` is the endpoint's. What is wrong becomes a problem of the document, at the line of its name.
    """
    if not written:
        return ()
    plan = served.plan(spec)
    if not isinstance(plan, Reporting):
        checker.document.problem((*path, "deadbands"), f"{served.protocol} reports nothing by itself")
        return ()
    usual = plan.deadbands()
    found: dict[str, Deadband] = {}
    for pattern, value in written.items():
        at = (*path, "deadbands", pattern)
        if not any(mark in pattern for mark in "*?[") and pattern not in usual:
            _unknown(checker, at, pattern, spec, usual, served.protocol)
            continue
        try:
            found |= _read(pattern, value, usual)
        except WrongDeadband as error:
            checker.document.problem(at, str(error))
    return tuple(found.items())


def of_one(name: str, value: Any, usual: Deadband | None) -> Deadband:
    """Return the deadband that a site file gives one point; ``WrongDeadband`` if it cannot be.

    ``usual`` is ``None`` for a point that has none.
    """
    if usual is None:
        reason = "is reported with every change" if quantity(name).is_binary else "is not reported by itself"
        raise WrongDeadband(f"has no deadband: it {reason}")
    return _read(name, value, {name: usual})[name]


def _unknown(
    checker: Checker, at: Path, name: str, spec: DeviceSpec, usual: Mapping[str, Deadband], protocol: str
) -> None:
    if any(each.name == name for each in spec.quantities):
        reason = "is reported with every change" if quantity(name).is_binary else "is not reported by itself"
        checker.document.problem(at, f"has no deadband: over {protocol} it {reason}")
    else:
        checker.document.problem(at, f"is no quantity of kind {spec.kind}{suggestion(name, usual)}")


def _read(pattern: str, value: Any, usual: Mapping[str, Deadband]) -> dict[str, Deadband]:
    names = [name for name in usual if fnmatchcase(name, pattern)]
    if not names:
        raise WrongDeadband("matches no number that is reported when it has moved")
    if isinstance(value, str) and _SHARE.match(value):
        return _shares(names, float(value.rstrip("% ")) / 100.0, usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        units = _listed(_units(names))
        raise WrongDeadband(f"is a number in {units}, or a share of the rating such as 0.5 %, not {quoted(value)}")
    return _widths(names, float(value))


def _shares(names: Sequence[str], share: float, usual: Mapping[str, Deadband]) -> dict[str, Deadband]:
    rated = [name for name in names if usual[name].of]
    if share > 1.0:
        raise WrongDeadband(f"is at most 100 %, not {100.0 * share:g} %")
    if share and not rated:
        raise WrongDeadband(f"has no rating to be a share of; give a number in {_listed(_units(names))}")
    if not share:
        return dict.fromkeys(names, Deadband())
    return {name: replace(usual[name], min=0.0, share=share) for name in rated}


def _widths(names: Sequence[str], width: float) -> dict[str, Deadband]:
    if not (math.isfinite(width) and 0.0 <= width <= WIDTH_MAX):
        raise WrongDeadband(f"is 0 to {WIDTH_MAX:g}, not {width:g}")
    units = _units(names)
    if width and len(units) > 1:
        raise WrongDeadband(f"matches quantities in {_listed(units)}; a number is in one unit")
    for found in map(quantity, names):
        if math.isfinite(found.max - found.min) and width >= found.max - found.min:
            unit = "" if found.unit == "1" else f" {found.unit}"
            bounds = f"{found.min:g} to {found.max:g}{unit}"
            raise WrongDeadband(f"{width:g}{unit} is never passed: {found.name} is {bounds}")
    return dict.fromkeys(names, Deadband(width))


def _units(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(quantity(name).unit for name in names))


def _listed(units: Sequence[str]) -> str:
    return " and ".join("shares of 1" if unit == "1" else unit for unit in units)
