"""What can be read from a device or written to it: the kinds of quantities there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf


class Role(StrEnum):
    """What a quantity is for; protocols choose object types and classes by it."""

    MEASUREMENT = "measurement"
    TOTAL = "total"  # an energy register: never falls
    STATE = "state"  # on or off, or an enumeration
    ALARM = "alarm"
    RATING = "rating"  # on the nameplate; does not change
    SETPOINT = "setpoint"  # stays until written again
    COMMAND = "command"  # a pulse: acts in the next step and falls back to 0


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that can be read from a device, or written to it.

    ``min`` and ``max`` bound what any device may hold or be given, in ``unit``; a kind narrows them
    by its ratings (``DeviceSpec.limits``). ``enables`` names the switch that a plain write of this
    set-point also closes, for protocols that have no separate enable (IEC 104, REST). ``puts`` is the state a
    command leaves behind where it is followed, with its value: of two commands that put the same state, the later one
    holds. ``permitted_by`` names the switch without which a command is refused. ``on_site`` is what somebody does at
    the device: no sign of the SESP, and followed whoever operates it.
    """

    name: str
    unit: str
    role: Role
    doc: str
    min: float = -inf
    max: float = inf
    enables: str = ""
    puts: tuple[str, float] | None = None
    permitted_by: str = ""
    on_site: bool = False

    @property
    def is_binary(self) -> bool:
        """Whether the value is only ever 0 or 1 (``unit`` is ``bool``)."""
        return self.unit == "bool"

    @property
    def writable(self) -> bool:
        return self.role in (Role.SETPOINT, Role.COMMAND)


def flag(name: str, role: Role, doc: str, *, on_site: bool = False) -> Quantity:
    """Return a quantity that is 0 or 1."""
    return Quantity(name, "bool", role, doc, 0.0, 1.0, on_site=on_site)
