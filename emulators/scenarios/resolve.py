"""From a scenario that has been read to a plan for a farm: every device, quantity, fault and wait checked."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from graphlib import CycleError, TopologicalSorter
from math import inf
from typing import Any

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import DeviceFault, MeasurementFault
from pilotfarm.emulators.errors import Blocked, ConfigError, PointError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.targets import chosen, strange
from pilotfarm.emulators.scenarios.binding import Binder
from pilotfarm.emulators.scenarios.model import OVERRIDES, FaultTable, SetpointsTable
from pilotfarm.emulators.scenarios.observed import Observed
from pilotfarm.emulators.scenarios.plan import Action, Break, Expect, Mend, Phase, Plan, Step, Tell, Wait
from pilotfarm.emulators.scenarios.reading import Draft, PhaseDraft, StepDraft
from pilotfarm.emulators.scenarios.words import Watch
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.wording import unknown
from pilotfarm.emulators.words import quoted, with_article

ALL = "all"


def resolve(draft: Draft, farm: Farm) -> Plan:
    """Make the plan of a scenario for a farm, which stays as it is; ``ConfigError`` has every problem of the file."""
    making = resolving(draft, farm)
    while True:
        try:
            next(making)
        except StopIteration as made:
            plan: Plan = made.value
            return plan


def resolving(draft: Draft, farm: Farm) -> Generator[None, None, Plan]:
    """Do as ``resolve`` does, with a rest after each step for whoever has other things to do meanwhile."""
    phases = yield from _Resolver(draft, farm).phases()
    if draft.problems:
        raise ConfigError(draft.problems)
    head = draft.head
    assert head is not None, "what has no head has a problem"
    return Plan(head.name, head.title, draft.name, head.limit, phases)


class _Resolver:
    def __init__(self, draft: Draft, farm: Farm) -> None:
        self._draft = draft
        self._document = draft.document
        self._farm = farm
        self._limit_s = draft.head.limit if draft.head else inf
        steps = [step for phase in draft.phases for step in phase.steps if step is not None]
        self._faults = {step.table.name: step.path for step in steps if step.table.fault and step.table.name}
        kinds = (step.table.fault.kind for step in steps if step.table.fault)
        specs = [registry.fault(kind) for kind in kinds if kind in registry.FAULTS]
        can_be_wrong = any(isinstance(spec, MeasurementFault | DeviceFault) for spec in specs)
        self._binder = Binder(farm, can_be_wrong)

    def phases(self) -> Generator[None, None, tuple[Phase, ...]]:
        found: list[Phase] = []
        for phase in self._draft.phases:
            steps: list[Step] = []
            for step in self._steps(phase):
                steps.append(step)
                yield
            names = [phase.name] if phase.repeat == 1 else [f"{phase.name} {i + 1}" for i in range(phase.repeat)]
            line = self._document.line((*phase.path, "sesp_load"))
            found += [Phase(name, steps, phase.speed, phase.load, line, phase.skip) for name in names]
        return tuple(found)

    def _steps(self, phase: PhaseDraft) -> Iterator[Step]:
        numbers = {step.table.name: i for i, step in enumerate(phase.steps) if step and step.table.name}
        after = [self._after(step, i, numbers) if step else () for i, step in enumerate(phase.steps)]
        self._check_circles(phase, after)
        for number, step in enumerate(phase.steps):
            if step is None:
                continue
            action = self._action(step)
            when = self._observed(step.when, (*step.path, "when"), viewed=False) if step.when else None
            self._check_times(step)
            self._check_cleared(phase, number, after)
            if action is not None:
                yield Step(
                    step.table.name or f"{number + 1}",
                    said(step),
                    self._document.line(step.path),
                    after[number],
                    step.table.at or 0.0,
                    when,
                    action,
                    step.table.skip or phase.skip,
                )

    # ------------------------------------------------------------------------------------- order

    def _after(self, step: StepDraft, number: int, numbers: Mapping[str, int]) -> tuple[int, ...]:
        """Return the numbers of the steps that a step waits for."""
        if step.table.after is None:
            return (number - 1,) if number and step.table.at is None else ()
        for name in step.table.after:
            if name not in numbers:
                self._document.problem((*step.path, "after"), f"no step of its phase: {unknown(name, list(numbers))}")
        return tuple(numbers[name] for name in step.table.after if name in numbers)

    def _check_circles(self, phase: PhaseDraft, after: Sequence[Sequence[int]]) -> None:
        left = dict(enumerate(after))
        while True:
            try:
                TopologicalSorter(left).prepare()
            except CycleError as error:
                circle = list(dict.fromkeys(error.args[1]))
                asking = next(number for number in circle if self._asks(phase, number))
                self._tell_circle(phase, circle, asking)
                left[asking] = ()
            else:
                return

    def _asks(self, phase: PhaseDraft, number: int) -> bool:
        """Whether a step says whom it waits for; in every circle one does."""
        step = phase.steps[number]
        return step is not None and step.table.after is not None

    def _tell_circle(self, phase: PhaseDraft, circle: Sequence[int], asking: int) -> None:
        steps = {number: step for number in circle if (step := phase.steps[number]) is not None}
        named = [f"{step.table.name or said(step)}{self._document.on_line(step.path)}" for step in steps.values()]
        several = f"steps wait for each other in a circle: {', '.join(named)}"
        message = several if len(circle) > 1 else "the step waits for itself"
        self._document.problem((*steps[asking].path, "after"), message)

    def _check_cleared(self, phase: PhaseDraft, number: int, after: Sequence[Sequence[int]]) -> None:
        """Tell of a step that clears what waits for it; where its phase is repeated, that is of the round before."""
        step = phase.steps[number]
        if step is None or step.table.clear is None or phase.repeat > 1:
            return
        later = [(*step.path[:-1], each) for each in _waiting(number, after)]
        for name in step.table.clear:
            if self._faults.get(name) in later:
                self._document.problem((*step.path, "clear"), f"{quoted(name)} begins after this step")

    def _check_times(self, step: StepDraft) -> None:
        watches = [((*step.path, "when"), step.when)] if step.when else []
        times = [((*step.path, "at"), step.table.at or 0.0), ((*step.path, "wait"), step.table.wait or 0.0)]
        times += [(path, watch.for_s) for path, watch in (*watches, *step.expected)]
        for path, time_s in times:
            if time_s >= self._limit_s:
                self._document.problem(
                    path, f"{time_s:g} s are never over: the scenario's limit is {self._limit_s:g} s of site time"
                )

    # ----------------------------------------------------------------------------------- actions

    def _action(self, step: StepDraft) -> Action | None:
        table, path = step.table, step.path
        if table.fault is not None:
            self._check_fault(table.fault, (*path, step.action))
            return Break(table.fault)
        if table.setpoints is not None:
            return Tell(self._told(table.setpoints, (*path, "setpoints")))
        if table.clear is not None:
            return self._mend(table.clear, (*path, "clear"))
        if table.expect is not None:
            found = [self._observed(watch, at, viewed=True) for at, watch in step.expected]
            return Expect(tuple(each for each in found if each is not None))
        return Wait(table.wait) if table.wait is not None or step.when is not None else None

    def _check_fault(self, fault: FaultTable, path: Path) -> None:
        try:
            put(self._farm, fault, dry_run=True)
        except ConfigError as error:
            for problem in error.problems:
                where = problem.where.removeprefix("parameters.") if path[-1] in OVERRIDES else problem.where
                self._document.problem((*path, *where.split(".")), problem.message)

    def _mend(self, names: Sequence[str], path: Path) -> Mend:
        if ALL in names:
            if len(names) > 1:
                self._document.problem(path, f"{ALL} stands alone")
            return Mend(())
        for name in names:
            if name not in self._faults:
                hint = f"; {unknown(name, list(self._faults))}" if self._faults else ""
                self._document.problem(path, f"no step with a fault is called {quoted(name)}{hint}")
            elif self._faults[name][1] > path[1]:  # type: ignore[operator]  # both are numbers of phases
                self._document.problem(path, f"{quoted(name)} begins in a later phase")
        return Mend(tuple(names))

    def _told(self, table: SetpointsTable, path: Path) -> dict[str, dict[str, float]]:
        if table.devices is not None:
            asked = {name: (values, (*path, "devices", name)) for name, values in table.devices.items()}
        else:
            asked = {name: (table.values or {}, (*path, "values")) for name in self._meant(table.target or {}, path)}
        found: dict[str, dict[str, float]] = {}
        wrong: dict[Path, list[str]] = {}
        for name, (values, at) in asked.items():
            if name not in self._farm.population.devices:
                wrong[at] = [self._binder.unknown_device(name)]
            elif not values:
                wrong[at] = ["says no value"]
            else:
                refused = {key: self._refused(name, key, value) for key, value in values.items()}
                for key, message in refused.items():
                    wrong.setdefault((*at, key), []).extend([message] if message else [])
                found[name] = {key: float(values[key]) for key, message in refused.items() if not message}
        for at, messages in wrong.items():
            more = f"; {len(messages)} devices refuse it" if len(messages) > 1 else ""
            if messages:
                self._document.problem(at, messages[0] + more)
        return found

    def _meant(self, target: Mapping[str, Any], path: Path) -> list[str]:
        population = self._farm.population
        wrong = list(strange(population, target))
        for key, message in wrong:
            self._document.problem((*path, "target", *([key] if key else [])), message)
        if wrong:
            return []
        found = population.ids(chosen(population, target))
        if not found:
            self._document.problem((*path, "target"), "no device matches the target")
        return found

    def _refused(self, name: str, key: str, value: Any) -> str:
        """Say why a device refuses a value, whatever its state, or nothing."""
        device = self._farm.device(name)
        if not isinstance(value, bool | int | float):
            return f"must be a number, not {quoted(value)}"
        if key not in device.group.readable:
            known = sorted(device.group.writable)
            return f"{with_article(device.kind)} has no such quantity: {unknown(key, known)}"
        try:
            device.check({key: float(value)})
        except Blocked:
            return ""  # it may be permitted by then
        except OverflowError:
            return "is too large for a number"
        except PointError as error:
            return str(error)
        return ""

    # -------------------------------------------------------------------------------- conditions

    def _observed(self, watch: Watch, path: Path, viewed: bool) -> Observed | None:
        """Bind a condition to the farm; ``viewed``: whether it has to say true or reported."""
        tell = partial(self._document.problem, path)
        return self._binder.bind(watch, self._document.line(path), tell, viewed=viewed)


def _waiting(number: int, after: Sequence[Sequence[int]]) -> set[int]:
    """Return the steps that wait for one, be it by way of others."""
    found: set[int] = set()
    new = {number}
    while new:
        new = {each for each, before in enumerate(after) if new & set(before)} - found
        found |= new
    return found


def put(farm: Farm, fault: FaultTable, *, dry_run: bool = False) -> Any:
    """Put a fault on the farm, as of the next step."""
    return farm.faults.add(
        fault.kind,
        fault.target,
        fault.mode,
        fault.parameters,
        None,
        fault.duration_s,
        ramp_s=fault.ramp_s,
        spread_s=fault.spread_s,
        count=fault.count,
        dry_run=dry_run,
    )


def said(step: StepDraft) -> str:
    """Say what a step does."""
    table = step.table
    if table.fault is not None and step.action in OVERRIDES:
        given = (
            f"{name} {value if isinstance(value, str) else f'{value:g}'}"
            for name, value in table.fault.parameters.items()
        )
        return f"{step.action} {', '.join(given)}"
    if table.fault is not None:
        return f"fault {table.fault.kind}"
    if table.setpoints is not None:
        return "setpoints"
    if table.clear is not None:
        return f"clear {', '.join(table.clear)}"
    if table.wait is not None:
        return f"wait {table.wait:g} s"
    return "expect" if table.expect is not None else f"when {table.when}"
