"""Modes: what a master asks of a device, how fast it comes into force, and when it goes by itself.

A mode is one or more switches with set-points. A master that asks for one can spread the change: within a ``window`` it
begins at random, so that not all devices move at once, and it takes a ``ramp``. And it can ask for a time only: the
mode reverts when the master has not renewed it for the ``reversion`` time, for that watches over a living master.
The functions of SunSpec models 123, 124 and 704 and of IEEE 1815.2 are modes of this kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.quantities.quantity import Quantity, Role

TIME_MAX_S: Final = 604_800.0


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A mode by its name, its quantities, and what each becomes when it reverts.

    ``reverts`` gives for a switch or set-point the quantity that holds its value then, or the value itself. A set-point
    that is not in it keeps its value.
    """

    name: str
    switches: tuple[str, ...]
    setpoints: tuple[str, ...] = ()
    reverts: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def reversion(self) -> str:
        """The quantity that holds the time after which it reverts."""
        return f"{self.name}_reversion_s"

    @property
    def remaining(self) -> str:
        """The quantity that shows the time left of it."""
        return f"{self.name}_reversion_remaining_s"

    @property
    def renewed_by(self) -> tuple[str, ...]:
        """Quantities of which a write starts the time anew."""
        return (*self.switches, *self.setpoints, self.reversion)

    def of(self, resource: Resource) -> Mode:
        """Return the mode of a resource, by the names it has at the compound device."""
        reverts = {
            resource.of(name): resource.of(to) if isinstance(to, str) else to for name, to in self.reverts.items()
        }
        return replace(
            self,
            name=resource.of(self.name),
            switches=tuple(map(resource.of, self.switches)),
            setpoints=tuple(map(resource.of, self.setpoints)),
            reverts=reverts,
        )


def _with_values(name: str, setpoint: str, reverted: str) -> Mode:
    switch = f"{name}_enabled"
    return Mode(name, (switch,), (setpoint,), {switch: f"{name}_reverted_enabled", setpoint: reverted})


LIMIT: Final = _with_values("active_power_limit", "active_power_limit_frac", "active_power_limit_reverted_frac")
ACTIVE: Final = _with_values("active_power_setpoint", "active_power_setpoint_w", "active_power_setpoint_reverted_w")
REACTIVE: Final = _with_values(
    "reactive_power_setpoint", "reactive_power_setpoint_var", "reactive_power_setpoint_reverted_var"
)
FACTOR: Final = _with_values("power_factor_setpoint", "power_factor_setpoint", "power_factor_setpoint_reverted")
CONNECTION: Final = Mode("grid_switch", ("grid_switch",), reverts={"grid_switch": 1.0})
CHARGE_DISCHARGE: Final = Mode(
    "charge_discharge_limits",
    ("charge_limit_enabled", "discharge_limit_enabled"),
    ("charge_limit_frac", "discharge_limit_frac"),
    {"charge_limit_enabled": 0.0, "discharge_limit_enabled": 0.0},
)

MODES: Final = (LIMIT, ACTIVE, REACTIVE, FACTOR, CONNECTION, CHARGE_DISCHARGE)

REVERTED: Final[Mapping[str, str]] = {
    to: name for mode in MODES for name, to in mode.reverts.items() if isinstance(to, str) and name in mode.setpoints
}
"""What a set-point becomes -> the set-point, whose bounds it has."""


def _time(name: str, doc: str) -> Quantity:
    return Quantity(name, "s", Role.SETPOINT, doc, 0.0, TIME_MAX_S)


def _window(mode: Mode, what: str) -> Quantity:
    return _time(f"{mode.name}_window_s", f"A change of {what} begins at random within this time; 0 is at once")


def _ramp(mode: Mode, what: str) -> Quantity:
    return _time(f"{mode.name}_ramp_s", f"A change of {what} takes this time; 0 is at once")


def _reversion(mode: Mode, what: str) -> tuple[Quantity, Quantity]:
    return (
        _time(mode.reversion, f"Wall time to the reversion of {what}, which a write starts anew; 0 is never"),
        Quantity(
            mode.remaining, "s", Role.STATE, f"Wall time left to the reversion of {what}; 0 is none", 0.0, TIME_MAX_S
        ),
    )


def _reverted(mode: Mode, what: str, unit: str, low: float, high: float) -> tuple[Quantity, Quantity]:
    (setpoint,) = mode.setpoints
    return (
        Quantity(str(mode.reverts[setpoint]), unit, Role.SETPOINT, f"What {what} reverts to", low, high),
        Quantity(
            f"{mode.name}_reverted_enabled", "bool", Role.SETPOINT, f"Follow {what} after it has reverted", 0.0, 1.0
        ),
    )


_INF: Final = float("inf")
QUANTITIES: Final = (  # of every controllable device
    _window(LIMIT, "the active power limit"),
    _ramp(LIMIT, "the active power limit"),
    *_reversion(LIMIT, "the active power limit"),
    *_reverted(LIMIT, "the active power limit", "1", 0.0, 1.0),
    *_reversion(ACTIVE, "the active power set-point"),
    *_reverted(ACTIVE, "the active power set-point", "W", -_INF, _INF),
    *_reversion(REACTIVE, "the reactive power set-point"),
    *_reverted(REACTIVE, "the reactive power set-point", "var", -_INF, _INF),
    _window(FACTOR, "the power factor set-point"),
    _ramp(FACTOR, "the power factor set-point"),
    *_reversion(FACTOR, "the power factor set-point"),
    *_reverted(FACTOR, "the power factor set-point", "1", -1.0, 1.0),
    _window(CONNECTION, "the switch at the connection point"),
    *_reversion(CONNECTION, "the switch at the connection point"),
)
OF_STORAGE: Final = (
    _window(CHARGE_DISCHARGE, "the charge and discharge limits"),
    _ramp(CHARGE_DISCHARGE, "the charge and discharge limits"),
    *_reversion(CHARGE_DISCHARGE, "the charge and discharge limits"),
)


def modes_of(names: frozenset[str], resources: tuple[Resource, ...]) -> Iterator[Mode]:
    """Yield the modes of a kind with these quantities, its resources' too."""
    for mode in MODES:
        for each in (mode, *map(mode.of, resources)):
            if each.reversion in names:
                yield each
