"""The columns of a site: a write queue, a step, and a read.

A step takes what was queued, moves every group's physics, solves the feeders for the next step's
voltages, and lets the active faults turn true columns into reported ones. Nothing here has a clock
or a socket, and nothing between two steps changes what is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import SiteRows, at_rows
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.errors import Busy, NoSuchPoint, OutOfRange
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.faultboard import FaultBoard
from pilotfarm.emulators.farm.observer import Observer
from pilotfarm.emulators.farm.pools import Pools
from pilotfarm.emulators.farm.population import Group, Rows
from pilotfarm.emulators.farm.tracing import Tracer
from pilotfarm.emulators.grid.network import Customers, Network
from pilotfarm.emulators.physics.frequency import AREAS, Swing, frequency_hz, swung
from pilotfarm.emulators.site.layout import GroupLayout, SiteLayout
from pilotfarm.profiles.draws import key_of, uniform
from pilotfarm.profiles.weather import Weather, scattered

STEP_MIN_S: Final = 0.1
STEP_MAX_S: Final = 900.0
"""Longest step the models hold for: a quarter of an hour, in which sun, loads and sessions move once."""
QUEUE_MAX = 100_000
"""Most commands waiting for one step; beyond it a client is told that the device is busy."""

_PHASES = (1, 2, 3)
_VOLTAGES = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "voltage_ll_v")
"""At the connection point, and under their prefixes at a home's resources."""


