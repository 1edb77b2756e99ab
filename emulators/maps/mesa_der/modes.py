"""The modes of IEEE 1815.2 in the order of its tables, and what a device has behind each.

Mode k is switched on at BO12 + k; BI31 + k says whether it is supported, BI64 + k whether it is on. An outstation
that says a mode is not supported has none of its points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_ENABLE: Final = 12
FIRST_SUPPORTED: Final = 31
FIRST_ENABLED: Final = 64


@dataclass(frozen=True, slots=True)
class Mode:
    """``switch`` is the set-point that switches it on; where there is none, ``why`` says why not."""

    name: str
    switch: str = ""
    mirrors: tuple[int, ...] = ()
    """Analog inputs that are online only while it is on."""
    why: str = ""


_PROTECTION: Final = "the grid code's protection always watches, and no master changes its curves"
_NO_MODEL: Final = "no device has it"
_NO_OTHER_METER: Final = "a device knows its own connection point and no other meter"
_NO_CURVES: Final = "no master writes curves; the curve of the grid code is followed"

MODES: Final = (
    Mode("voltage ride-through", why=_PROTECTION),
    Mode("frequency ride-through", why=_PROTECTION),
    Mode("dynamic reactive current support", why=_NO_MODEL),
    Mode("dynamic volt-watt", why=_NO_MODEL),
    Mode("frequency-watt droop", "frequency_support_enabled"),
    Mode("active power limit", "active_power_limit_enabled", (143, 144, 145, 148, 149, 619, 620)),
    Mode("charge/discharge", "active_power_setpoint_enabled", (153, 154, 618)),
    Mode("coordinated charge/discharge", why=_NO_MODEL),
    Mode("peak power limiting", why=_NO_OTHER_METER),
    Mode("load following", why=_NO_OTHER_METER),
    Mode("generation following", why=_NO_OTHER_METER),
    Mode("automatic generation control", why=_NO_MODEL),
    Mode("active power smoothing", why=_NO_MODEL),
    Mode("volt-watt", why="it comes with volt-var where the grid code has it, and has no switch of its own"),
    Mode("frequency-watt curve", why=_NO_CURVES),
    Mode("constant vars", "reactive_power_setpoint_enabled", (280, 281, 621)),
    Mode("constant power factor", "power_factor_setpoint_enabled", (285, 286, 287, 288, 289)),
    Mode("volt-var", "volt_var_enabled"),
    Mode("watt-var", why=_NO_MODEL),
    Mode("power factor correction", why=_NO_OTHER_METER),
    Mode("pricing", why="a device is told powers and no prices"),
)
assert all(bool(mode.switch) != bool(mode.why) for mode in MODES)

MIRRORS: Final = {index: mode.switch for mode in MODES for index in mode.mirrors}
"""Analog input -> the switch of its mode."""
SWITCHES: Final = {
    mode.switch: (FIRST_ENABLE + number, FIRST_ENABLED + number) for number, mode in enumerate(MODES) if mode.switch
}
"""Switch of a mode -> the binary output that sets it and the binary input that shows it."""
