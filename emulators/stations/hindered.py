"""What faults of devices make of the exchanges of a station that polls them, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices
from pilotfarm.emulators.contracts.hindrance import Hindrance
from pilotfarm.emulators.contracts.way import Bites
from pilotfarm.emulators.links.channels import RTO_MIN_S
from pilotfarm.emulators.stations.exchanges import Drawn, ModemWay, Way
from pilotfarm.profiles.draws import Keys, uniform


@dataclass(frozen=True, slots=True, eq=False)
class Hindering:
    """A fault at work: ``at`` says of each device whether it has it, ``key`` is for its draws.

    It began at ``since_s``. [s of site time]
    """

    hindrance: Hindrance
    at: Bools
    key: int
    since_s: float
    bites: Bites

    def acts(self, now_s: float, *, writes: bool) -> bool:
        """Whether it acts now, on commands or on polls."""
        hindrance = self.hindrance
        if not (hindrance.writes if writes else hindrance.reads):
            return False
        return (now_s - self.since_s) % (hindrance.up_s + hindrance.down_s) >= hindrance.up_s


class Hindrances:
    """What hinders a station as of ``now_s``. [s of site time]"""

    __slots__ = ("now_s", "standing")

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self.standing: Sequence[Hindering] = ()


class HinderedWay:
    """A way with what hinders exchanges on it; without any it is as it would be.

    ``device`` is whom each exchange that ``way`` was made for is with, ``asked`` and ``answered`` are its octets.
    ``writes`` says that these are commands.
    """

    def __init__(
        self,
        way: Way,
        hindrances: Hindrances,
        device: Indices,
        asked: Floats,
        answered: Floats,
        *,
        writes: bool = False,
    ) -> None:
        self._way, self._hindrances, self._device, self._writes = way, hindrances, device, writes
        self._octets = asked, answered
        self._repeats = isinstance(way, ModemWay)

    @property
    def nominal_s(self) -> Floats:
        return self._way.nominal_s

    def drawn(self, keys: Keys, counter: int, which: Indices) -> Drawn:
        drawn, now_s = self._way.drawn(keys, counter, which), self._hindrances.now_s
        for each in self._hindrances.standing:
            if each.acts(now_s, writes=self._writes):
                own, device = keys ^ np.uint64(each.key), self._device[which]
                hit = each.at[device] & (uniform(own, counter, "hit") < each.hindrance.share_frac)
                places = _counted(each, np.flatnonzero(hit), device)
                if len(places):
                    drawn = self._hindered(drawn, each.hindrance, own[places], counter, places, which[places])
        return drawn

    def _hindered(
        self, drawn: Drawn, hindrance: Hindrance, keys: Keys, counter: int, places: Indices, which: Indices
    ) -> Drawn:
        """Hinder some of the exchanges drawn: those at these places, which these are of."""
        took_s, back_s, lost = drawn.took_s.copy(), drawn.back_s.copy(), drawn.lost.copy()
        for way, there in ((hindrance.there, True), (hindrance.back, False)):
            octets = self._octets[0 if there else 1][which]
            stream = "there" if there else "back"
            later_s = way.delay_s + way.jitter_s * uniform(keys, counter, f"late {stream}") + way.octet_s * octets
            if way.lost_frac:
                chance = uniform(keys, counter, f"gone {stream}")
                if self._repeats and way.lost_frac < 1.0:
                    repeats = np.floor(np.log(chance + 2.0**-54) / log(way.lost_frac))
                    later_s = later_s + RTO_MIN_S * (2.0**repeats - 1.0)
                else:
                    lost[places] |= chance < way.lost_frac
            took_s[places] += later_s
            if not there:
                back_s[places] += later_s
        lost[places] |= hindrance.unanswered
        refused = np.zeros(len(lost), dtype=bool) if drawn.refused is None else drawn.refused.copy()
        refused[places] |= hindrance.refused
        return Drawn(took_s, back_s, lost, refused)


def _counted(each: Hindering, places: Indices, device: Indices) -> Indices:
    """Count the exchanges at some places as changed, and return those that may be.

    What fails a poll fails it once: the rest of it is not asked, and of a device one counts.
    """
    fails = each.hindrance.unanswered or each.hindrance.refused
    first = places[np.unique(device[places], return_index=True)[1]] if fails else places
    room = each.bites.max - each.bites.count
    if room == inf:
        each.bites.count += len(first)
        return places
    changed = first[: int(room)]
    each.bites.count += len(changed)
    return changed
