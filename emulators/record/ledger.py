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
are those of ``network.FeederState``. ``docs/ledger.md`` describes it for its readers.

A file is written whole under another name, synced and then renamed, every ``SEGMENT_S``, so a crash loses
the last few seconds and leaves no broken file; ``merging`` makes few large ones of them. Both are done by a thread
of its own. When the disk cannot keep up, is full or cannot be written, rows wait in memory up to ``WAITING_MAX``;
beyond it the oldest are dropped, counted and reported, and the farm goes on.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.grid.network import FeederState, Network
from pilotfarm.emulators.record import folder
from pilotfarm.emulators.record.backlog import Backlog
from pilotfarm.emulators.record.merging import Merging, sync
from pilotfarm.emulators.record.schema import CONVENTIONS, SCHEMAS, VERSION, described
from pilotfarm.emulators.record.selection import chosen
from pilotfarm.emulators.record.tables import Step, instant, values_table
from pilotfarm.emulators.site.layout import SiteLayout

SEGMENT_S: Final = 3.0
WAITING_MAX: Final = 20_000_000
"""Maximum number of rows of values that may wait to be written: about 500 MB of arrays the farm has let go of."""
EVENTS_MAX: Final = 200_000
"""Maximum number of rows of each of the other tables that may wait."""

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


@dataclass(frozen=True, slots=True)
class Recording:
    """Where a ledger is kept and what it keeps: ``every_s`` is the minimum site time between two records of values and
    feeders [s]; ``quantities`` are names, globs and roles, all of them if there are none."""

    directory: Path
    every_s: float = 0.0
    quantities: Sequence[str] = ()

    def of(self, site: Recorded, clock: Clock, *, lossless: bool = False) -> Ledger:
        """Begin to keep it; the errors are those of ``Ledger``."""
        options = self.every_s, self.quantities
        return Ledger(self.directory, site, clock, *options, lossless=lossless)


