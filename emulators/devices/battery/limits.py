"""What a master lets a battery do: a window for its power, and whether it may charge from the grid.

The window is that of SunSpec model 124, as Fronius documents it ("Fronius Datamanager Modbus TCP & RTU", basic storage
control): with plus for discharge, power lies from ``-charge_limit_frac`` to ``discharge_limit_frac`` times the
reference power, each bound only while it is enabled. A negative share is a minimum the other way: a discharge limit
of -0.5 has the battery charge with half of the reference power at least.

Where the two contradict each other, a maximum goes before a minimum; of two minima each is a maximum of 0 the other
way, so they come to 0.

What a battery does follows, the first before all others,

1. what switches it off, then the power that its cells, its converter and the return from a trip allow;
2. the limit of the power to the grid, volt-watt, and the vars that go first;
3. the maxima here: the reference power, both limits, and the source it may charge from;
4. support of the frequency;
5. the minima here, while the SESP commands it;
6. the active power set-point, while the SESP commands it;
7. its own schedule.

Set-point, schedule, minima and support move by the ramp. The limits outlive the link to the SESP, as the limit of the
power to the grid does, and as that one they need an identified SESP; reference power and source are the battery's own
settings.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, everything, nothing
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.devices import easing

_LIMITS: Final = ("charge_limit", "discharge_limit")
_TIMES: Final = "charge_discharge_limits"


class Window(NamedTuple):
    """Where the power of batteries has to lie, plus discharges: ``(n,)`` each, infinite where nothing bounds it. [W]"""

    min_w: Floats
    max_w: Floats
    """What they are asked for is brought to between these two."""
    charge_max_w: Floats
    discharge_max_w: Floats
    """The maxima alone, both >= 0: what nothing that goes behind them exceeds."""


def at_rest(n: int) -> Columns:
    """Return the columns of limits that are not in force."""
    charge, discharge = (easing.at_rest(name, everything(n)) for name in _LIMITS)
    return charge | discharge


def ease(new: Columns, dt_s: float) -> None:
    """Update the limits in force, as shares of the reference power, in the step's own columns; 1 where none is."""
    for name in _LIMITS:
        share = everything(len(new["identified"]))
        if new[f"{name}_enabled"] is not nothing(len(share)):
            share = np.where(_kept(new, name), new[f"{name}_frac"], share)
        easing.follow(new, name, share, dt_s, times=_TIMES)


def ahead(battery: Seen, dt_s: float) -> Seen:
    """Return the columns of batteries with the limits that come into force in their next step."""
    if not any(anywhere(battery[f"{name}_enabled"]) for name in _LIMITS):
        return battery
    new = dict(battery)
    ease(new, dt_s)
    return new


def _kept(battery: Seen, name: str) -> Bools:
    return np.asarray(battery[f"{name}_enabled"] * battery["identified"] > 0.0)


def window(battery: Seen, remote: Floats) -> Window | None:
    """Return the window of batteries; ``None`` where none has one. ``remote`` is 1 where the SESP commands them."""
    reference_w = battery["reference_power_w"]
    charge, discharge = (easing.in_force(battery, name) for name in _LIMITS)
    kept = [_kept(battery, name) | (share < 1.0) for name, share in zip(_LIMITS, (charge, discharge), strict=True)]
    if not any(map(anywhere, kept)) and not anywhere(reference_w < battery["rated_charge_power_w"]):
        return None
    low = np.where(kept[0], -charge * reference_w, -np.inf)
    high = np.where(kept[1], discharge * reference_w, np.inf)
    commanded = remote > 0.0
    return Window(
        np.where(commanded, low, np.minimum(low, 0.0)),
        np.where(commanded, high, np.maximum(high, 0.0)),
        np.minimum(np.maximum(-low, 0.0), reference_w),
        np.maximum(high, 0.0),
    )


def by_source(battery: Seen, charge_w: Floats) -> Floats:
    """Return what batteries may draw of ``charge_w`` [W]: without the grid, what PV delivers behind their connection.

    A battery by itself has none there, so all that it draws is from the grid.
    """
    allowed = battery["grid_charging_allowed"]
    if allowed is everything(len(allowed)):
        return charge_w
    return np.where(allowed > 0.0, charge_w, np.minimum(charge_w, battery["own_generation_w"]))
