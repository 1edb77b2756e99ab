"""Households' appliances, switched on and off at moments of their own, and what they draw in a step.

What is switched on in which slot of 5 min is a function of the home's key and the slot (``profiles.load``),
and what a step draws is the mean over its length, so the same uses come to the same energy whatever the
steps are. A home is looked at only in the steps in which something of it changes.

Columns kept, none a quantity's; times in seconds since 1970 UTC:

``use_begins_s``, ``use_ends_s``, ``use_phase`` : ``(n, classes)``, the last use drawn of each appliance;
``use_power_w``, ``use_rate`` : ``(n, classes)``, and ``habit_h``, ``standby_w``, ``fridge_w``, ``beyond_w``,
all as in ``load.Homes``;
``use_now`` : ``(n, 6)``, what is drawn on each phase now, three of W and three of var;
``use_slot``, ``use_next_s`` : the last slot drawn, and when something changes next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from emulators.contracts import Keys, Surroundings
from emulators.encoding import Columns, Floats, anywhere
from profiles import draws, load

FRIDGE_VARS_PER_WATT: Final = 0.6
_FRIDGE_DUTY: Final = 0.4
_FRIDGE_PERIOD_S: Final = (2_400.0, 4_200.0)
_MOST_SLOTS: Final = int(load.LONGEST_S / load.SLOT_S) + 1
"""How many slots back a use may have begun that still runs; more are not drawn."""
_OFFSET_S: Final = 10.0
_PHASES: Final = np.arange(3.0)[:, None, None]
_WATTS_AND_VARS: Final = np.stack([np.ones_like(load.VARS_PER_WATT), load.VARS_PER_WATT], axis=1)
"""Of each watt of a use, ``(classes, 2)``."""
_OF_A_HOME: Final = (
    *("use_begins_s", "use_ends_s", "use_phase", "use_power_w", "use_rate", "use_slot"),
    *("habit_h", "standby_w", "fridge_w", "beyond_w", "fridge_period_s", "slot_offset_s", "vars_per_watt"),
    *("share_l1", "share_l2", "share_l3", "key_high", "key_low"),
)


def begun(keys: Keys, annual_energy_wh: Floats, phases: Floats, phase: Floats) -> Columns:
    """Return the columns of ``n`` households before their first step; ``phase`` is a single-phase home's."""
    n, classes = len(keys), len(load.APPLIANCES)
    homes = load.homes(keys, annual_energy_wh)
    wired = np.floor(3.0 * draws.uniform(keys[:, None], np.arange(classes), "appliance phase"))
    low, high = _FRIDGE_PERIOD_S
    return {
        "use_begins_s": np.zeros((n, classes)),
        "use_ends_s": np.zeros((n, classes)),
        "use_phase": np.where((phases >= 2.0)[:, None], wired, phase[:, None]),
        "use_power_w": homes.use_power_w,
        "use_rate": homes.use_rate,
        "use_now": np.zeros((n, 6)),
        "use_slot": np.full(n, -1.0),
        "use_next_s": np.zeros(n),
        "habit_h": homes.habit_h,
        "standby_w": homes.standby_w,
        "fridge_w": homes.fridge_w,
        "beyond_w": homes.beyond_w,
        "fridge_period_s": low + (high - low) * draws.uniform(keys, 0, "fridge"),
        # Homes' slots begin at different moments, so that a step looks at its share of them.
        "slot_offset_s": _OFFSET_S * np.floor(load.SLOT_S / _OFFSET_S * draws.uniform(keys, 0, "slot offset")),
        "vars_per_watt": 0.1 + 0.25 * draws.uniform(keys, 0, "vars"),
    }


def drawn(
    new: Columns, keys_in: Callable[[Columns], Keys], surroundings: Surroundings, dt_s: float
) -> tuple[Floats, Floats]:
    """Return what the households draw in a step [W, var], both ``(3, n)`` by phase, the mean over it.

    Brings the columns of ``begun`` up to the step's end in the step's own columns. ``keys_in`` reads
    homes' keys out of their columns.
    """
    power = new["use_now"].T.copy()
    rows = (new["use_next_s"] <= surroundings.unix_s).nonzero()[0]
    if len(rows):
        homes = {name: new[name].take(rows, axis=0) for name in _OF_A_HOME}
        slot = homes["use_slot"]
        power[:, rows], now, next_s = _moved(homes, keys_in, surroundings, dt_s)
        after = {"use_now": now.T, "use_next_s": next_s}
        if homes["use_slot"] is not slot:
            after |= {name: homes[name] for name in ("use_begins_s", "use_ends_s", "use_slot")}
        for name, values in after.items():
            new[name] = new[name].copy()
            new[name][rows] = values
    return power[:3], power[3:]


def _moved(
    homes: Columns, keys_in: Callable[[Columns], Keys], surroundings: Surroundings, dt_s: float
) -> tuple[Floats, Floats, Floats]:
    """Move homes to a step's end, in their own columns.

    Returns their mean and their last powers by phase, each ``(6, n)``: three of W and three of var; and when
    something changes next.
    """
    end_s = surroundings.unix_s
    # Each home's own clock at the step's start and end, by which its slots and its fridge go.
    clocks_s = np.array([[end_s - dt_s], [end_s]]) + homes["slot_offset_s"]
    first, latest = np.floor(clocks_s / load.SLOT_S)
    run_s = _overlap(homes["use_begins_s"], homes["use_ends_s"], end_s - dt_s, end_s)
    _switch_on(homes, keys_in, surroundings, dt_s, first, latest, run_s)
    begins_s, ends_s = homes["use_begins_s"], homes["use_ends_s"]
    begun_by_now, ended_by_now = begins_s <= end_s, ends_s <= end_s
    share = np.array([run_s / dt_s, begun_by_now & ~ended_by_now])
    fridge_share, fridge_next_s = _fridge(homes["fridge_period_s"], clocks_s, dt_s)
    mean, now = _by_phase(
        homes,
        share * homes["use_power_w"],
        fridge_share * (homes["fridge_w"] / _FRIDGE_DUTY),
        _beyond(homes, surroundings, dt_s, first, latest),
    )
    use_next_s = np.where(ended_by_now, np.inf, np.where(begun_by_now, ends_s, begins_s)).min(axis=1)
    own_next_s = np.minimum((latest + 1.0) * load.SLOT_S, fridge_next_s) - homes["slot_offset_s"]
    # A moment that rounding puts at the step's end is past; the next look is a second later.
    return mean, now, np.minimum(use_next_s, np.where(own_next_s > end_s, own_next_s, end_s + 1.0))


