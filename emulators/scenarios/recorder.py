"""Keeps what happens to a farm, so that a scenario can do it again: faults that take hold and are cleared, commands.

It observes the farm's steps, so that it knows between which two each thing was done, whoever did it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.commands import OWN
from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm
from pilotfarm.emulators.farm.fault import ACTIVE, Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.scenarios.engine import PROTOCOL
from pilotfarm.emulators.scenarios.model import STEPS_MAX
from pilotfarm.emulators.scenarios.watching import SOON_S
from pilotfarm.emulators.scenarios.words import SECONDS_MAX

NOTES_MAX: Final = STEPS_MAX - 1
"""Maximum number of things kept: a phase's steps, and one that waits until the session's end."""
VALUES_MAX: Final = 50_000
"""Maximum number of values of commands kept."""
LENGTH_MAX_S: Final = SECONDS_MAX - 2 * 86_400.0
"""Longest time from the site's start on that is kept: a scenario's limit is a little later."""
OPERATORS: Final = ("rest", PROTOCOL)
"""Protocols of commands that are no master's."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault that took hold."""

    at_s: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Mended:
    """Faults that were cleared."""

    at_s: float
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Told:
    """What devices were told by one of their masters, or over REST, between two steps; ``whom`` says by which."""

    at_s: float
    whom: tuple[str, str]
    devices: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Paced:
    """A step of another length than the one before it."""

    at_s: float
    step_s: float


Note: TypeAlias = Broken | Mended | Told | Paced


class Recorder:
    """What is done to a farm from now on; faults that stand already are kept as of when they took hold.

    Times are seconds since a scenario on that farm would have begun: since its first step. ``masters``: whether what
    masters write is kept, too. Nothing more is kept once one of the bounds is reached, and ``full`` says so.
    """

    def __init__(self, farm: Farm, step_s: float, *, masters: bool = False) -> None:
        self.farm = farm
        self.masters = masters
        self.step_s = step_s
        self.began = farm.now
        self.began_s = self.now_s = farm.time_s - WARM_UP_S
        self.notes: list[Note] = []
        self.full = False
        self._dt_s = step_s
        self._values = 0
        self._kept: set[int] = set()
        for fault in farm.faults:
            if fault.state == ACTIVE:
                self._broken(max(fault.start_s - WARM_UP_S - step_s, 0.0), fault)

    # ------------------------------------------------------------------------------- observing

    def stepped(self, moment: Moment) -> None:
        now_s = moment.time_s - WARM_UP_S
        dt_s = now_s - self.now_s
        if abs(dt_s - self._dt_s) > SOON_S:
            self._note(Paced(self.now_s, dt_s))
        self._dt_s, self.now_s = dt_s, now_s

    def commanded(self, command: Command, moment: Moment) -> None:
        if command.protocol == OWN or not (self.masters or command.protocol in OPERATORS):
            return
        values = self._asked(command)
        whom = (command.protocol, command.peer)
        self._values += len(values)
        self.full |= self._values > VALUES_MAX
        last = self.notes[-1] if self.notes else None
        together = isinstance(last, Told) and (last.at_s, last.whom) == (self.now_s, whom)
        if isinstance(last, Told) and together and command.device not in last.devices and not self.full:
            last.devices[command.device] = values
        else:
            self._note(Told(self.now_s, whom, {command.device: values}))

    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None: ...

    def fault_changed(self, fault: Fault, event: str, moment: Moment) -> None:
        cleared = event == "ended" and moment.time_s < fault.end_s and not fault.bites.spent
        if event == "began":
            self._broken(self.now_s, fault)
        elif cleared and fault.id not in self._kept and fault.start_s <= moment.time_s:
            # It was put and cleared between two steps: it did nothing, and has its number.
            self._broken(self.now_s, fault)
        if cleared and fault.id in self._kept:
            self._mended(fault)

    # --------------------------------------------------------------------------------- keeping

    def _broken(self, at_s: float, fault: Fault) -> None:
        if self._note(Broken(at_s, fault)):
            self._kept.add(fault.id)

    def _mended(self, fault: Fault) -> None:
        last = next((note for note in reversed(self.notes) if isinstance(note, Mended)), None)
        if last is not None and last.at_s == self.now_s:
            last.faults.append(fault)
        else:
            self._note(Mended(self.now_s, [fault]))

    def _note(self, note: Note) -> bool:
        self.full |= len(self.notes) >= NOTES_MAX or note.at_s > LENGTH_MAX_S
        if not self.full:
            self.notes.append(note)
        return not self.full

    def _asked(self, command: Command) -> dict[str, float]:
        """Return what to tell a device so that it comes to the same.

        A scenario switches on what a set-point has to switch it on, as REST does. A master's write may leave the switch
        alone: then it is told to stay as it is.
        """
        device = self.farm.device(command.device)
        values = dict(command.values)
        for name in command.values:
            switch = quantity(name).enables if quantity(name).role is Role.SETPOINT else ""
            if command.values.get(switch) == 1.0:
                values.pop(switch, None)
            elif switch in device.group.writable and switch not in values:
                values[switch] = float(device.group.columns[switch][device.row])
        return values
