"""What a head-end has a data concentrator read at once: on-demand reads, of which each has a ticket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import Busy
from pilotfarm.emulators.stations.collecting import DEMANDS_MAX
from pilotfarm.emulators.stations.come import Outcome
from pilotfarm.emulators.stations.rounds import Rounds

READS_KEPT: Final = 1_000
"""The oldest are forgotten. Demands are met in their order, so those that wait are among the newest."""
_EXCHANGES: Final = 3
"""An association (IEC 62056-5-3), the registers, the states."""


class Told(NamedTuple):
    """A value as the meter had it."""

    value: float
    quality: Quality


@dataclass(slots=True)
class Read:
    """A meter that is to be read, and what came of it."""

    ticket: int
    meter: int
    asked_s: float
    outcome: Outcome | None = None
    """None while it waits."""
    serial: str = ""
    told: Mapping[str, Told] | None = None
    """By quantity, once it is answered."""

    def ended(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Reads:
    """The on-demand reads of one concentrator. Tickets grow from 1."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds
        self._reads: dict[int, Read] = {}
        self._open: list[Read] = []
        self.asked = 0
        """How many have been, which is the last ticket."""

    def ask(self, meters: Sequence[int], now_s: float) -> Sequence[Read]:
        """Have meters read before the round goes on; raises ``Busy`` where not all of them can wait, and asks none."""
        room = DEMANDS_MAX - self._rounds.waiting
        if len(meters) > room:
            raise Busy(f"{DEMANDS_MAX - room} demands wait at the concentrator, and {DEMANDS_MAX} may")
        new = []
        for meter in meters:
            self.asked += 1
            read = Read(self.asked, meter, now_s)
            self._rounds.demand(meter, _EXCHANGES, read.ended)
            new.append(read)
        self._reads.update((each.ticket, each) for each in new)
        for ticket in list(self._reads)[:-READS_KEPT]:
            del self._reads[ticket]
        self._open += new
        return new

    def get(self, ticket: int) -> Read | None:
        return self._reads.get(ticket)

    def answered(self) -> Iterator[Read]:
        """Yield, once, those that have been answered since this was last asked."""
        over = [each for each in self._open if each.outcome is not None]
        if over:
            self._open = [each for each in self._open if each.outcome is None]
        yield from (each for each in over if each.outcome is not None and each.outcome.answered)