def _switch_on(
    homes: Columns,
    keys_in: Callable[[Columns], Keys],
    surroundings: Surroundings,
    dt_s: float,
    first: Floats,
    latest: Floats,
    run_s: Floats,
) -> None:
    """Draw the uses of the slots begun in a step, in the homes' own columns; add to how long they ran in it."""
    if not anywhere(latest > homes["use_slot"]):
        return
    end_s = surroundings.unix_s
    slot, keys = np.maximum(homes["use_slot"], first - _MOST_SLOTS), keys_in(homes)
    for ahead in range(1, int((latest - slot).max()) + 1):
        rows = (slot + ahead <= latest).nonzero()[0]
        number = slot[rows] + ahead
        begins_s = number * load.SLOT_S - homes["slot_offset_s"][rows]
        cell = _cell(homes["habit_h"][rows], begins_s, surroundings)
        home, appliance, part, lasts_s = load.uses(
            keys[rows], number.astype(np.int64), cell, homes["use_rate"][rows], surroundings.day_of_year
        )
        row, begins_s = rows[home], begins_s[home]
        idle = homes["use_ends_s"][row, appliance] <= begins_s
        row, appliance = row[idle], appliance[idle]
        from_s = begins_s[idle] + part[idle] * load.SLOT_S
        to_s = from_s + lasts_s[idle]
        homes["use_begins_s"][row, appliance] = from_s
        homes["use_ends_s"][row, appliance] = to_s
        run_s[row, appliance] += _overlap(from_s, to_s, end_s - dt_s, end_s)
    homes["use_slot"] = np.maximum(homes["use_slot"], latest)


def _beyond(homes: Columns, surroundings: Surroundings, dt_s: float, first: Floats, latest: Floats) -> Floats:
    """Return what is drawn beyond the appliances, ``(2, n)``: its mean over a step and its last value. [W]"""
    beyond_w, end_s, n = homes["beyond_w"], surroundings.unix_s, len(first)
    if not anywhere(beyond_w):
        return np.zeros((2, n))
    behind = (latest - first).astype(np.intp)
    begins_s = (first + np.arange(behind.max() + 1)[:, None]) * load.SLOT_S - homes["slot_offset_s"]
    shape = load.shape_in(_cell(homes["habit_h"], begins_s, surroundings), surroundings.day_of_year)
    # Homes with fewer slots in the step have some that begin after it: they overlap it by nothing.
    lasts_s = _overlap(begins_s, begins_s + load.SLOT_S, end_s - dt_s, end_s)
    mean = (shape * lasts_s).sum(axis=0) / dt_s
    return np.asarray(beyond_w * np.array([mean, shape[behind, np.arange(n)]]))


def _cell(habit_h: Floats, begins_s: Floats, surroundings: Surroundings) -> npt.NDArray[np.intp]:
    """Return where in homes' weeks slots lie that begin at given moments."""
    week_h = 24.0 * surroundings.weekday + surroundings.local_hour
    return load.cell_of(week_h + habit_h - (surroundings.unix_s - begins_s) / 3_600.0)


def _overlap(begins_s: Floats, ends_s: Floats, start_s: float, end_s: float) -> Floats:
    """Return how long spans of time lie in a step. [s]"""
    return np.asarray(np.maximum(np.minimum(ends_s, end_s) - np.maximum(begins_s, start_s), 0.0))


def _fridge(period_s: Floats, clocks_s: Floats, dt_s: float) -> tuple[Floats, Floats]:
    """Return the share of a step that fridges run and whether they do at its end, ``(2, n)``.

    And when they switch next, by their homes' clocks. [s]
    """
    cycles = clocks_s / period_s
    whole = np.floor(cycles)
    phase = cycles - whole
    run = whole * _FRIDGE_DUTY + np.minimum(phase, _FRIDGE_DUTY)  # periods each has run, since its clock began
    runs = phase[1] < _FRIDGE_DUTY
    next_s = (whole[1] + np.where(runs, _FRIDGE_DUTY, 1.0)) * period_s
    return np.array([(run[1] - run[0]) * (period_s / dt_s), runs]), next_s


def _by_phase(homes: Columns, used_w: Floats, fridge_w: Floats, beyond_w: Floats) -> Floats:
    """Return powers by phase ``(2, 6, n)``, three of W and three of var, of uses ``(2, n, classes)`` and the rest."""
    always_w = homes["standby_w"] + beyond_w
    even = np.array([always_w + fridge_w, homes["vars_per_watt"] * always_w + FRIDGE_VARS_PER_WATT * fridge_w])
    shares = np.array([homes["share_l1"], homes["share_l2"], homes["share_l3"]])
    used = (used_w[:, None] * (homes["use_phase"] == _PHASES)) @ _WATTS_AND_VARS
    by_phase: Floats = even.transpose(1, 0, 2)[:, :, None] * shares + np.moveaxis(used, -1, 1)
    return by_phase.reshape(len(used_w), 6, -1)
