"""Households' appliances, switched on and off at moments of their own, and what they draw in a step.

What is switched on in which slot of 5 min is a function of the home's key and the slot (``profiles.load``),
and what a step draws is the mean over its length, so the same uses come to the same energy whatever the
steps are. The fridge's cycle, and what a large consumer draws smoothly, are uses like any other.

Slots are drawn a little ahead, those of all homes at once: in the first step that ends in a frame of 5 min
of the site's clock, the slot of each home that begins in the frame. So two uses of each kind are kept, for the
newer may be yet to come. A home is looked at only in the steps in which something of it changes.

Columns kept, none a quantity's; times in seconds since 1970 UTC, powers by phase three of W and three of var:

``uses`` : ``(n, 2, 2, kinds)``, begin and end of the last two uses drawn of each kind, the older first. Kinds are
the appliances in the order of ``load.APPLIANCES``, the fridge, and what a home draws beyond them;
``beyond_level`` : ``(n, 2)``, the shape that the last of these follows during its last two uses;
``power_of_use`` : ``(n, kinds, 6)``, ``power_always`` : ``(n, 6)``, and ``power`` : ``(n, 2, 6)``, what is drawn, its
mean over a step and at its end;
``load_shares`` : ``(n, 6)``, by phase of a load that a series says, as what is always there;
``use_rate`` : ``(n, classes)``, and ``habit_h``, as in ``load.Homes``; ``fridge_period_s``, ``slot_offset_s``;
``frame``, ``next_s`` : the last frame drawn, and when a use begins or ends next as far as is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, Indices, anywhere
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.profiles import draws, load

FRIDGE_VARS_PER_WATT: Final = 0.6
_FRIDGE_DUTY: Final = 0.4
_FRIDGE_PERIOD_S: Final = (2_400.0, 4_200.0)
_SLOTS_MAX: Final = int(load.LONGEST_S / load.SLOT_S) + 1
"""How many slots back a use may have begun that still runs; more are not drawn."""
_OFFSET_S: Final = 10.0
_NEVER_S: Final = 1e18
_CLASSES: Final = len(load.APPLIANCES)
FRIDGE, BEYOND = _CLASSES, _CLASSES + 1
_KINDS: Final = _CLASSES + 2


def initial_columns(keys: Keys, annual_energy_wh: Floats, shares: Floats) -> Columns:
    """Return the columns of ``n`` households before their first step.

    ``shares`` is each phase's share of what is always there, ``(n, 3)``: all on one phase is a single-phase home.
    """
    n = len(keys)
    homes = load.homes(keys, annual_energy_wh)
    own_phase = np.floor(3.0 * draws.uniform(keys[:, None], np.arange(_CLASSES), "appliance phase"))
    phase = np.where(shares.max(axis=1, keepdims=True) == 1.0, shares.argmax(axis=1)[:, None], own_phase)
    vars_per_watt = 0.1 + 0.25 * draws.uniform(keys, 0, "vars")
    of_kind = np.empty((n, _KINDS))
    of_kind[:, :_CLASSES], of_kind[:, FRIDGE], of_kind[:, BEYOND] = (
        load.VARS_PER_WATT,
        FRIDGE_VARS_PER_WATT,
        vars_per_watt,
    )
    power_w = np.empty((n, _KINDS, 3))
    power_w[:, :_CLASSES] = homes.use_power_w[:, :, None] * (phase[:, :, None] == np.arange(3.0))
    power_w[:, FRIDGE] = (homes.fridge_w / _FRIDGE_DUTY)[:, None] * shares
    power_w[:, BEYOND] = homes.beyond_w[:, None] * shares
    standby_w = homes.standby_w[:, None] * shares
    low, high = _FRIDGE_PERIOD_S
    return {
        "uses": np.zeros((n, 2, 2, _KINDS)),
        "beyond_level": np.zeros((n, 2)),
        "power_of_use": np.concatenate([power_w, of_kind[:, :, None] * power_w], axis=2),
        "power_always": np.concatenate([standby_w, vars_per_watt[:, None] * standby_w], axis=1),
        "load_shares": np.concatenate([shares, vars_per_watt[:, None] * shares], axis=1),
        "power": np.zeros((n, 2, 6)),
        "use_rate": homes.use_rate,
        "habit_h": homes.habit_h,
        "fridge_period_s": low + (high - low) * draws.uniform(keys, 0, "fridge"),
        # Homes' slots begin at different moments, so that not all of a site follows its habits in one jump.
        "slot_offset_s": _OFFSET_S * np.floor(load.SLOT_S / _OFFSET_S * draws.uniform(keys, 0, "slot offset")),
        "frame": np.full(n, -1.0),
        "next_s": np.zeros(n),
    }


def drawn(columns: Columns, keys_in: Callable[[Columns], Keys], surroundings: Surroundings, dt_s: float) -> Columns:
    """Return the columns of ``initial_columns`` after a step; the first of ``power`` is the mean over the step.

    ``keys_in`` reads homes' keys out of their columns.
    """
    end_s, new, forgotten_s = surroundings.unix_s, dict(columns), None
    frame = end_s // load.SLOT_S
    if anywhere(columns["frame"] != frame):
        forgotten_s = _draw_ahead(new, keys_in(columns), frame, surroundings, dt_s)
    new["power"] = power = columns["power"].copy()
    power[:, 0] = power[:, 1]
    rows = (new["next_s"] <= end_s).nonzero()[0]
    if len(rows):
        uses, start_s = new["uses"].take(rows, axis=0), end_s - dt_s
        within, past = np.minimum(np.maximum(uses, start_s), end_s), uses <= end_s
        # Over the step's length as the clock shows it: what runs all the time draws its very power.
        length_s = end_s - start_s
        share = np.array([(within[:, 1] - within[:, 0]) / length_s, past[:, 0] > past[:, 1]])
        share[..., BEYOND] *= new["beyond_level"].take(rows, axis=0)
        of_kind = share[:, :, 0] + share[:, :, 1]
        if forgotten_s is not None:
            of_kind[0] += forgotten_s[rows] / length_s
        switched = of_kind.transpose(1, 0, 2) @ new["power_of_use"].take(rows, axis=0)
        power[rows] = switched + new["power_always"].take(rows, axis=0)[:, None]
        new["next_s"] = new["next_s"].copy()
        new["next_s"][rows] = np.where(past, _NEVER_S, uses).min(axis=(1, 2, 3))
    return new


def _draw_ahead(new: Columns, keys: Keys, frame: float, surroundings: Surroundings, dt_s: float) -> Floats:
    """Draw the slots that begin in a frame, and those skipped, in the step's own columns.

    Return how long uses that are forgotten now ran within the step, at their level, ``(n, kinds)``. [s]
    """
    end_s, offset_s = surroundings.unix_s, new["slot_offset_s"]
    # In a frame begins the slot of its number, or the next one in a home whose slots begin later than frames.
    later = (offset_s > 0.0).astype(np.float64)
    large = np.flatnonzero(new["power_of_use"][:, BEYOND].any(axis=1))
    uses, level, next_s = new["uses"].copy(), new["beyond_level"], new["next_s"].copy()
    forgotten_s = np.zeros((len(offset_s), _KINDS))
    oldest = (end_s - dt_s) // load.SLOT_S - _SLOTS_MAX
    for each in range(int(max(new["frame"].min() + 1.0, oldest)), int(frame) + 1):
        slots = _slots(new, each + later, surroundings)
        home, kind, from_s, to_s = _together(
            _switched_on(new, keys, slots, uses[:, 1, 1], surroundings.day_of_year),
            _cycles(new, slots),
            (large, np.full_like(large, BEYOND), slots.begins_s[large], slots.begins_s[large] + load.SLOT_S),
        )
        (older_s, newer_s), (over_s, until_s) = uses[home, :, :, kind].transpose(1, 2, 0)
        ran_s = np.maximum(np.minimum(over_s, end_s) - np.maximum(older_s, end_s - dt_s), 0.0)
        forgotten_s[home, kind] += ran_s * np.where(kind == BEYOND, level[home, 0], 1.0)
        uses[home, :, :, kind] = np.array([[newer_s, from_s], [until_s, to_s]]).transpose(2, 0, 1)
        level = np.array([level[:, 1], load.shape_in(slots.cell, surroundings.day_of_year)]).T
        np.minimum.at(next_s, home, from_s)
    new |= {"uses": uses, "beyond_level": level, "next_s": next_s, "frame": np.full_like(offset_s, frame)}
    return forgotten_s


@dataclass(frozen=True, slots=True)
class _Slots:
    """A slot of each home, ``(n,)``."""

    number: Floats
    begins_s: Floats
    cell: Indices
    """Where in the home's week it lies."""


