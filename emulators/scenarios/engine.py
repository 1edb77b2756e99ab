"""A scenario under way: looks at a farm after each of its steps, and does what is due.

It has no clock: whoever steps the farm calls ``advance`` afterwards. What is done, a fault or a set-point, is in effect
with the farm's next step, and so the scenario's step ends with that one. The same plan on the same farm does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from pilotfarm.emulators.errors import ConfigError, PointError, StateError
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.fault import ENDED
from pilotfarm.emulators.scenarios import sesp_load
from pilotfarm.emulators.scenarios.observed import Observed
from pilotfarm.emulators.scenarios.plan import Break, Expect, Mend, Plan, Step, Tell, Wait
from pilotfarm.emulators.scenarios.resolve import put
from pilotfarm.emulators.scenarios.sesp_load import Alone, Outside, Surge
from pilotfarm.emulators.scenarios.verdict import Result, Verdict, overall
from pilotfarm.emulators.scenarios.watching import SOON_S, Watching

PROTOCOL = "scenario"
"""By which the ledger tells its commands from others'."""
_BAD = (Verdict.FAIL, Verdict.BLOCKED)


@dataclass(slots=True, eq=False)
class _Live:
    """A step of the phase that is under way."""

    step: Step
    began_s: float | None = None
    coming: Watching | None = None
    """What it waits for before it begins."""
    open: list[Watching] = field(default_factory=list)
    """What it still looks for."""
    failed: bool = False
    """Whether one of its expectations has not come."""
    done: str = ""
    """What it has done."""
    verdict: Verdict | None = None


