"""Who is told what happens on a farm: the ledger, the event stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from pilotfarm.emulators.contracts.outage import Outage
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.fault import Fault


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on the site: seconds since its start and since 1970 UTC."""

    time_s: float
    unix_s: float
    zone: ZoneInfo

    @property
    def local(self) -> datetime:
        """The same in the site's own zone."""
        return datetime.fromtimestamp(self.unix_s, self.zone)


class Observer(Protocol):
    """Somebody who keeps a record; each call comes within a step, with its time."""

    def stepped(self, moment: Moment) -> None: ...
    def commanded(self, command: Command, moment: Moment) -> None: ...
    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None: ...
    def fault_changed(self, fault: Fault, event: str, moment: Moment) -> None: ...


@runtime_checkable
class SeesOutages(Protocol):
    """An observer who also wants to know, where stations are served, what each data concentrator knows of outages."""

    def outages(self, station: str, found: Sequence[Outage], moment: Moment) -> None:
        """Take after each step which customers are without supply, or are not known to have it."""
        ...
