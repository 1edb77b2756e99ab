"""The memory of meters: load profiles and event logs, of those whose rating ``memory`` asks for one.

A master reads it a record at a time: it selects one (``record_selected``), and quantities show it with the next step.

What it keeps is what the meter measures, which measurement faults do not change. A meter that is exchanged begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices, anywhere
from pilotfarm.emulators.farm.event_log import CLEARED, DIP, RELAY, WHO, EventLog
from pilotfarm.emulators.farm.load_profile import REGISTERS, LoadProfile, Status, Statuses
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.quantities import RECORDS, Role

RATING: Final = "memory"
_STATUS: Final = {
    "power_failure_alarm": Status.POWER_FAILURE,
    "clock_invalid_alarm": Status.CLOCK_INVALID,
    "relay_open": Status.RELAY_OPEN,
    "cover_open_alarm": Status.TAMPERED,
    "magnetic_field_alarm": Status.TAMPERED,
}
_SELECTED: Final = ("record_kind", "record_selected")
_DAYS, _EVENTS = 1, 2
_NOTHING: Final = {name: 0.0 for name in RECORDS if name not in _SELECTED}


class Memory:
    """The memory of the meters of a group that have one."""

    def __init__(self, group: Group, unix_s: float, zone: ZoneInfo) -> None:
        self._group = group
        self._rows = np.flatnonzero(group.layout.ratings[RATING])
        self._meter = {row: meter for meter, row in enumerate(self._rows.tolist())}
        self._alarms = [q.name for q in group.spec.quantities if q.role is Role.ALARM and q.name != "general_alarm"]
        self._watched = {**{name: name for name in self._alarms}, "dipped": DIP}
        self._seen, self._serials = group.columns, group.serials
        self._others = 0
        """How often meters have been exchanged."""
        self._shown: dict[int, tuple[int, ...]] = {}
        """By row, of which a record is shown: what it was made of."""
        self.profile = LoadProfile(self._registers(), unix_s, zone)
        self.log = EventLog(tuple(self._watched.values()), len(self._rows))

    def meter(self, row: int) -> int | None:
        """Return which of its meters a device of the group is; ``None`` if it has no memory."""
        return self._meter.get(row)

    def step(self, unix_s: float, dt_s: float) -> None:
        """Keep what the last step has brought."""
        group, before = self._group, self._registers()
        if group.serials is not self._serials:
            self._exchange(before)
        self._log(unix_s)
        self._seen = group.columns
        self.profile.step(before, self._registers(), self._status(), unix_s, dt_s)

    def shown(self) -> Iterator[tuple[str, str, int, float]]:
        """Yield group, quantity, row and value of what is to be shown of records, where that is not what is shown."""
        kinds, selected = (self._group.columns[name] for name in _SELECTED)
        if not self._shown and not anywhere(selected):
            return
        asked = {row: int(selected[row]) for row in np.flatnonzero(selected).tolist() if row in self._meter}
        shown: dict[int, tuple[int, ...]] = {}
        for row in sorted(asked.keys() | self._shown):
            meter, kind, number = self._meter[row], int(kinds[row]), asked.get(row, 0)
            state = (kind, number, self._others, self.profile.number, *self.log.span(meter))
            if number:
                shown[row] = state
            if self._shown.get(row) != state:
                for name, value in (_NOTHING | self._record(meter, kind, number)).items():
                    yield self._group.name, name, row, value
        self._shown = shown

    def _record(self, meter: int, kind: int, number: int) -> dict[str, float]:
        """Return how a record is shown, by quantities that are not 0."""
        if not number:
            return {}
        if kind == _EVENTS:
            events = self.log.read(meter)
            if number > len(events):
                return {"record_count": len(events)}
            event = events[-number]
            told = {"event": event.code, "event_value": event.value, "event_cause": event.cause_code}
            return _at(event.time_s, len(events)) | {f"record_{name}": float(value) for name, value in told.items()}
        readings = self.profile.days(meter) if kind == _DAYS else self.profile.intervals(meter)
        if number > len(readings):
            return {"record_count": len(readings)}
        reading = readings[-number]
        values = {f"record_{name}": float(value) for name, value in zip(REGISTERS, reading.values, strict=True)}
        return _at(reading.end_s, len(readings)) | values | {"record_status": float(reading.status)}

    def _registers(self) -> Floats:
        return np.stack([self._seen[name][self._rows] for name in REGISTERS])

    def _status(self) -> Statuses:
        found = np.zeros(len(self._rows), dtype=np.uint8)
        for name, flag in _STATUS.items():
            column = self._seen[name]
            if anywhere(column):
                found |= np.where(column[self._rows] > 0.0, np.uint8(flag), np.uint8(0))
        return found

    def _exchange(self, registers: Floats) -> None:
        before, self._serials = self._serials, self._group.serials
        self._others += 1
        others = [meter for row, meter in self._meter.items() if before.get(row) != self._serials.get(row)]
        self.profile.begin_anew(np.array(others, dtype=np.intp), registers)
        self.log.begin_anew(np.array(others, dtype=np.intp))

    def _log(self, unix_s: float) -> None:
        """Log what has changed since the step before."""
        before, after = self._seen, self._group.columns
        counts = "event_count"
        if before[counts] is not after[counts]:
            cleared = self._where(after[counts] < before[counts])
            if len(cleared):
                self.log.clear(cleared)
                self._add(cleared, unix_s, CLEARED, 1)
        for name, shown in self._watched.items():
            if before[name] is not after[name]:
                for value in (0, 1):
                    changed = (after[name] != before[name]) & (after[name] == value)
                    self._add(self._where(changed), unix_s, shown, value)
        moved = after["relay_moved_by"]
        if anywhere(moved):
            for state in range(3):
                for number, who in enumerate(WHO, 1):
                    self._add(self._where((moved == number) & (after[RELAY] == state)), unix_s, RELAY, state, who)

    def _where(self, rows: np.ndarray) -> Indices:
        """Return which of its meters some rows of the group are, ``(n,)`` of bool."""
        return np.flatnonzero(rows[self._rows])

    def _add(self, meters: Indices, unix_s: float, quantity: str, value: int, cause: str = "") -> None:
        if not len(meters):
            return
        times_s = np.full(len(meters), unix_s)
        clocks = self._group.clocks
        if clocks:
            for number, row in enumerate(self._rows[meters].tolist()):
                if row in clocks:
                    times_s[number] = clocks[row].stamped_s(unix_s)
        self.log.add(meters, times_s, quantity, value, cause)


def _at(unix_s: float, count: int) -> dict[str, float]:
    day, time_s = divmod(unix_s, 86_400.0)
    return {"record_count": float(count), "record_day": day, "record_time_s": time_s}


def memories(groups: Iterable[Group], unix_s: float, zone: ZoneInfo) -> dict[str, Memory]:
    """Return the memories of the groups that have meters with one, by their names."""
    return {
        group.name: Memory(group, unix_s, zone)
        for group in groups
        if RATING in group.layout.ratings and anywhere(group.layout.ratings[RATING])
    }
