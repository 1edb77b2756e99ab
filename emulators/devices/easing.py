"""How a change that a master asks for comes into force: at once, or at random within a window and over a ramp.

An eased value has two set-points, ``<name>_window_s`` and ``<name>_ramp_s`` (SunSpec 123, WinTms and RmpTms), both in
site time, and columns that are no quantity's: ``<name>_in_force``, ``<name>_aimed`` (what it moves to),
``<name>_wait_s`` (until it moves), ``<name>_pace_per_s`` and ``<name>_changes`` (how often it was told something new).
"""

from __future__ import annotations

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, is_nothing, nothing
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.devices.keys import keys_in
from pilotfarm.profiles import draws

_IN_FORCE, _AIMED = "{}_in_force", "{}_aimed"
_WAIT, _PACE, _CHANGES = "{}_wait_s", "{}_pace_per_s", "{}_changes"


def at_rest(name: str, value: Floats) -> Columns:
    """Return the columns of an eased value that is in force."""
    none = nothing(len(value))
    rest = dict.fromkeys((each.format(name) for each in (_WAIT, _PACE, _CHANGES)), none)
    return {_IN_FORCE.format(name): value, _AIMED.format(name): value, **rest}


def in_force(columns: Seen, name: str) -> Floats:
    return columns[_IN_FORCE.format(name)]


def is_eased(columns: Seen, name: str) -> bool:
    """Whether a master has set a window or a ramp anywhere."""
    return not is_nothing(*(columns[each] for each in _times(name) if each in columns))


def follow(new: Columns, name: str, target: Floats, dt_s: float, times: str = "") -> Floats:
    """Return what is in force at the end of a step, in whose own columns it is kept.

    Its window and ramp have the value's own name, or that of ``times``, where several values share them. Each
    change of ``target`` waits anew and moves to it at an even pace from what is in force when it is asked for.
    """
    none = nothing(len(target))
    if not is_eased(new, times or name):
        new.update(at_rest(name, target))
        return target
    window, ramp = (new.get(each, none) for each in _times(times or name))
    eased = (window > 0.0) | (ramp > 0.0)
    before, changed = in_force(new, name), target != new[_AIMED.format(name)]
    changes = (new[_CHANGES.format(name)] + changed) * eased
    wait = np.where(changed, window * draws.uniform(keys_in(new), changes, name), new[_WAIT.format(name)]) * eased
    pace = np.divide(np.abs(target - before), ramp, out=np.full_like(ramp, np.inf), where=ramp > 0.0)
    pace = np.where(eased, np.where(changed, pace, new[_PACE.format(name)]), 0.0)
    runs_s = np.clip(dt_s - wait, 0.0, dt_s)
    moves = np.multiply(pace, runs_s, out=np.zeros_like(pace), where=runs_s > 0.0)
    after: Floats = np.where(eased, np.maximum(np.minimum(target, before + moves), before - moves), target)
    new |= {
        _IN_FORCE.format(name): after,
        _AIMED.format(name): target,
        _WAIT.format(name): np.maximum(wait - dt_s, 0.0),
        _PACE.format(name): pace,
        _CHANGES.format(name): changes,
    }
    return after


def _times(name: str) -> tuple[str, str]:
    return f"{name}_window_s", f"{name}_ramp_s"
