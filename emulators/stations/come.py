"""What has come of the exchanges of data concentrators with their meters. All times are site seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices, anywhere


class Heard(NamedTuple):
    """Blocks that have come: of which meter, from which interval to before which, and when."""

    meter: Indices
    first: Indices
    last: Indices
    at_s: Floats

    def only(self, where: Bools) -> Heard:
        return Heard(self.meter[where], self.first[where], self.last[where], self.at_s[where])


class Silent(NamedTuple):
    """Meters that were given up in a round, and when."""

    meter: Indices
    at_s: Floats

    def only(self, where: Bools) -> Silent:
        return Silent(self.meter[where], self.at_s[where])


class ToldTime(NamedTuple):
    """Meters whose clocks were to be set, whether they have answered, and when they did or were given up."""

    meter: Indices
    answered: Bools
    at_s: Floats

    def only(self, where: Bools) -> ToldTime:
        return ToldTime(self.meter[where], self.answered[where], self.at_s[where])


class Outcome(NamedTuple):
    """What became of a demand, and when."""

    ticket: int
    meter: int
    answered: bool
    """Whether all of its exchanges were answered."""
    at_s: float
    told: bool
    """Whether the first was: the meter has what it was asked."""


class Come(NamedTuple):
    """What has come of the exchanges of some time."""

    heard: Sequence[Heard] = ()
    silent: Sequence[Silent] = ()
    told_time: Sequence[ToldTime] = ()
    outcomes: Sequence[Outcome] = ()

    def and_then(self, later: Come) -> Come:
        return Come(
            [*self.heard, *later.heard],
            [*self.silent, *later.silent],
            [*self.told_time, *later.told_time],
            [*self.outcomes, *later.outcomes],
        )


_Told = TypeVar("_Told", Heard, Silent, ToldTime)


def parted(told: Sequence[_Told], to_s: float) -> tuple[list[_Told], list[_Told]]:
    """Part what has come by then from what comes later."""
    come: list[_Told] = []
    later: list[_Told] = []
    for each in told:
        now = each.at_s <= to_s
        for where, parts in ((now, come), (~now, later)):
            if anywhere(where):
                parts.append(each.only(where))
    return come, later