_Uses: TypeAlias = tuple[Indices, Indices, Floats, Floats]
"""Uses that begin in a slot: whose, of which kind, from when and until when."""


def _together(*uses: _Uses) -> _Uses:
    homes, kinds, begins_s, ends_s = zip(*uses, strict=True)
    return np.concatenate(homes), np.concatenate(kinds), np.concatenate(begins_s), np.concatenate(ends_s)


def _slots(homes: Columns, number: Floats, surroundings: Surroundings) -> _Slots:
    begins_s = number * load.SLOT_S - homes["slot_offset_s"]
    week_h = 24.0 * surroundings.weekday + surroundings.local_hour
    cell = load.cell_of(week_h + homes["habit_h"] - (surroundings.unix_s - begins_s) / 3_600.0)
    return _Slots(number, begins_s, cell)


def _switched_on(homes: Columns, keys: Keys, slots: _Slots, busy_until_s: Floats, day_of_year: int) -> _Uses:
    """Return which appliances are switched on in a slot: those that are idle as it begins."""
    number = slots.number.astype(np.int64)
    home, appliance, part, lasts_s = load.uses(keys, number, slots.cell, homes["use_rate"], day_of_year)
    idle = busy_until_s[home, appliance] <= slots.begins_s[home]
    home, appliance = home[idle], appliance[idle]
    from_s = slots.begins_s[home] + part[idle] * load.SLOT_S
    return home, appliance, from_s, from_s + lasts_s[idle]


def _cycles(homes: Columns, slots: _Slots) -> _Uses:
    """Return which fridges begin to run in a slot: each as a period of its own begins."""
    period_s = homes["fridge_period_s"]
    slots_a_period = load.SLOT_S / period_s
    period = np.floor((slots.number + 1.0) * slots_a_period)
    home = (period > np.floor(slots.number * slots_a_period)).nonzero()[0]
    from_s = period[home] * period_s[home] - homes["slot_offset_s"][home]
    return home, np.full_like(home, FRIDGE), from_s, from_s + _FRIDGE_DUTY * period_s[home]
