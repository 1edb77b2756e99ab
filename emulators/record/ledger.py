"""The truth ledger: what every device really did, what it said, and what it was told, as Parquet.

Tables, each a folder of files that any Parquet reader takes as one table:

==========  =====================================================================================
values      one row a device, quantity and recorded step: true, reported, quality
commands    one row a commanded quantity, when a step takes it
effects     one row when the physics followed a command, or did not: ``effective``, ``superseded``
            by a later command, ``expired``
faults      one row whenever a fault began or ended
feeders     one row a feeder and recorded step: its power flow as last solved
outages     one row whenever a data concentrator comes to know of a customer's supply, or that changes
steps       one row a step: when it was taken, in the machine's time
receipts    one row a command: who sent it, when it was received and acknowledged
countdowns  as values, of quantities that count wall time
==========  =====================================================================================

The last three are of the wall clock; the others say again what they said when a run is repeated, byte by byte. Every
row has its ``site_time``; its run is the name of the folder that its file is in. Ratings, which do not change, and
command pulses, which are rows of ``commands``, are not in ``values``. A feeder's columns are those of
``network.FeederState``. ``docs/ledger.md`` describes it for its readers.

What came is written every few seconds (``writer``), each file whole under another name, synced and then renamed, so a
crash loses the last seconds and leaves no broken file. Of what came in a window of site time (``windows``) one file is
made when it is over (``shelf``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.outage import Outage
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.grid.network import FeederState, Network
from pilotfarm.emulators.record import about, folder
from pilotfarm.emulators.record.schema import OF_GROUPS, SCHEMAS, described
from pilotfarm.emulators.record.selection import Chosen, chosen, counting
from pilotfarm.emulators.record.shelf import Shelf
from pilotfarm.emulators.record.tables import Step, instant
from pilotfarm.emulators.record.windows import length_for
from pilotfarm.emulators.record.writer import Writer
from pilotfarm.emulators.site.layout import SiteLayout

_OF_A_FEEDER: Final = tuple(each.name for each in fields(FeederState) if each.name != "name")


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
        self._population, self._network = site.population, site.network
        self._names = _by_table(site.population, quantities)
        self._clock = clock
        self._every_s = every_s
        self._recorded_s = float("-inf")
        self._outages: dict[str, dict[str, Outage]] = {}
        """By station and device, those of the last step."""
        rows = sum(group.size * len(self._names["values"][group.name]) for group in site.population)
        length = length_for(rows, max(every_s, site.layout.step_s))
        self._claim = folder.claimed(directory)
        self.run = folder.new_run(directory)
        said = about.of_files(site.layout, every_s, quantities)
        shelves = {table: Shelf(directory, table, self.run, described(table, said)) for table in SCHEMAS}
        told = folder.about(directory, self.run), about.of_run(site.layout, self.run, clock.now_s(), said)
        self.writer = Writer(directory, shelves, length, *told, clock, lossless=lossless)

    @property
    def loss(self) -> str:
        """What was lost and why, in a sentence; empty if nothing was."""
        lost = ", ".join(f"{rows:,} of {table}" for table, rows in self.writer.rows_lost.items())
        why = self.writer.last_error or "the disk was too slow, or could not be written for a while"
        return f"rows of the ledger in {self.directory} were lost, {lost}: {why}" if lost else ""

    def close(self) -> None:
        """Write what waits; what cannot be written is counted as lost."""
        self.writer.close()
        folder.release(self._claim)

    # ------------------------------------------------------------------------------- observing

    def stepped(self, moment: Moment) -> None:
        at = instant(moment.unix_s)
        self._event("steps", moment, wall_time=instant(self._clock.now_s()))
        if moment.time_s - self._recorded_s >= self._every_s - 1e-9:
            self._recorded_s = moment.time_s
            for table in OF_GROUPS:
                self.writer.add(table, [*self._reported(at, self._names[table])])
            for feeder in self._network:
                row = {name: getattr(feeder, name) for name in _OF_A_FEEDER}
                self._event("feeders", moment, feeder=feeder.name, **row)
        self.writer.pass_to(at)

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
            )
        self._event(
            "receipts",
            moment,
            command=command.id,
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
            target=json.dumps(dict(fault.target), sort_keys=True),
            parameters=fault.parameters.model_dump_json(),
            duration_s=fault.course.duration_s,
            ramp_s=fault.course.ramp_s,
            spread_s=fault.course.spread_s,
            count=fault.course.count,
            devices=list(fault.hit),
        )

    def outages(self, station: str, found: Sequence[Outage], moment: Moment) -> None:
        before, now = self._outages.get(station, {}), {each.device: each for each in found}
        ended = [Outage(device, "supplied", None, True) for device in before if device not in now]
        self._outages[station] = now
        for each in (*found, *ended):
            if each != before.get(each.device):
                since_s = None if each.since_s is None else moment.unix_s - moment.time_s + each.since_s
                self._event(
                    "outages",
                    moment,
                    station=station,
                    device=each.device,
                    known=each.known,
                    since=None if since_s is None else instant(since_s),
                    supplied=each.supplied,
                )

    def _reported(self, at: datetime, chosen: Chosen) -> Iterator[Step]:
        for group in self._population:
            if names := chosen[group.name]:
                yield Step(at, group, names, group.columns, group.reported, dict(group.quality))

    def _event(self, table: str, moment: Moment, **row: Any) -> None:
        self.writer.add(table, [{"site_time": instant(moment.unix_s), **row}])


def _by_table(population: Population, quantities: Sequence[str]) -> Mapping[str, Chosen]:
    """Return the quantities of each group that ``values`` and ``countdowns`` hold."""
    every, counted = chosen(population, quantities), counting(population)
    return {
        "values": {group: [name for name in names if name not in counted] for group, names in every.items()},
        "countdowns": {group: [name for name in names if name in counted] for group, names in every.items()},
    }
