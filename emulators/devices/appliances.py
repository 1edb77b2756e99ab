"""The appliances of a household, which smart meters and prosumers' homes have.

No kind of its own at a site, and no quantities: a resource, so that those of all households are stepped in one
call. They are switched on as ``profiles.load`` says, each on a phase of its own. Whether there is voltage for
them is for whom they belong to.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, anywhere
from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import DeviceSpec, Keys
from pilotfarm.emulators.contracts.override import Change
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices.keys import key_columns, keys_in
from pilotfarm.emulators.physics import appliances


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build those of ``n`` households from ``annual_energy_wh`` and ``share_l1`` to ``share_l3``."""
    shares = np.stack([ratings[f"share_l{phase}"] for phase in (1, 2, 3)], axis=1)
    return appliances.initial_columns(keys, ratings["annual_energy_wh"], shares) | key_columns(keys)


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Take the appliances through one step."""
    return appliances.drawn(columns, keys_in, surroundings, dt_s)


def drawn(columns: Seen, live: Floats | None, surroundings: Surroundings) -> Floats:
    """Return what appliances drew in a step, ``(6, n)`` by phase, three of W and three of var.

    ``live`` is the share that they get, ``(n,)`` or by phase ``(3, n)``; ``None`` is 1.0 everywhere. What a series says
    of them goes before the model, and overrides before both.
    """
    by_phase, load_w = columns["power"][:, 0].T, surroundings.load_w
    if load_w is not None:
        said, by_model = load_w * columns["load_shares"].T, np.isnan(load_w)
        by_phase = np.where(by_model, by_phase, said) if anywhere(by_model) else said
    if surroundings.load_change is not None:
        by_phase = _changed(surroundings.load_change, by_phase, columns["load_shares"].T)
    if live is None:
        return by_phase.copy()
    return np.multiply(by_phase, live if live.ndim == 1 else np.concatenate((live, live)), order="C")


def _changed(change: Change, by_phase: Floats, shares: Floats) -> Floats:
    """Return what overrides make of a load ``(6, n)``; ``shares`` are those of a watt in all."""
    before = np.where(np.isnan(change.value), by_phase, change.value * shares)
    asked = before * change.factor + change.added * shares
    asked_w = asked[:3].sum(axis=0)
    kept_w = np.minimum(np.maximum(asked_w, change.min), change.max)
    kept = np.divide(kept_w, asked_w, out=np.ones_like(asked_w), where=asked_w != 0.0)
    return np.where(change.where > 0.0, asked * kept, by_phase)


APPLIANCES: Final = Resource("appliances")
"""Their name at whoever has them as a resource."""

DEVICE: Final = DeviceSpec(
    kind=APPLIANCES,
    title="Household appliances",
    quantities=(),
    make=make,
    step=step,
)
