"""Households' appliances, switched on and off at moments of their own, and what they draw in a step.

What is switched on in which slot of 5 min is a function of the home's key and the slot (``profiles.load``),
and what a step draws is the mean over its length, so the same uses come to the same energy whatever the
steps are. A home is looked at only in the steps in which something of it changes.

Columns kept, none a quantity's; times in seconds since 1970 UTC:

``use_begins_s``, ``use_ends_s``, ``use_phase`` : ``(n, classes)``, the last use drawn of each appliance;
``use_power_w``, ``use_rate`` : ``(n, classes)``, and ``habit_h``, ``standby_w``, ``fridge_w``, ``beyond_w``,
all as in ``load.Homes``;
``use_l1_w`` to ``use_l3_w`` and ``use_l1_var`` to ``use_l3_var`` : what is drawn on each phase now;
``use_slot``, ``use_next_s`` : the last slot drawn, and when something changes next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from emulators.contracts import Keys, Surroundings
from emulators.encoding import Columns, Floats
from profiles import draws, load

PHASES: Final = ("l1", "l2", "l3")
FRIDGE_VARS_PER_WATT: Final = 0.6
_FRIDGE_DUTY: Final = 0.4
_FRIDGE_PERIOD_S: Final = (2_400.0, 4_200.0)
_MOST_SLOTS: Final = int(load.LONGEST_S / load.SLOT_S) + 1
"""How many slots back a use may have begun that still runs; more are not drawn."""
_OFFSET_S: Final = 10.0
_HELD: Final = tuple(f"use_{phase}_{unit}" for unit in ("w", "var") for phase in PHASES)
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
        **{name: np.zeros(n) for name in _HELD},
    }


def drawn(
    new: Columns, keys_in: Callable[[Columns], Keys], surroundings: Surroundings, dt_s: float
) -> tuple[Floats, Floats]:
    """Return what the households draw in a step [W, var], both ``(3, n)`` by phase, the mean over it.

    Brings the columns of ``begun`` up to the step's end in the step's own columns. ``keys_in`` reads
    homes' keys out of their columns.
    """
    end_s = surroundings.unix_s
    rows = np.flatnonzero(new["use_next_s"] <= end_s)
    active = np.array([new[f"use_{phase}_w"] for phase in PHASES])
    reactive = np.array([new[f"use_{phase}_var"] for phase in PHASES])
    if len(rows):
        homes = {name: new[name][rows] for name in _OF_A_HOME}
        slot = homes["use_slot"]
        mean, now, next_s = _moved(homes, keys_in(homes), surroundings, dt_s)
        active[:, rows], reactive[:, rows] = mean[:3], mean[3:]
        after = dict(zip(_HELD, now, strict=True)) | {"use_next_s": next_s}
        if not np.array_equal(slot, homes["use_slot"]):
            after |= {name: homes[name] for name in ("use_begins_s", "use_ends_s", "use_slot")}
        for name, values in after.items():
            new[name] = new[name].copy()
            new[name][rows] = values
    return active, reactive


def _moved(homes: Columns, keys: Keys, surroundings: Surroundings, dt_s: float) -> tuple[Floats, Floats, Floats]:
    """Move homes to a step's end, in their own columns.

    Returns their mean and their last powers by phase, each ``(6, n)``: three of W and three of var; and when
    something changes next.
    """
    end_s = surroundings.unix_s
    start_s = end_s - dt_s
    run_ws = _overlap(homes["use_begins_s"], homes["use_ends_s"], start_s, end_s) * homes["use_power_w"]
    beyond_w = _slots(homes, keys, surroundings, dt_s, run_ws)
    fridge_on, fridge_s, fridge_next_s = _fridge(homes, start_s, end_s)
    runs = (homes["use_begins_s"] <= end_s) & (homes["use_ends_s"] > end_s)
    peak_w = homes["fridge_w"] / _FRIDGE_DUTY
    mean = _by_phase(homes, run_ws / dt_s, peak_w * fridge_s / dt_s, beyond_w[0])
    now = _by_phase(homes, runs * homes["use_power_w"], peak_w * fridge_on, beyond_w[1])
    slot_s = (homes["use_slot"] + 1.0) * load.SLOT_S - homes["slot_offset_s"]
    waiting = np.where(homes["use_begins_s"] > end_s, homes["use_begins_s"], np.inf)
    ending = np.where(homes["use_ends_s"] > end_s, homes["use_ends_s"], np.inf)
    next_s = np.minimum(np.minimum(waiting, ending).min(axis=1), np.minimum(slot_s, fridge_next_s))
    return mean, now, next_s


def _slots(homes: Columns, keys: Keys, surroundings: Surroundings, dt_s: float, run_ws: Floats) -> Floats:
    """Draw the uses of the slots begun up to the step's end, in the homes' own columns and ``run_ws``.

    Returns what is drawn beyond the appliances, its mean and its last value. [W]
    """
    end_s = surroundings.unix_s
    start_s = end_s - dt_s
    latest = np.floor((end_s + homes["slot_offset_s"]) / load.SLOT_S)
    first = np.floor((start_s + homes["slot_offset_s"]) / load.SLOT_S)
    slot = np.maximum(homes["use_slot"], first - _MOST_SLOTS)
    # The slot that was under way when the step began is drawn already, but still holds for a part of it.
    earliest = np.minimum(slot, first)
    week_h = 24.0 * surroundings.weekday + surroundings.local_hour
    beyond_ws, last_w = np.zeros_like(slot), np.zeros_like(slot)
    for ahead in range(int((latest - earliest).max()) + 1):
        number = earliest + ahead
        begins_s = number * load.SLOT_S - homes["slot_offset_s"]
        cell = load.cell_of(week_h + homes["habit_h"] - (end_s - begins_s) / 3_600.0)
        here = number <= latest
        last_w = np.where(here, homes["beyond_w"] * load.shape_in(cell, surroundings.day_of_year), last_w)
        beyond_ws += here * last_w * _overlap(begins_s, begins_s + load.SLOT_S, start_s, end_s)
        fresh = np.flatnonzero(here & (number > slot))
        if len(fresh):
            _use(homes, keys, surroundings.day_of_year, fresh, number, begins_s, cell, run_ws, start_s, end_s)
    homes["use_slot"] = np.maximum(homes["use_slot"], latest)
    return np.array([beyond_ws / dt_s, last_w])


def _use(
    homes: Columns,
    keys: Keys,
    day_of_year: int,
    rows: npt.NDArray[np.intp],
    number: Floats,
    begins_s: Floats,
    cell: npt.NDArray[np.intp],
    run_ws: Floats,
    start_s: float,
    end_s: float,
) -> None:
    """Switch on what is drawn in one slot of some of the homes, in their own columns, and count it in ``run_ws``."""
    home, appliance, share, lasts_s = load.uses(
        keys[rows], number[rows].astype(np.int64), cell[rows], homes["use_rate"][rows], day_of_year
    )
    row = rows[home]
    from_s = begins_s[row] + share * load.SLOT_S
    idle = homes["use_ends_s"][row, appliance] <= begins_s[row]
    row, appliance, from_s, lasts_s = row[idle], appliance[idle], from_s[idle], lasts_s[idle]
    homes["use_begins_s"][row, appliance] = from_s
    homes["use_ends_s"][row, appliance] = from_s + lasts_s
    counted = _overlap(from_s, from_s + lasts_s, start_s, end_s) * homes["use_power_w"][row, appliance]
    run_ws[row, appliance] += counted


def _overlap(begins_s: Floats, ends_s: Floats, start_s: float, end_s: float) -> Floats:
    """Return how long spans of time lie in a step. [s]"""
    return np.asarray(np.maximum(np.minimum(ends_s, end_s) - np.maximum(begins_s, start_s), 0.0))


def _fridge(homes: Columns, start_s: float, end_s: float) -> tuple[Floats, Floats, Floats]:
    """Return whether fridges run at a step's end, how long they ran in it [s], and when they switch next."""
    period_s = homes["fridge_period_s"]
    phase_s = homes["slot_offset_s"]  # any offset of the home's own does
    before, after = (start_s + phase_s) / period_s, (end_s + phase_s) / period_s
    ran = _cycles(after) - _cycles(before)
    whole = np.floor(after)
    runs = after - whole < _FRIDGE_DUTY
    next_s = (whole + np.where(runs, _FRIDGE_DUTY, 1.0)) * period_s - phase_s
    # A moment that rounding puts at the step's end is past; the next look is a second later.
    return runs.astype(np.float64), ran * period_s, np.where(next_s > end_s, next_s, end_s + 1.0)


def _cycles(phase: Floats) -> Floats:
    """Return how many periods a fridge has run by a phase."""
    whole = np.floor(phase)
    return whole * _FRIDGE_DUTY + np.minimum(phase - whole, _FRIDGE_DUTY)


def _by_phase(homes: Columns, used_w: Floats, fridge_w: Floats, beyond_w: Floats) -> Floats:
    """Return powers by phase ``(6, n)``: three of W and three of var."""
    even_w = homes["standby_w"] + fridge_w + beyond_w
    even_var = homes["vars_per_watt"] * (homes["standby_w"] + beyond_w) + FRIDGE_VARS_PER_WATT * fridge_w
    used_var = used_w * load.VARS_PER_WATT
    by_phase = np.empty((6, len(even_w)))
    for index, phase in enumerate(PHASES):
        here = homes["use_phase"] == index
        by_phase[index] = homes[f"share_{phase}"] * even_w + (used_w * here).sum(axis=1)
        by_phase[index + 3] = homes[f"share_{phase}"] * even_var + (used_var * here).sum(axis=1)
    return by_phase
