"""The scenarios of a running farm: those under way, the last ones that have ended, and one that is being recorded.

Whoever steps the farm calls ``advance`` after each step. A scenario that ends leaves no fault of its own on the farm;
what devices were told stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from pilotfarm.emulators.errors import ConfigError, Problem, StateError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.plan import Plan
from pilotfarm.emulators.scenarios.recorder import Recorder
from pilotfarm.emulators.scenarios.verdict import Result, Verdict

RUNNING_MAX: Final = 10
ENDED_KEPT: Final = 20
"""How many that have ended can still be asked for: those that ended last."""
RESULTS_MAX: Final = 10_000
"""Most results that a scenario on the board may come to."""


@dataclass(slots=True, eq=False)
class Entry:
    """A scenario on the board; ``began`` is the site's time."""

    id: int
    plan: Plan
    run: Run
    began: datetime
    told: int = 0
    """How many of its results observers have had."""
    ended_s: float | None = None
    """Site seconds it took, once it is over."""

    @property
    def time_s(self) -> float:
        return self.run.time_s if self.ended_s is None else self.ended_s

    @property
    def verdict(self) -> Verdict | None:
        """What became of it, once it is over."""
        return None if self.ended_s is None else self.run.verdict


Tell: TypeAlias = Callable[[Entry, str, Sequence[Result]], None]
"""Called with an entry, ``began``, ``results`` or ``ended``, and the results that are new."""


class Board:
    """Begins and ends scenarios on a farm, several at a time; ``wall_s`` tells wall time [s]."""

    def __init__(self, farm: Farm, wall_s: Callable[[], float], tell: Tell) -> None:
        self._farm = farm
        self._wall_s = wall_s
        self._tell = tell
        self._entries: dict[int, Entry] = {}
        self._ended: deque[int] = deque()
        """Those that have ended, the one first that ended first."""
        self._last_id = 0
        self._recorder: Recorder | None = None

    def __iter__(self) -> Iterator[Entry]:
        """All that are kept, oldest first."""
        return iter(self._entries.values())

    def begin(self, plan: Plan) -> Entry:
        """Begin a scenario now; errors are those of ``check_room``."""
        self.check_room(plan)
        self._last_id += 1
        entry = Entry(self._last_id, plan, Run(plan, self._farm, self._wall_s), self._farm.now)
        self._entries[entry.id] = entry
        self._tell(entry, "began", ())
        self._advance(entry)
        return entry

    def check_room(self, plan: Plan) -> None:
        """Refuse one that is too long (``ConfigError``), or one too many (``StateError``)."""
        if plan.results > RESULTS_MAX:
            message = f"comes to {plan.results:,} results; at a running farm {RESULTS_MAX:,} are the maximum"
            raise ConfigError([Problem(plan.file, 0, "phases", message)])
        if sum(entry.ended_s is None for entry in self) >= RUNNING_MAX:
            raise StateError(f"{RUNNING_MAX} scenarios are under way; stop one first")

    def get(self, entry_id: int) -> Entry:
        """Return a scenario by its id; ``StateError`` if there is none."""
        try:
            return self._entries[entry_id]
        except KeyError:
            raise StateError(f"there is no scenario {entry_id}") from None

    def stop(self, entry_id: int, why: str) -> Entry:
        """End a scenario: what of it has not ended is skipped. ``StateError`` if it is over."""
        entry = self.get(entry_id)
        if entry.ended_s is not None:
            raise StateError(f"scenario {entry_id} has ended")
        entry.run.stop(why)
        self._settle(entry)
        return entry

    def advance(self) -> None:
        """Let all that are under way look at the farm as of its last step."""
        for entry in list(self):
            if entry.ended_s is None:
                self._advance(entry)

    def close(self) -> None:
        """End all that are under way, for the farm ends."""
        for entry in list(self):
            if entry.ended_s is None:
                self.stop(entry.id, "the farm ended")

    # ------------------------------------------------------------------------------- recording

    @property
    def recorder(self) -> Recorder:
        """Who records; ``StateError`` if nobody does."""
        if self._recorder is None:
            raise StateError("nothing is being recorded")
        return self._recorder

    def record(self, step_s: float, *, masters: bool) -> Recorder:
        """Record what is done to the farm from now on; ``StateError`` if somebody does already."""
        if self._recorder is not None:
            raise StateError("what is done is being recorded already; end that first")
        self._recorder = Recorder(self._farm, step_s, masters=masters)
        self._farm.observers.append(self._recorder)
        return self._recorder

    def end_recording(self) -> Recorder:
        """End what ``record`` began, and return it."""
        recorder = self.recorder
        self._farm.observers.remove(recorder)
        self._recorder = None
        return recorder

    # -------------------------------------------------------------------------------- advancing

    def _advance(self, entry: Entry) -> None:
        entry.run.advance()
        self._settle(entry)

    def _settle(self, entry: Entry) -> None:
        """Tell what is new of a scenario, and clean up behind one that is over."""
        new = entry.run.results[entry.told :]
        entry.told += len(new)
        if new:
            self._tell(entry, "results", new)
        if entry.run.over:
            entry.ended_s = entry.run.time_s
            entry.run.mend()
            self._ended.append(entry.id)
            self._tell(entry, "ended", ())
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._ended) > ENDED_KEPT:
            del self._entries[self._ended.popleft()]
