"""The processor time of a farm's steps, and of each part of the physics.

Processor time, not wall time, so that other load on the machine matters less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, ParamSpec, TypeVar, cast

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import Flow
from pilotfarm.emulators.farm.farm import Farm

WARM_UP: Final = 10
"""Steps before the clock runs: devices start, and the first power flows are done."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Median of a whole step, and the mean a step of each part, in ms."""

    step_ms: float
    parts_ms: dict[str, float]


class _Stopwatch:
    """Adds up the time spent in functions, by name."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}

    @contextmanager
    def _on(self, name: str) -> Iterator[None]:
        begin_s = time.process_time()
        try:
            yield
        finally:
            self.spent_s[name] = self.spent_s.get(name, 0.0) + time.process_time() - begin_s

    def over(self, name: str, function: Callable[_P, _T]) -> Callable[_P, _T]:
        def timed(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            with self._on(name):
                return function(*args, **kwargs)

        return timed

    def over_flow(self, name: str, flow: Callable[_P, Flow]) -> Callable[_P, Flow]:
        """Leave out the time a flow waits for its resources."""

        def timed(*args: _P.args, **kwargs: _P.kwargs) -> Flow:
            under_way, answer = flow(*args, **kwargs), cast(Seen, None)
            while True:
                try:
                    with self._on(name):
                        turn = under_way.send(answer)
                except StopIteration as ended:
                    home: Columns = ended.value
                    return home
                answer = yield turn

        return timed


def step_times(farm: Farm, steps: int) -> StepTimes:
    """Take ``steps`` steps of 1 s and time their parts. The farm keeps the stopwatch; do not use it afterwards."""
    stopwatch = _Stopwatch()
    for pool in farm.pools:
        spec = pool.spec
        flow = None if spec.flow is None else stopwatch.over_flow(spec.kind, spec.flow)
        pool.spec = replace(spec, step=stopwatch.over(spec.kind, spec.step), flow=flow)
    # What a step calls on its way is looked up where it stands, so a stopwatch can be put in front of it.
    for name, owner, method in (
        ("weather and frequency", farm.world, "at"),
        ("power flow", farm.network, "step"),
        ("faults", farm.faults, "report"),
    ):
        setattr(owner, method, stopwatch.over(name, getattr(owner, method)))
    for _ in range(WARM_UP):
        farm.step(1.0)
    stopwatch.spent_s = dict.fromkeys(stopwatch.spent_s, 0.0)
    took_s = []
    for _ in range(steps):
        begin_s = time.process_time()
        farm.step(1.0)
        took_s.append(time.process_time() - begin_s)
    parts = {name: 1e3 * spent_s / steps for name, spent_s in stopwatch.spent_s.items()}
    parts["the rest"] = 1e3 * sum(took_s) / steps - sum(parts.values())
    return StepTimes(1e3 * statistics.median(took_s), parts)


def run_s(farm: Farm, dt_s: float, steps: int) -> float:
    """Return the processor time that ``steps`` steps of ``dt_s`` take. [s]"""
    begin_s = time.process_time()
    for _ in range(steps):
        farm.step(dt_s)
    return time.process_time() - begin_s
