"""The truth ledger: what every device really did, what it said, and what it was told, as Parquet.

Five tables, each a folder of small files that any Parquet reader takes as one table:

=========  =====================================================================================
values     one row a device, quantity and recorded step: true, reported, quality
commands   one row a commanded quantity: by whom, when received, acknowledged, taken by a step
effects    one row when the physics followed a command, or did not: ``effective``, ``superseded``
           by a later command, ``expired``
faults     one row whenever a fault began or ended
feeders    one row a feeder and recorded step: its power flow as last solved
=========  =====================================================================================

Every row has ``run`` (when the farm was started), ``site_time`` and ``wall_time``. Ratings, which do
not change, and command pulses, which are rows of ``commands``, are not in ``values``. A feeder's columns
are those of ``network.FeederState``.

A file is written whole under another name and then renamed, every ``SEGMENT_S``, so a crash loses
the last few seconds and leaves no broken file. Writing is done by a thread of its own. When the
disk cannot keep up, is full or cannot be written, rows wait in memory up to ``WAITING_MAX``; beyond
it the oldest are dropped, counted and reported, and the farm goes on.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.faultboard import Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.grid.network import FeederState, Network
from pilotfarm.emulators.record.schema import SCHEMAS
from pilotfarm.emulators.record.tables import Step, instant, values_table
from pilotfarm.emulators.site.layout import SiteLayout

SEGMENT_S: Final = 3.0
WAITING_MAX: Final = 20_000_000
"""Most rows of values that may wait to be written: about 500 MB of arrays the farm has let go of."""
EVENTS_MAX: Final = 200_000
"""Most rows of the other tables that may wait."""

_OF_A_FEEDER: Final = tuple(each.name for each in fields(FeederState) if each.name != "name")

log = logging.getLogger(__name__)


class Recorded(Protocol):
    """What a ledger is kept of."""

    @property
    def layout(self) -> SiteLayout: ...
    @property
    def population(self) -> Population: ...
    @property
    def network(self) -> Network: ...


class Ledger:
    """A farm's observer that writes what it sees to ``directory``.

    ``every_s`` is the least site time between two records of values [s]. With ``lossless`` a full
    buffer makes the farm wait instead of dropping rows, as long as the disk takes any: for simulation,
    where nobody is served.
    """

    def __init__(self, directory: Path, site: Recorded, clock: Clock, *, every_s: float = 0.0, lossless: bool = False):
        self.directory = directory
        self.rows_written = 0
        self.rows_dropped = 0
        self.write_errors = 0
        self.last_error = ""
        self._population, self._network = site.population, site.network
        self._clock = clock
        self._lossless = lossless
        self._every_s = every_s
        self._recorded_s = float("-inf")
        self._run = datetime.fromtimestamp(clock.now_s(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._segment = 0
        self._steps: deque[Step] = deque()
        self._waiting = 0
        self._events: dict[str, deque[dict[str, Any]]] = {name: deque() for name in SCHEMAS if name != "values"}
        self._lock = threading.Condition()
        self._closing = False
        self._about = {
            "site": site.layout.name,
            "source": site.layout.source,
            "seed": site.layout.seed,
            "start": site.layout.start.isoformat(),
            "step_s": site.layout.step_s,
            "site_file": site.layout.text,
        }
        self._thread = threading.Thread(target=self._write_on, name="ledger", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------------- observing

    def stepped(self, moment: Moment) -> None:
        if moment.time_s - self._recorded_s < self._every_s - 1e-9:
            return
        self._recorded_s = moment.time_s
        wall_s = self._clock.now_s()
        with self._lock:
            for group in self._population:
                step = Step(moment.unix_s, wall_s, group, group.columns, group.reported, dict(group.quality))
                self._steps.append(step)
                self._waiting += step.rows
            while self._waiting > WAITING_MAX and (self.last_error or not self._lossless):
                self._drop_oldest()
            if self._waiting > WAITING_MAX // 2:
                self._lock.notify_all()
            while self._waiting > WAITING_MAX // 2 and self._waits():
                self._lock.wait(1.0)
        for feeder in self._network:
            row = {name: getattr(feeder, name) for name in _OF_A_FEEDER}
            self._event("feeders", moment, feeder=feeder.name, **row)

    def commanded(self, command: Command, moment: Moment) -> None:
        for name, value in command.values.items():
            self._event(
                "commands",
                moment,
                command=command.id,
                device=command.device,
                quantity=name,
                value=value,
                limited_to=command.limited.get(name),
                protocol=command.protocol,
                peer=command.peer,
                received=instant(command.received_s),
                acknowledged=None if command.acknowledged_s is None else instant(command.acknowledged_s),
            )

    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None:
        self._event("effects", moment, command=command.id, device=command.device, quantity=name, outcome=outcome)

    def fault_changed(self, fault: Fault, event: str, moment: Moment) -> None:
        self._event(
            "faults",
            moment,
            fault=fault.id,
            kind=fault.spec.kind,
            event=event,
            mode=fault.mode,
            target=json.dumps(dict(fault.target)),
            parameters=fault.parameters.model_dump_json(),
            devices=list(fault.hit),
        )

    def close(self) -> None:
        """Write what waits and end the thread; what cannot be written is counted as dropped."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()

    def _waits(self) -> bool:
        """Whether the farm is to wait for room. A disk that takes nothing is not waited for."""
        return self._lossless and not self.last_error and self._thread.is_alive()

    def _event(self, table: str, moment: Moment, **row: Any) -> None:
        stamps = {
            "run": self._run,
            "site_time": instant(moment.unix_s),
            "wall_time": instant(self._clock.now_s()),
        }
        with self._lock:
            waiting = self._events[table]
            while len(waiting) >= EVENTS_MAX and self._waits():
                self._lock.notify_all()
                self._lock.wait(1.0)
            waiting.append({**stamps, **row})
            self._drop_oldest_of(waiting)

    # --------------------------------------------------------------------------------- writing

    def _write_on(self) -> None:
        while True:
            with self._lock:
                if not self._closing:
                    self._lock.wait(SEGMENT_S)
                closing = self._closing
                steps = self._taken_steps()
                events = {name: list(rows) for name, rows in self._events.items() if rows}
                for name in events:
                    self._events[name].clear()
                self._lock.notify_all()
            self._segment += 1
            self._write_values(steps)
            for name, rows in events.items():
                self._write_events(name, rows)
            if closing:
                return

    def _taken_steps(self) -> list[Step]:
        """Steps for one file, at most ``WAITING_MAX // 8`` rows unless closing; the lock is held."""
        taken, rows = [], 0
        while self._steps and (self._closing or rows < WAITING_MAX // 8):
            step = self._steps.popleft()
            rows += step.rows
            taken.append(step)
        self._waiting -= rows
        return taken

    def _write_values(self, steps: list[Step]) -> None:
        if not steps:
            return
        if self._written("values", lambda: values_table(self._run, steps)):
            return
        with self._lock:
            # They wait for the next attempt, oldest first.
            for step in reversed(steps):
                self._steps.appendleft(step)
                self._waiting += step.rows
            while self._steps and (self._closing or self._waiting > WAITING_MAX):
                self._drop_oldest()

    def _write_events(self, name: str, rows: list[dict[str, Any]]) -> None:
        if self._written(name, lambda: pa.Table.from_pylist(rows, SCHEMAS[name])):
            return
        with self._lock:
            if self._closing:
                self.rows_dropped += len(rows)
            else:
                self._events[name].extendleft(reversed(rows))
                self._drop_oldest_of(self._events[name])

    def _written(self, name: str, made: Callable[[], pa.Table]) -> bool:
        """Write one file whole; ``False``, counted and reported, if the disk would not have it."""
        folder = self.directory / name
        path = folder / f"{self._run}-{self._segment:08d}.parquet"
        partial = path.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write_about()
            table = made()
            pq.write_table(table, partial, compression="zstd")
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            self._failed(error)
            return False
        if self.last_error:
            log.warning("the ledger writes to %s again", self.directory)
            self.last_error = ""
        self.rows_written += table.num_rows
        return True

    def _write_about(self) -> None:
        about = self.directory / f"{self._run}.json"
        if not about.exists():
            about.write_text(json.dumps(self._about, indent=2) + "\n", encoding="utf-8")

    def _failed(self, error: OSError) -> None:
        self.write_errors += 1
        if not self.last_error:
            log.warning("the ledger cannot write to %s: %s; rows wait in memory", self.directory, error)
        self.last_error = str(error)

    def _drop_oldest(self) -> None:
        step = self._steps.popleft()
        self._waiting -= step.rows
        self.rows_dropped += step.rows

    def _drop_oldest_of(self, waiting: deque[dict[str, Any]]) -> None:
        while len(waiting) > EVENTS_MAX:
            waiting.popleft()
            self.rows_dropped += 1