class Run:
    """One run of a plan on a farm, from its creation on.

    ``wall_s`` tells wall time [s]; without it, what is to come in wall time is skipped. ``outside`` is asked for what
    phases want outside the farm: their speed and load.
    """

    def __init__(
        self, plan: Plan, farm: Farm, wall_s: Callable[[], float] | None = None, outside: Outside | None = None
    ) -> None:
        self.plan = plan
        self.results: list[Result] = []
        self._farm = farm
        self._wall_s = wall_s
        self._outside: Outside = Alone() if outside is None else outside
        self._surge: Surge | None = None
        """The load of the phase, until it has a verdict."""
        self._zero_s = farm.time_s
        self._phase = -1
        self._phase_began_s = farm.time_s
        self._failed = False
        """Whether a phase that has ended had a step that did not pass."""
        self._live: list[_Live] = []
        self._faults: dict[str, list[int]] = {}
        self._next_phase()

    @property
    def over(self) -> bool:
        return self._phase >= len(self.plan.phases)

    @property
    def phase(self) -> str:
        """The phase under way; of a run that is over, nothing."""
        return "" if self.over else self.plan.phases[self._phase].name

    @property
    def time_s(self) -> float:
        """Site seconds since it began."""
        return self._farm.time_s - self._zero_s

    @property
    def verdict(self) -> Verdict:
        """Of a run that is over."""
        return overall(self.results)

    def waits_for(self) -> str:
        """Say what is under way now."""
        open_ = [each for each in self._live if each.verdict is None and (each.coming or each.began_s is not None)]
        watched = [each.coming or next(iter(each.open), None) for each in open_]
        said = [w.observed.watch.text if w else self._doing(each) for each, w in zip(open_, watched, strict=True)]
        loads = [sesp_load.said(self._surge.asked)] if self._surge and self._surge.began_s is not None else []
        return "; ".join([*said, *loads])

    def _doing(self, each: _Live) -> str:
        action = each.step.action
        if not isinstance(action, Wait) or action.for_s is None or each.began_s is None:
            return each.step.text
        return f"{each.step.text}, {action.for_s - (self.time_s - each.began_s):g} s left"

    def advance(self) -> None:
        """Look at the farm as of its last step, end what has come to its end and begin what is due."""
        if not self.over and self.time_s >= self.plan.limit_s - SOON_S:
            self._advance()
            self._end_all(f"the scenario's limit of {self.plan.limit_s:g} s is over", at_limit=True)
        while not self.over:
            while self._advance():
                pass
            if any(each.verdict is None for each in self._live) or not self._load_has_ended():
                return
            self._next_phase()

    def stop(self, why: str) -> None:
        """End it: what has not ended is skipped."""
        self._end_all(why, at_limit=False)

    def mend(self) -> None:
        """End the faults of its steps that still stand."""
        self._mend(Mend(()))

    # ------------------------------------------------------------------------------------- phases

    def _next_phase(self, *, ending: bool = False) -> None:
        self._failed |= any(each.verdict in _BAD for each in self._live)
        self._phase += 1
        self._phase_began_s = self._farm.time_s
        phase = None if self.over else self.plan.phases[self._phase]
        self._live = [_Live(step) for step in phase.steps] if phase else []
        self._surge = Surge(phase, phase.load) if phase and phase.load else None
        if not ending:
            self._outside.pace(phase.speed if phase else None)
            if self._surge and not self._failed:
                self._surge.begin(self._outside, self.time_s)

    def _load_has_ended(self) -> bool:
        """Whether the load of the phase, whose steps have all ended, has a verdict."""
        found = self._surge.settled() if self._surge else None
        if self._surge and found:
            self._failed |= found[0] in _BAD
            self._record_load(self._surge, *found)
            self._surge = None
        return self._surge is None

    def _end_all(self, why: str, at_limit: bool) -> None:
        while not self.over:
            for each in self._live:
                if each.verdict is None:
                    began = each.began_s is not None
                    unmet = Verdict.FAIL if began and each.open else Verdict.BLOCKED
                    self._end(each, unmet if at_limit else Verdict.SKIPPED, why)
            if self._surge:
                self._surge.stop()
                unmet = Verdict.BLOCKED if self._surge.began_s is None else Verdict.FAIL
                self._record_load(self._surge, unmet if at_limit else Verdict.SKIPPED, why)
            self._next_phase(ending=True)

    # -------------------------------------------------------------------------------------- steps

    def _advance(self) -> bool:
        """Move each step of the phase as far as it goes now; whether one has ended, on which others may wait."""
        ended = False
        for each in self._live:
            if each.verdict is None:
                self._move(each)
                ended |= each.verdict is not None
        return ended

    def _move(self, each: _Live) -> None:
        if each.began_s is None and not self._may_begin(each):
            return
        if each.began_s is None:
            self._begin(each)
        else:
            self._go_on(each)

    def _may_begin(self, each: _Live) -> bool:
        """Whether a step begins now; one that never can ends here."""
        step = each.step
        before = [self._live[number] for number in step.after]
        if step.skip:
            self._end(each, Verdict.SKIPPED, step.skip)
        elif self._failed:
            self._end(each, Verdict.BLOCKED, "a phase before it did not pass")
        elif bad := next((other for other in before if other.verdict in _BAD), None):
            self._end(each, Verdict.BLOCKED, f"the step {bad.step.name} before it did not pass")
        elif all(other.verdict is not None for other in before) and self._since_phase_s >= step.at_s - SOON_S:
            return self._has_come(each)
        return False

    def _has_come(self, each: _Live) -> bool:
        when = each.step.when
        if when is None:
            return True
        if each.coming is None:
            if not self._can_watch(when):
                self._end(each, Verdict.SKIPPED, _NO_WALL)
                return False
            each.coming = self._watching(when, inf)
        come = each.coming.look()
        if come is False:
            self._end(each, Verdict.BLOCKED, f"its condition never came: {when.watch.text}; {when.seen()}")
        return bool(come)

    def _begin(self, each: _Live) -> None:
        each.began_s = self.time_s
        each.coming = None
        action = each.step.action
        try:
            if isinstance(action, Break):
                each.done = self._break(each.step.name, action)
            elif isinstance(action, Tell):
                each.done = self._tell(action)
            elif isinstance(action, Mend):
                each.done = self._mend(action)
        except (ConfigError, StateError, PointError) as error:
            self._end(each, Verdict.FAIL, str(error))
            return
        if isinstance(action, Expect):
            self._expect(each, action)
        elif isinstance(action, Wait) and action.for_s is None:
            self._end(each, Verdict.PASS)

    def _go_on(self, each: _Live) -> None:
        action, began_s = each.step.action, each.began_s
        assert began_s is not None
        if isinstance(action, Expect):
            self._look(each)
        elif isinstance(action, Wait):
            if self.time_s - began_s >= (action.for_s or 0.0) - SOON_S:
                self._end(each, Verdict.PASS)
        elif self.time_s > began_s:
            self._end(each, Verdict.PASS, each.done)

    # ------------------------------------------------------------------------------------ actions

    def _break(self, name: str, action: Break) -> str:
        fault = put(self._farm, action.fault)
        self._faults.setdefault(name, []).append(fault.id)
        return f"fault {fault.id} on {len(fault.hit)} device{'s' if len(fault.hit) != 1 else ''}"

    def _tell(self, action: Tell) -> str:
        devices = {name: self._farm.device(name) for name in action.values}
        for name, values in action.values.items():
            devices[name].check(values)
        now_s = self._farm.unix_s if self._wall_s is None else self._wall_s()
        for name, values in action.values.items():
            writable = devices[name].group.writable
            accepted = {key: value for key, value in enabled(values).items() if key in values or key in writable}
            command = devices[name].submit(accepted, PROTOCOL, self.plan.name, now_s)
            command.acknowledged_s = now_s
        return f"told {len(devices)} device{'s' if len(devices) != 1 else ''}"

    def _mend(self, action: Mend) -> str:
        names = action.names or list(self._faults)
        numbers = [number for name in names for number in self._faults.pop(name, ())]
        standing = [each for each in self._farm.faults if each.id in numbers and each.state != ENDED]
        for fault in standing:
            self._farm.faults.clear(fault.id)
        return f"ended {len(standing)} fault{'s' if len(standing) != 1 else ''}"

    # ------------------------------------------------------------------------------- expectations

    def _expect(self, each: _Live, action: Expect) -> None:
        for observed in action.expected:
            if self._can_watch(observed):
                each.open.append(self._watching(observed, 0.0))
            else:
                self._record(each, Verdict.SKIPPED, _NO_WALL, observed)
        self._look(each)

    def _look(self, each: _Live) -> None:
        for watching in list(each.open):
            come = watching.look()
            if come is not None:
                verdict = Verdict.PASS if come else Verdict.FAIL
                each.open.remove(watching)
                each.failed |= not come
                self._record(each, verdict, watching.observed.seen(), watching.observed)
        if not each.open:
            each.verdict = Verdict.FAIL if each.failed else Verdict.PASS

    def _can_watch(self, observed: Observed) -> bool:
        return not observed.watch.wall or self._wall_s is not None

    def _watching(self, observed: Observed, otherwise_s: float) -> Watching:
        watch = observed.watch
        clock = self._wall_s if watch.wall and self._wall_s is not None else self._site_s
        return Watching(observed, otherwise_s if watch.within_s is None else watch.within_s, clock)

    def _site_s(self) -> float:
        return self._farm.time_s

    @property
    def _since_phase_s(self) -> float:
        return self._farm.time_s - self._phase_began_s

    # ------------------------------------------------------------------------------------ results

    def _end(self, each: _Live, verdict: Verdict, detail: str = "") -> None:
        """End a step; each of its expectations that has no verdict yet ends so, too."""
        each.verdict = verdict
        action = each.step.action
        if not isinstance(action, Expect):
            self._record(each, verdict, detail)
            return
        left = [watching.observed for watching in each.open] if each.began_s is not None else action.expected
        for observed in left:
            self._record(each, verdict, detail, observed)

    def _record(self, each: _Live, verdict: Verdict, detail: str, expected: Observed | None = None) -> None:
        step = each.step
        text, line = (step.text, step.line) if expected is None else (f"expect {expected.watch.text}", expected.line)
        self.results.append(Result(self.phase, step.name, line, text, verdict, each.began_s, self.time_s, detail))

    def _record_load(self, surge: Surge, verdict: Verdict, detail: str) -> None:
        text = sesp_load.said(surge.asked)
        self.results.append(
            Result(self.phase, sesp_load.NAME, surge.line, text, verdict, surge.began_s, self.time_s, detail)
        )


_NO_WALL = "there is no wall time in a run without servers"
