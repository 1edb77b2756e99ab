"""A request for a fault, checked: all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any, Final

from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import (
    DeviceFault,
    FaultSpec,
    GridFault,
    MeasurementFault,
    Override,
    counts,
    needed,
    ramps,
    spreads,
)
from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.farm.fault import Course
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.farm.targets import PLACE_KEYS, strange
from pilotfarm.emulators.wording import said, unknown
from pilotfarm.emulators.words import with_article

FAULT_KEYS: Final = (*PLACE_KEYS, "pick", "quantity")
"""What a fault's target may name."""
_NEEDED: Final = {
    "quantity": "the name or glob of a quantity",
    "station": "the name of a station",
    "label": "a label of whom it means, such as cell=north",
}


class FaultRequest:
    """What was asked for; without ``problems`` there are a ``spec``, a ``mode`` of it and its ``parameters``."""

    def __init__(
        self,
        population: Population,
        kind: str,
        target: Mapping[str, Any],
        mode: str | None,
        parameters: Mapping[str, Any],
        course: Course,
    ) -> None:
        self.problems: list[Problem] = []
        self.target: dict[str, str | list[str]] = {
            key: str(value) if key == "pick" else value for key, value in target.items()
        }
        self.mode = ""
        self.parameters: Any = None
        self.course = course
        self.spec = registry.fault(kind) if self._known("kind", kind, list(registry.FAULTS)) else None
        self._check_target(population)
        self._check_course(course)
        if self.spec is not None:
            self._check_kind(self.spec)
            self._check_course_of(self.spec, course)
            self._check_mode(self.spec, mode)
            self._check_parameters(self.spec, parameters)
            if course.duration_s is None and isinstance(self.spec, DeviceFault) and not self.problems:
                lasts_s = self.spec.lasts_s(self.mode, self.parameters)
                self.course = course if lasts_s is None else replace(course, duration_s=course.ramp_s + lasts_s)

    def _check_target(self, population: Population) -> None:
        for key, message in strange(population, self.target, FAULT_KEYS):
            self._problem(f"target.{key}" if key else "target", message)

    def _check_course(self, course: Course) -> None:
        if course.duration_s is not None and not 0.0 < course.duration_s < inf:
            self._problem("duration_s", "must be a positive number of seconds, or left out")
        for name, seconds in (("ramp_s", course.ramp_s), ("spread_s", course.spread_s)):
            if not 0.0 <= seconds < inf:
                self._problem(name, "must be 0 or a positive number of seconds")
        if course.count is not None and course.count < 1:
            self._problem("count", "must be 1 or more, or left out")
        if course.spread_s > 0.0 and course.duration_s is None:
            self._problem("spread_s", "needs a duration_s: a fault that is cleared leaves all devices at once")

    def _check_course_of(self, spec: FaultSpec, course: Course) -> None:
        """Check what not every kind can do."""
        this = with_article(spec.kind)
        if course.ramp_s > 0.0 and not ramps(spec):
            self._problem("ramp_s", f"{this} fault takes hold at once")
        if course.spread_s > 0.0 and not spreads(spec):
            self._problem(
                "spread_s", f"{this} fault ends at once; those of admission, link and protocol and overrides can spread"
            )
        if course.count is not None and not counts(spec):
            self._problem("count", f"{this} fault does not act on single messages; give it a duration_s")

    def _check_kind(self, spec: FaultSpec) -> None:
        for key in needed(spec):
            if not self.target.get(key):
                self._problem(f"target.{key}", f"{with_article(spec.kind)} fault needs {_NEEDED[key]}")
        if isinstance(spec, GridFault) and spec.everywhere:
            if self.target:
                self._problem("target", f"{with_article(spec.kind)} fault acts on the whole site and takes no target")
        elif "quantity" in self.target and not isinstance(spec, MeasurementFault):
            self._problem("target.quantity", f"{with_article(spec.kind)} fault grips whole devices")

    def _check_mode(self, spec: FaultSpec, mode: str | None) -> None:
        if mode is None:
            self.mode = next(iter(spec.modes), "")
        elif not spec.modes:
            self._problem("mode", f"{with_article(spec.kind)} fault has no modes")
        elif self._known("mode", mode, list(spec.modes)):
            self.mode = mode

    def _check_parameters(self, spec: FaultSpec, parameters: Mapping[str, Any]) -> None:
        try:
            self.parameters = spec.parameters.model_validate(dict(parameters))
        except ValidationError as error:
            for each in error.errors():
                message = said(each, spec.parameters.model_fields)
                self._problem(".".join(("parameters", *map(str, each["loc"]))), message)
            return
        if isinstance(spec, Override) and spec.from_deg(self.parameters) is not None and not self.course.takes_time:
            self._problem("parameters.from_deg", "needs a ramp_s or spread_s: without, it is everywhere at once")

    def _known(self, where: str, name: str, names: list[str]) -> bool:
        if name in names:
            return True
        self._problem(where, unknown(name, names))
        return False

    def _problem(self, where: str, message: str) -> None:
        self.problems.append(Problem("fault", 0, where, message))
