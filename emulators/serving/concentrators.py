"""Data concentrators of a farm: what their rounds read becomes records, which they keep for a head-end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, anywhere
from pilotfarm.emulators.contracts.outage import Known, Outage
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.contracts.queue import Queue
from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.load_profile import INTERVAL_S, INTERVALS, REGISTERS, Reading
from pilotfarm.emulators.farm.memory import Memory
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.record.queue import SqliteQueue
from pilotfarm.emulators.site.layout import CollectingLayout, SeatLayout, StationLayout
from pilotfarm.emulators.stations.collecting import Collector
from pilotfarm.emulators.stations.come import Heard, ToldTime
from pilotfarm.emulators.stations.demanding import MeterDownlink
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.emulators.stations.on_demand import Reads, Told
from pilotfarm.emulators.stations.polled import Polled
from pilotfarm.emulators.stations.rounds import Rounds, Schedule
from pilotfarm.emulators.stations.unasked import Unasked
from pilotfarm.profiles.media import NONE
from pilotfarm.profiles.media.shared import SharedMedium, shared_medium

DARK: Final = "power_failure_alarm"
"""A meter that has it has no supply, nor have its neighbours: whatever it lives on, nothing reaches it."""
CLOCK_OFF_S: Final = 10.0
"""A meter's clock that is off by more is set."""
_READ: Final = (Role.TOTAL, Role.STATE, Role.ALARM)
"""What a meter is asked for on demand."""
_NO_MEDIUM: Final = SharedMedium(
    name=NONE,
    title="None",
    rate_bit_s=1e15,
    access_median_s=1e-9,
    access_p95_s=2e-9,
    access_p99_s=3e-9,
    access_max_s=4e-9,
)