class Farm:
    """A whole site, stepped by whoever paces it."""

    def __init__(self, layout: SiteLayout) -> None:
        self.layout = layout
        self.time_s = 0.0
        self.steps = 0
        self.observers: list[Observer] = []
        self._start_unix_s = layout.start.timestamp()
        self._zone = ZoneInfo(layout.place.time_zone)
        place = layout.place
        self._weather = Weather(
            place.latitude_deg,
            place.longitude_deg,
            place.altitude_m,
            place.time_zone,
            key_of(layout.seed, "weather"),
            record=layout.weather.record,
            clouds=layout.weather.clouds,
        )
        self._frequency_key = key_of(layout.seed, "frequency")
        self._area = AREAS[layout.frequency_area]
        self._swing = Swing()
        self.lost_generation_w = 0.0
        """Generation missing in the area as of the next step, faults' apart (minus: load), for its frequency. [W]"""
        self._feeders = list(layout.feeders)
        self.groups = {group.name: self._made(group, place) for group in layout.groups}
        self.pools = Pools({name: (group.spec, group.columns) for name, group in self.groups.items()})
        specs = [group.spec for group in self.groups.values()]
        self.readable = {spec.kind: frozenset(q.name for q in spec.quantities) for spec in specs}
        self.writable = {spec.kind: frozenset(q.name for q in spec.quantities if q.writable) for spec in specs}
        self._rows = {
            device: (group, row) for group in self.groups.values() for row, device in enumerate(group.layout.devices)
        }
        self._queue: list[tuple[FarmDevice, Command]] = []
        self._last_command = 0
        self.tracer = Tracer()
        self.faults = FaultBoard(self)
        self.network = Network(tuple(layout.feeders.values()), layout.grid, self._customers())
        self._ground = self._scattered()
        self._sunlit = tuple(rows for _, rows in self._in_light())
        self._solve_feeders(0.0)

    # ------------------------------------------------------------------------------------ read

    @property
    def unix_s(self) -> float:
        """Site time on the UTC scale. [s since 1970]"""
        return self._start_unix_s + self.time_s

    @property
    def now(self) -> datetime:
        """Site time, in the site's own zone."""
        return datetime.fromtimestamp(self.unix_s, self._zone)

    @property
    def device_ids(self) -> Sequence[str]:
        return tuple(self._rows)

    @property
    def queued(self) -> int:
        return len(self._queue)

    def device(self, name: str) -> FarmDevice:
        """Return a device by its id; ``NoSuchPoint`` if the site has none of that name."""
        try:
            group, row = self._rows[name]
        except KeyError:
            raise NoSuchPoint(f"the site {self.layout.name} has no device {name}") from None
        return FarmDevice(self, group, row)

    def __iter__(self) -> Iterator[FarmDevice]:
        return (FarmDevice(self, group, row) for group, row in self._rows.values())

    # ------------------------------------------------------------------------------------ step

    def step(self, dt_s: float) -> None:
        """Move the whole site on by ``dt_s`` seconds of site time, ``STEP_MIN_S`` to ``STEP_MAX_S``.

        Another length is refused with ``OutOfRange``, and nothing moves.
        """
        if not STEP_MIN_S <= dt_s <= STEP_MAX_S:
            raise OutOfRange(
                f"a step is {STEP_MIN_S:g} to {STEP_MAX_S:g} s long, not {dt_s:g} s: the models hold there"
            )
        self._take_queue()
        self.time_s += dt_s
        self.steps += 1
        for fault, event in self.faults.update(self.time_s):
            for observer in self.observers:
                observer.fault_changed(fault, event, self)
        self._swing = swung(self._area, self._swing, self.lost_generation_w + self.faults.lost_generation_w, dt_s)
        everywhere, light = self._surroundings(), self._light()
        self.pools.step(lambda rows: self._at(everywhere, light, rows), dt_s)
        self._show_columns()
        self._solve_feeders(dt_s)
        self.faults.report()
        self._doubt_voltages()
        for command, name, outcome in self.tracer.update(self):
            for observer in self.observers:
                observer.traced(command, name, outcome, self)
        for observer in self.observers:
            observer.stepped(self)

    def _take_queue(self) -> None:
        if not self._queue:
            return
        queue, self._queue = self._queue, []
        for device, command in queue:
            for name, value in {**command.values, **device.group.spec.with_any_command}.items():
                self.pools.write(device.group.name, name, device.row, value)
        self.pools.show_written()
        self._show_columns()
        for device, command in queue:
            self.tracer.applied(command, device, self.time_s)
            for observer in self.observers:
                observer.commanded(command, self)

    def _show_columns(self) -> None:
        for name, group in self.groups.items():
            group.columns = self.pools.seen_by(name)

    def _surroundings(self) -> dict[str, Any]:
        sky = self._weather.sun_and_air(self.unix_s)
        local = self.now
        return {
            "time_s": self.time_s,
            "unix_s": self.unix_s,
            "local_hour": local.hour + local.minute / 60.0 + (local.second + local.microsecond / 1e6) / 3600.0,
            "weekday": local.weekday(),
            "day_of_year": local.timetuple().tm_yday,
            "frequency_hz": self._frequency(),
            **{name: getattr(sky, name) for name in sky.__dataclass_fields__},
        }

    def _light(self) -> Floats:
        """Return global, direct normal and diffuse light where each device stands, ``(3, n)``. [W/m2]"""
        light = self._weather.light(self.unix_s, *self._ground)
        table = np.full((3, self.layout.device_count), np.nan)
        begin = 0
        for run in self._sunlit:
            ours = slice(begin, begin := begin + run.stop - run.start)
            table[0, run], table[1, run], table[2, run] = (
                light.ghi_w_per_m2[ours],
                light.dni_w_per_m2[ours],
                light.dhi_w_per_m2[ours],
            )
        return table

    def _frequency(self) -> float:
        area = self._area
        undisturbed = frequency_hz(self._frequency_key, self.unix_s, area.nominal_hz, area.noise)
        return undisturbed + self._swing.deviation_hz

    def _at(self, everywhere: Mapping[str, Any], light: Floats, rows: SiteRows) -> Surroundings:
        """Return the surroundings of devices by their rows in the site."""
        ghi, dni, dhi = at_rows(light, rows)
        return Surroundings(
            mains=self.network.mains.at(rows), ghi_w_per_m2=ghi, dni_w_per_m2=dni, dhi_w_per_m2=dhi, **everywhere
        )

    def _scattered(self) -> tuple[Floats, Floats]:
        """Where the devices in the light stand: metres east and north of the site's middle."""
        places = [
            scattered(
                group.layout.keys,
                key_of(self.layout.seed, "ground", group.layout.feeder),
                self.layout.weather.extent_m,
            )
            for group, _ in self._in_light()
        ]
        if not places:
            return np.zeros(0), np.zeros(0)
        east, north = (np.concatenate(side) for side in zip(*places, strict=True))
        return east, north

    def _customers(self) -> Customers:
        groups = list(self.groups.values())

        def rated(name: str) -> Floats:
            return np.concatenate([group.columns[name] for group in groups])

        return Customers(
            feeder=np.concatenate([group.feeder for group in groups]),
            branch=np.concatenate([uniform(group.layout.keys, 0, "feeder branch") for group in groups]),
            position=np.concatenate([group.position for group in groups]),
            draw_w=rated("rated_charge_power_w"),
            deliver_w=rated("rated_power_w"),
        )

    def _solve_feeders(self, dt_s: float) -> None:
        """Hand every device's power by phase to the network, and its voltages to the groups."""
        power = np.empty((2, 3, self.layout.device_count))
        for group, rows in self.placed():
            for phase in _PHASES:
                power[0, phase - 1, rows] = group.columns[f"active_power_l{phase}_w"]
                power[1, phase - 1, rows] = group.columns[f"reactive_power_l{phase}_var"]
        self.network.step(dt_s, power[0], power[1])

    def placed(self) -> Iterator[tuple[Group, slice]]:
        """Yield each group with its devices' rows in the whole site."""
        start = 0
        for group in self.groups.values():
            yield group, slice(start, start + group.size)
            start += group.size

    def _in_light(self) -> Iterator[tuple[Group, slice]]:
        for group, rows in self.placed():
            if group.spec.sunlit is not None and group.spec.sunlit(group.columns):
                yield group, rows

    def _doubt_voltages(self) -> None:
        """Mark voltages that are left from before the power flow failed: questionable, which is not topical."""
        if not self.network.questionable.any():
            return
        for group, rows in self.placed():
            doubtful = self.network.questionable[rows]
            if doubtful.any():
                for name in (q.name for q in group.spec.quantities if q.name.endswith(_VOLTAGES)):
                    marks = group.quality.setdefault(name, np.zeros(group.size, dtype=np.uint8))
                    marks[doubtful] |= np.uint8(Quality.NOT_TOPICAL)

    def _made(self, layout: GroupLayout, place: Place) -> Group:
        spec = registry.device(layout.kind)
        columns = spec.make(layout.ratings, layout.keys, place)
        missing = [q.name for q in spec.quantities if q.name not in columns]
        assert not missing, f"{spec.kind} made no column for {missing}"
        n = len(layout.devices)
        return Group(
            layout=layout,
            spec=spec,
            columns=columns,
            feeder=np.full(n, self._feeders.index(layout.feeder)),
            # Customers stand along the feeder; nobody is right at the busbar.
            position=0.05 + 0.95 * uniform(layout.keys, 0, "feeder position"),
            reported=columns,
            quality={},
            conditions={},
        )

    # ----------------------------------------------------------------------------------- write

    def _enqueue(
        self,
        device: FarmDevice,
        values: Mapping[str, float],
        limited: Mapping[str, float],
        protocol: str,
        peer: str,
        now_s: float,
    ) -> Command:
        if len(self._queue) >= QUEUE_MAX:
            raise Busy(f"{QUEUE_MAX} commands wait for the next step already")
        self._last_command += 1
        command = Command(self._last_command, device.id, values, protocol, peer, now_s, limited=limited)
        self._queue.append((device, command))
        return command

    def rows_of(self, *, kind: str = "", group: str = "", feeder: str = "", device: str = "*") -> Rows:
        """Find devices by kind, group, feeder and glob: group name -> rows, in the site's order."""
        return self.faults.rows_of(kind=kind, group=group, feeder=feeder, device=device)
