"""What device faults do to every kind: it is off, its switch sticks, or its identification is refused.

Such a fault sets columns that are no quantity's and ``nothing`` without it. What it shows as a state that else would
stay, such as a trip, is remembered apart, so that it ends with the fault.
"""

from __future__ import annotations

from functools import reduce
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, flags, is_nothing, nothing
from pilotfarm.emulators.devices import easing

FAULTS: Final = (
    "trip_forced",  # off while it is set
    "lock_out_forced",  # a cause to trip, which stays until it is reset
    "switch_welded",  # the switch at the connection point does not open
    "switch_blocked",  # nor close
    "identification_refused",
    "ignores",  # 1: set-points are not followed, 2: nor are commands (``farm.following``)
    "following_s",  # how long it takes to follow a set-point
    "trouble",  # something is wrong that has no alarm of its own
)
"""Columns that faults set, 1 where nothing else is said."""
_MEANWHILE: Final = ("tripped_meanwhile", "refused_meanwhile")
"""Where it is tripped, and its identification refused, by a fault alone."""


def at_rest(n: int) -> Columns:
    """Return the columns of devices without a fault."""
    return dict.fromkeys((*FAULTS, *_MEANWHILE), nothing(n))


def identify(new: Columns) -> Bools | None:
    """Update where the identification is refused, in the step's own columns; return where it is accepted.

    ``None`` stands for everywhere. What a fault refuses is accepted after it, and the rest once it is cleared.
    """
    none, refused = nothing(len(new["started"])), new["identification_refused"]
    if is_nothing(new["identification_failed"], refused):
        return None
    failed = new["identification_failed"] > new["refused_meanwhile"]
    failed &= ~(new["identification_clear"] > 0.0)
    new["refused_meanwhile"] = none
    if refused is not none:
        new["refused_meanwhile"] = flags((refused > 0.0) & ~failed)
        failed |= refused > 0.0
    new["identification_failed"] = flags(failed)
    return ~failed


def switched(new: Columns, obeys: Bools | None, dt_s: float) -> Floats:
    """Return where the switch at the connection point is closed, and ease it in the step's own columns.

    It follows ``grid_switch`` where the device obeys, ``None`` being everywhere, and where it does not stick.
    """
    closed = new["grid_switch"]
    if "grid_switch_window_s" in new:
        closed = easing.follow(new, "grid_switch", closed, dt_s)
    if obeys is not None:
        closed = np.where(obeys, closed, new["grid_switch_closed"])
    return stuck(new, closed)


def stuck(new: Columns, closed: Floats) -> Floats:
    """Return where a switch is closed that ought to be ``closed``: not where it sticks."""
    before, none = new["grid_switch_closed"], nothing(len(closed))
    if new["switch_welded"] is not none:
        closed = np.where(new["switch_welded"] > 0.0, np.maximum(closed, before), closed)
    if new["switch_blocked"] is not none:
        closed = np.where(new["switch_blocked"] > 0.0, np.minimum(closed, before), closed)
    return closed


def tripped(new: Columns, trip: Floats, own_trip: Floats, keeps_off: Floats | None) -> Floats:
    """Return where a device is tripped, by a fault too; note in the step's own columns where by that alone.

    ``trip`` is where it is anyway, ``own_trip`` where it stays so until it is reset, ``keeps_off`` where its kind has
    a reason of its own for as long as a fault stands.
    """
    none = nothing(len(trip))
    named = (new[name] for name in ("trip_forced", "blind") if name in new)
    causes = [each for each in (*named, keeps_off) if each is not None and each is not none]
    new["tripped_meanwhile"] = none
    if not causes:
        return trip
    off = reduce(np.maximum, causes) > 0.0
    new["tripped_meanwhile"] = flags(off & (own_trip == 0.0))
    return flags(off | (trip > 0.0))


def locked_out(columns: Columns, trip_cause: Bools | None) -> Bools | None:
    """Return where a reason to trip stands, with those that a fault gives; ``None`` is nowhere."""
    locks = columns["lock_out_forced"]
    if is_nothing(locks):
        return trip_cause
    return locks > 0.0 if trip_cause is None else trip_cause | (locks > 0.0)