class Concentrator:
    """One data concentrator: its rounds, and the queue of what they have read.

    Raises ``ConfigError`` where its file cannot be had.
    """

    def __init__(self, farm: Farm, station: StationLayout, layout: CollectingLayout) -> None:
        self._farm, self._seats = farm, station.seats
        self.devices = [farm.layout.group(seat.group).devices[seat.row] for seat in station.seats]
        self.places = {name: place for place, name in enumerate(self.devices)}
        self.queue = _queue(farm, station, layout)
        self._clock = farm.clocks.of_station(station)
        self.clocks_set = self.clocks_not_set = 0
        medium, rules = _NO_MEDIUM, replace(layout.rules, block_intervals=INTERVALS)
        if layout.medium != NONE:
            medium, rules = shared_medium(layout.medium), layout.rules
        self._known_of: Sequence[tuple[Polled, int]] = ()
        self._unasked = Unasked(medium, layout.keys)
        self._gasp_s = np.full(len(layout.keys), np.nan)
        """When each meter's last gasp came, where its word that supply is back has not."""
        self.rounds = Rounds(
            Collector(medium, layout.keys, np.zeros(len(layout.keys), dtype=np.intp), rules, known=self._known()),
            Schedule(layout.zone, layout.at, layout.again_s),
            medium,
            np.array([layout.key], dtype=np.uint64),
            self,
            start_s=farm.time_s,
            offset_s=farm.unix_s - farm.time_s,
            kept=INTERVALS,
            classes=len(next(iter(layout.names.values()))),
        )
        self.reads = Reads(self.rounds)

    def seat(self, seats: Sequence[Seat], known: Sequence[tuple[Polled, int]]) -> None:
        """Have commands go down to meters as demands; what is known of each meter is at a row of its group."""
        self._known_of = known
        for place, seat in enumerate(seats):
            seat.downlink = MeterDownlink(self.rounds, place, seat.device, lambda: self._farm.wall_s)

    def note_reads(self) -> None:
        """Keep what meters have answered on demand, once it is known."""
        for read in self.reads.answered():
            known, row = self._known_of[read.meter]
            device = self._farm.device(self.devices[read.meter])
            read.serial = device.serial
            read.told = {
                q.name: Told(float(known.columns[q.name][row]), _mark(known.said, q.name, row))
                for q in device.group.spec.quantities
                if q.role in _READ and q.name != REACHED
            }

    def outages(self) -> Iterator[Outage]:
        """Yield the meters that are without supply, or of which it knows no better."""
        answers, known_s = self.rounds.answers[0], self.rounds.known_s[0]
        gasped = self._gasp_s >= known_s
        supplied = self.powered()
        for place in np.flatnonzero(gasped | ~answers | ~supplied).tolist():
            known: Known = "last_gasp" if gasped[place] else "supplied" if answers[place] else "no_contact"
            since_s = {"last_gasp": self._gasp_s, "no_contact": known_s}.get(known)
            yield Outage(
                self.devices[place], known, None if since_s is None else float(since_s[place]), bool(supplied[place])
            )

    # -------------------------------------------------------------------------------- as ``Meters``

    def powered(self) -> Bools:
        found = np.ones(len(self._seats), dtype=bool)
        groups = {seat.group for seat in self._seats}
        if any(anywhere(self._farm.groups[name].columns[DARK]) for name in groups):
            for place, seat in enumerate(self._seats):
                found[place] = not self._farm.groups[seat.group].columns[DARK][seat.row]
        return found

    def listen(self, to_s: float, reachable: Bools, *, hears: bool) -> None:
        words = self._unasked.advance(to_s, self.powered(), reachable)
        if not (words and hears):
            return
        for word in words:
            self._gasp_s[word.meter] = np.nan if word.supplied else word.at_s
        alarms = ("power_failure", "power_restored")
        self.queue.put_alarms(
            [self._alarm(each.meter, alarms[each.supplied], each.since_s, each.at_s) for each in words]
        )

    def keep(self, heard: Sequence[Heard]) -> int:
        """Keep all of it in one go, or else as many blocks as there is room for."""
        if self._put(heard):
            return len(heard)
        kept = 0
        while kept < len(heard) and self._put(heard[kept : kept + 1]):
            kept += 1
        return kept

    def off(self, unix_s: float) -> Bools:
        right_s = self._shown_s(unix_s)
        shown_s = [self._farm.device(name).clock.shown_s(unix_s) for name in self.devices]
        off: Bools = np.abs(np.array(shown_s) - right_s) > CLOCK_OFF_S
        return off

    def set_clocks(self, told: ToldTime) -> None:
        unix_s = self._farm.unix_s
        for meter in told.meter[told.answered].tolist():
            self._farm.device(self.devices[meter]).clock.set(self._shown_s(unix_s), unix_s)
            self.clocks_set += 1
        failed = told.only(~told.answered)
        alarms = [
            self._alarm(meter, "clock_not_set", at_s, at_s)
            for meter, at_s in zip(failed.meter.tolist(), failed.at_s.tolist(), strict=True)
        ]
        self.clocks_not_set += len(alarms)
        self.queue.put_alarms(alarms)

    # ------------------------------------------------------------------------------------- parts

    def _shown_s(self, unix_s: float) -> float:
        """Return the time as the concentrator has it, by which it sets clocks."""
        return unix_s if self._clock is None else self._clock.shown_s(unix_s)

    def _alarm(self, meter: int, alarm: str, since_s: float, at_s: float) -> str:
        return json.dumps(
            {
                "device": self.devices[meter],
                "alarm": alarm,
                "since": self._local(self._farm.world.unix_s(since_s)),
                "received": self._local(self._farm.world.unix_s(at_s)),
            }
        )

    def _put(self, heard: Sequence[Heard]) -> bool:
        read_to: dict[str, int] = {}
        texts: list[str] = []
        for each in heard:
            for meter, first, last, at_s in zip(*(column.tolist() for column in each), strict=True):
                texts += self._records(meter, first, last, at_s)
                read_to[self.devices[meter]] = last
        return self.queue.put_readings(texts, read_to)

    def _records(self, place: int, first: int, last: int, at_s: float) -> Iterator[str]:
        memory, meter = _memory(self._farm, self._seats[place])
        name, read_at = self.devices[place], self._local(self._farm.world.unix_s(at_s))
        whose = {"device": name, "serial": self._farm.device(name).serial}
        for reading in memory.profile.between(meter, first, last):
            yield json.dumps({**whose, **self._told(reading), "read_at": read_at})

    def _told(self, reading: Reading) -> dict[str, object]:
        zone = self._farm.world.zone
        return {
            "begin": _boundary(reading.end_s - INTERVAL_S, zone),
            "end": _boundary(reading.end_s, zone),
            **dict(zip(REGISTERS, reading.values, strict=True)),
            "status": [str(flag.name).lower() for flag in reading.status],
        }

    def _local(self, unix_s: float) -> str:
        return datetime.fromtimestamp(unix_s, self._farm.world.zone).isoformat()

    def _known(self) -> np.ndarray:
        """Return up to where each meter is read: as the queue has it, or else to the interval under way."""
        first = self._farm.unix_s // INTERVAL_S
        read_to = self.queue.read_to()
        return np.array([read_to.get(name, first) for name in self.devices], dtype=np.intp)


def _mark(said: Mapping[str, Qualities], name: str, row: int) -> Quality:
    return Quality(int(said[name][row])) if name in said else Quality.GOOD


@lru_cache(maxsize=256)
def _boundary(unix_s: float, zone: tzinfo) -> str:
    """Write a boundary of intervals, which all meters have alike."""
    return datetime.fromtimestamp(unix_s, zone).isoformat()


def _memory(farm: Farm, seat: SeatLayout) -> tuple[Memory, int]:
    memory = farm.memories[seat.group]
    meter = memory.meter(seat.row)
    assert meter is not None, "a site has meters with a memory behind concentrators"
    return memory, meter


def _queue(farm: Farm, station: StationLayout, layout: CollectingLayout) -> Queue:
    file = None
    if layout.folder is not None:
        file = layout.folder / f"{station.name}.sqlite"
        try:
            layout.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"cannot be made as the folder of {station.name}: {error.strerror}"
            raise ConfigError([Problem(str(layout.folder), 0, "", why)]) from None
    of = f"{station.name} of {farm.layout.name}, seed {farm.layout.seed}"
    return SqliteQueue(file, of, readings_max=layout.readings_max, alarms_max=layout.alarms_max)
