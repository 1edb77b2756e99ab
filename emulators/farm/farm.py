"""A whole site: what was queued is taken, the physics steps, and what is reported is made of what is true.

A step takes the commands that wait, moves every pool's physics, solves the feeders for the next step's
voltages, and lets the active faults turn true columns into reported ones. Nothing here has a clock
or a socket. Between two steps only set-points change for who reads: they show what devices have accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.farm import supply
from pilotfarm.emulators.farm.clocks import Clocks
from pilotfarm.emulators.farm.commands import OWN, Commands, Waiting, given
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.faultboard import FaultBoard
from pilotfarm.emulators.farm.memory import memories
from pilotfarm.emulators.farm.observer import Moment, Observer
from pilotfarm.emulators.farm.pools import Pools
from pilotfarm.emulators.farm.population import Group, Population
from pilotfarm.emulators.farm.reversions import Reversions, Running, reverted
from pilotfarm.emulators.farm.tracing import Tracer
from pilotfarm.emulators.farm.world import World
from pilotfarm.emulators.grid.network import Network
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.layout import SiteLayout

STEP_MIN_S: Final = 0.1
STEP_MAX_S: Final = 900.0
"""Longest step the models hold for: a quarter of an hour, in which sun, loads and sessions move once."""
WARM_UP_S: Final = 1.0
"""Length of the one step taken before anybody looks or connects, so that nobody reads an unlived device."""


Cell: TypeAlias = tuple[str, str, int, float]
"""Group, quantity, row and value."""


class Farm:
    """A site, stepped by whoever paces it."""

    def __init__(self, layout: SiteLayout) -> None:
        self.layout = layout
        self.time_s = 0.0
        self.steps = 0
        self.observers: list[Observer] = []
        self.lost_generation_w = 0.0
        """Generation missing in the area as of the next step, faults' apart (minus: load), for its frequency. [W]"""
        self.population = Population(layout)
        self.world = World(layout, self.population)
        self.pools = Pools({group.name: (group.spec, group.columns) for group in self.population})
        self.commands = Commands()
        self.reversions = Reversions(self.population)
        self._wall_s: float | None = None
        self.tracer = Tracer()
        self.network = Network(tuple(layout.feeders.values()), layout.grid, supply.customers(layout, self.population))
        supply.name_branches(self.network, self.population)
        self.clocks = Clocks(layout, self.population)
        self.faults = FaultBoard(self.population, self.network, self.clocks)
        supply.solve(self.network, self.population, 0.0)
        self.memories = memories(self.population, self.unix_s, self.world.zone)

    # ------------------------------------------------------------------------------------ read

    @property
    def moment(self) -> Moment:
        return Moment(self.time_s, self.unix_s, self.world.zone)

    @property
    def unix_s(self) -> float:
        """Site time on the UTC scale. [s since 1970]"""
        return self.world.unix_s(self.time_s)

    @property
    def wall_s(self) -> float:
        """When the last step was taken, in wall time. [s since 1970]"""
        return self.unix_s if self._wall_s is None else self._wall_s

    @property
    def now(self) -> datetime:
        """Site time, in the site's own zone."""
        return self.moment.local

    @property
    def groups(self) -> Mapping[str, Group]:
        return self.population.groups

    def device(self, name: str) -> FarmDevice:
        """Return a device by its id; ``NoSuchPoint`` if the site has none of that name."""
        return FarmDevice(self.commands, *self.population.find(name))

    def __iter__(self) -> Iterator[FarmDevice]:
        return (self.device(name) for name in self.population.devices)

    # ------------------------------------------------------------------------------------ step

    def step(self, dt_s: float, now_s: float | None = None) -> None:
        """Move the whole site on by ``dt_s`` seconds of site time, ``STEP_MIN_S`` to ``STEP_MAX_S``.

        Another length is refused with ``OutOfRange``, and nothing moves. ``now_s`` is the wall time [s since 1970 UTC];
        without one it goes with the site's.
        """
        if not STEP_MIN_S <= dt_s <= STEP_MAX_S:
            raise OutOfRange(
                f"a step is {STEP_MIN_S:g} to {STEP_MAX_S:g} s long, not {dt_s:g} s: the models hold there"
            )
        self._take_commands(self.unix_s if now_s is None else now_s)
        self.time_s += dt_s
        self.steps += 1
        moment = self.moment
        for fault, event in self.faults.update(self.time_s):
            for observer in self.observers:
                observer.fault_changed(fault, event, moment)
        self.world.swing(self.lost_generation_w + self.faults.lost_generation_w, dt_s)
        self.world.frequency_offset_hz = self.faults.frequency_offset_hz
        self.world.changes = self.faults.changes()
        for written in self.faults.columns():
            self.pools.put(*written)
        self.pools.step(self.world.at(self.time_s, dt_s, self.network.mains), dt_s)
        self._show_columns()
        supply.solve(self.network, self.population, dt_s)
        self._keep(moment.unix_s, dt_s)
        self.faults.report()
        supply.doubt_voltages(self.network, self.population)
        for command, name, outcome in self.tracer.update(self.time_s):
            for observer in self.observers:
                observer.traced(command, name, outcome, moment)
        for observer in self.observers:
            observer.stepped(moment)

    def _keep(self, unix_s: float, dt_s: float) -> None:
        """Let meters with a memory keep what the step has brought, and show the records that masters select."""
        for memory in self.memories.values():
            memory.step(unix_s, dt_s)
            self._write(list(memory.shown()))
        if self.memories:
            self._show_columns()

    def _take_commands(self, now_s: float) -> None:
        if self._wall_s is not None:
            self.reversions.pass_time(max(now_s - self._wall_s, 0.0))
        self._wall_s = now_s
        taken = self.commands.take()
        self._take(taken)
        for group, row, command in taken:
            self.reversions.renew(group, row, command.values)
        # A mode that a command has just renewed is not due.
        self._take([self._reversion(running, now_s) for running in self.reversions.due()])
        self._write(list(self.reversions.remaining()))

    def _reversion(self, running: Running, now_s: float) -> Waiting:
        group = self.groups[running.group]
        return self.commands.own(group, running.row, reverted(group, running.row, running.mode), now_s)

    def _take(self, taken: Sequence[Waiting]) -> None:
        """Let devices have commands."""
        if not taken:
            return
        for group in self.population:
            group.told = {}
        self._write(
            [
                (group.name, name, row, value)
                for group, row, command in taken
                for name, value in self._values_of(group, command).items()
            ]
        )
        self._show_columns()
        moment = self.moment
        for group, row, command in taken:
            self.tracer.applied(command, group, row, self.time_s)
            for observer in self.observers:
                observer.commanded(command, moment)

    def _values_of(self, group: Group, command: Command) -> dict[str, float]:
        """Return what a command puts in a device's columns; its own and its customer's are no sign of the SESP."""
        own = command.protocol == OWN or all(quantity(name).on_site for name in command.values)
        return given(command.values) | ({} if own else dict(group.spec.with_any_command))

    def _write(self, cells: Sequence[Cell]) -> None:
        for group, name, row, value in cells:
            self.pools.write(group, name, row, value)
        if cells:
            self.pools.show_written()

    def _show_columns(self) -> None:
        for group in self.population:
            group.columns = self.pools.seen_by(group.name)