class Ledger:
    """A farm's observer that writes what it sees to ``directory``.

    The options are those of ``Recording``. With ``lossless`` a full buffer makes the farm wait instead of dropping
    rows, as long as the disk takes any: for simulation, where nobody is served. Raises ``ConfigError`` when the folder
    cannot be had (``folder.claimed``) and when ``quantities`` choose nothing.
    """

    def __init__(
        self,
        directory: Path,
        site: Recorded,
        clock: Clock,
        every_s: float = 0.0,
        quantities: Sequence[str] = (),
        *,
        lossless: bool = False,
    ):
        self.directory = directory
        self.rows_written = 0
        self.write_errors = 0
        self._population, self._network = site.population, site.network
        self._names = chosen(site.population, quantities)
        self._clock = clock
        self._lossless = lossless
        self._every_s = every_s
        self._recorded_s = float("-inf")
        self._run = datetime.fromtimestamp(clock.now_s(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._segment = 0
        about = {
            "ledger_version": VERSION,
            "pilotfarm_version": version("pilotfarm"),
            "run": self._run,
            "site": site.layout.name,
            "source": site.layout.source,
            "seed": site.layout.seed,
            "start": site.layout.start.isoformat(),
            "step_s": site.layout.step_s,
            "every_s": every_s,
            "quantities": list(quantities) or ["*"],
            "conventions": CONVENTIONS,
        }
        self._about = json.dumps({**about, "site_file": site.layout.text}, indent=2) + "\n"
        self._schemas = {table: described(table, about) for table in SCHEMAS}
        self._backlogs = {table: Backlog(table) for table in SCHEMAS}
        self._mergings = {table: Merging(directory, table) for table in SCHEMAS}
        self._lock = threading.Condition()
        self._closing = self._pressed = False
        self._claim = folder.claimed(directory)
        self._thread = threading.Thread(target=self._write_on, name="ledger", daemon=True)
        self._thread.start()

    @property
    def rows_dropped(self) -> int:
        return sum(self.rows_lost.values())

    @property
    def rows_lost(self) -> dict[str, int]:
        """How many rows of which table were dropped unwritten; of tables that lost any."""
        return {table: backlog.lost for table, backlog in self._backlogs.items() if backlog.lost}

    @property
    def last_error(self) -> str:
        """Why some table cannot be written now; empty if all can."""
        return next((backlog.error for backlog in self._backlogs.values() if backlog.error), "")

    @property
    def loss(self) -> str:
        """What was lost and why, in a sentence; empty if nothing was."""
        lost = " and ".join(f"{rows:,} of {table}" for table, rows in self.rows_lost.items())
        why = self.last_error or "the disk was too slow, or could not be written for a while"
        return f"rows of the ledger in {self.directory} were lost, {lost}: {why}" if lost else ""

    # ------------------------------------------------------------------------------- observing

    def stepped(self, moment: Moment) -> None:
        if moment.time_s - self._recorded_s < self._every_s - 1e-9:
            return
        self._recorded_s = moment.time_s
        wall_s = self._clock.now_s()
        values = self._backlogs["values"]
        with self._lock:
            for group in self._population:
                names = self._names[group.name]
                if names:
                    known = group.columns, group.reported, dict(group.quality)
                    step = Step(moment.unix_s, wall_s, group, names, *known)
                    values.add(step, step.rows)
            while values.rows > WAITING_MAX // 2 and self._waits(values):
                self._press()
                self._lock.wait(1.0)
            if values.rows > WAITING_MAX // 2:
                self._press()
            values.shrink(WAITING_MAX)
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
        """Write what waits and end the thread; what cannot be written is counted as lost."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()
        for backlog in self._backlogs.values():
            backlog.shrink(0)
        folder.release(self._claim)

    def _press(self) -> None:
        """Have what waits written now; the lock is held."""
        self._pressed = True
        self._lock.notify_all()

    def _waits(self, backlog: Backlog) -> bool:
        """Whether the farm is to wait for room. A disk that takes nothing is not waited for."""
        return self._lossless and not backlog.error and self._thread.is_alive()

    def _event(self, table: str, moment: Moment, **row: Any) -> None:
        stamps = {
            "run": self._run,
            "site_time": instant(moment.unix_s),
            "wall_time": instant(self._clock.now_s()),
        }
        backlog = self._backlogs[table]
        with self._lock:
            while backlog.rows >= EVENTS_MAX and self._waits(backlog):
                self._press()
                self._lock.wait(1.0)
            backlog.add({**stamps, **row})
            backlog.shrink(EVENTS_MAX)

    # --------------------------------------------------------------------------------- writing

    def _write_on(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closing or self._pressed, SEGMENT_S)
                closing, self._pressed = self._closing, False
                taken = {table: backlog.take(WAITING_MAX // 8) for table, backlog in self._backlogs.items()}
                self._lock.notify_all()
            self._segment += 1
            wrote = [self._write(self._backlogs[table], items) for table, items in taken.items() if items]
            if closing and not any(wrote):
                break
            if not closing:
                self._merge()
        for merging in self._mergings.values():
            merging.close()

    def _merge(self) -> None:
        """Merge files until rows wait for a file of their own."""
        due_s = self._clock.now_s() + SEGMENT_S / 2
        for merging in self._mergings.values():
            while merging.step():
                if self._closing or self._clock.now_s() >= due_s or self._backlogs["values"].rows >= WAITING_MAX // 8:
                    return

    def _write(self, backlog: Backlog, taken: list[tuple[Any, int]]) -> bool:
        """Write one file; ``False``, counted and reported, if the disk would not have it."""
        table = backlog.table
        path = self.directory / table / f"{self._run}-{self._segment:08d}.parquet"
        items = [item for item, _ in taken]
        try:
            made = values_table(self._run, items) if table == "values" else pa.Table.from_pylist(items, SCHEMAS[table])
            self._put(path, made.replace_schema_metadata(self._schemas[table].metadata))
        except (OSError, pa.ArrowException, MemoryError) as error:
            self.write_errors += 1
            with self._lock:
                news = backlog.failed(taken, str(error))
                backlog.shrink(WAITING_MAX if table == "values" else EVENTS_MAX)
            if news:
                log.warning("the ledger cannot write %s to %s: %s; rows wait in memory", table, self.directory, error)
            return False
        self._mergings[table].add(path, made.num_rows)
        self.rows_written += made.num_rows
        with self._lock:
            news = backlog.written(made.num_rows)
        if news:
            lost = f"{backlog.lost:,} rows were lost" if backlog.lost else "no row was lost"
            log.warning("the ledger writes %s to %s again, with all that waited; %s", table, self.directory, lost)
        return True

    def _put(self, path: Path, rows: pa.Table) -> None:
        """Write a file whole: under another name until it is on the disk."""
        path.parent.mkdir(parents=True, exist_ok=True)
        about = self.directory / f"{self._run}.json"
        if not about.exists():
            about.write_text(self._about, encoding="utf-8")
        partial = path.with_suffix(".part")
        try:
            pq.write_table(rows, partial, compression="zstd")
            sync(partial)
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
