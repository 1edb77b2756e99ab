"""The devices as customers of their feeders: where they stand, what they draw, and whose voltage is in doubt."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.grid.network import Customers, Network
from pilotfarm.emulators.site.layout import GroupLayout, SiteLayout
from pilotfarm.profiles.draws import uniform

_PHASES: Final = (1, 2, 3)
_VOLTAGES: Final = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "voltage_ll_v")
"""At the connection point, and under their prefixes at a home's resources."""


def positions(layout: GroupLayout) -> Floats:
    """Return how far along its feeder each device of a group stands, 0.05 to 1: nobody is right at the busbar."""
    return 0.05 + 0.95 * uniform(layout.keys, 0, "feeder position")


def customers(layout: SiteLayout, population: Population) -> Customers:
    """Return who stands on which feeder, and where."""
    feeders = list(layout.feeders)
    groups = list(population)

    def rated(name: str) -> Floats:
        return np.concatenate([group.columns[name] for group in groups])

    return Customers(
        feeder=np.concatenate([np.full(group.size, feeders.index(group.layout.feeder)) for group in groups]),
        branch=np.concatenate([uniform(group.layout.keys, 0, "feeder branch") for group in groups]),
        position=np.concatenate([positions(group.layout) for group in groups]),
        draw_w=rated("rated_charge_power_w"),
        deliver_w=rated("rated_power_w"),
    )


def name_branches(network: Network, population: Population) -> None:
    """Tell devices which branch they are on: ``FEEDER/N``, from 1 over the feeder's substations."""
    population.branches = tuple(
        f"{feeder}/{number + 1}" for feeder in population.feeders for number in range(network.branches(feeder))
    )
    for group, rows in population.placed():
        found = (network.branch_of(customer) for customer in range(rows.start, rows.stop))
        group.branches = [f"{group.layout.feeder}/{number + 1}" if number >= 0 else "" for number in found]


def solve(network: Network, population: Population, dt_s: float) -> None:
    """Hand every device's power by phase to the network, which works out the voltages of the next step."""
    power = np.empty((2, 3, len(population)))
    for group, rows in population.placed():
        for phase in _PHASES:
            power[0, phase - 1, rows] = group.columns[f"active_power_l{phase}_w"]
            power[1, phase - 1, rows] = group.columns[f"reactive_power_l{phase}_var"]
    network.step(dt_s, power[0], power[1])


def doubt_voltages(network: Network, population: Population) -> None:
    """Mark voltages that are left from before the power flow failed: questionable, which is not topical."""
    if not network.questionable.any():
        return
    for group, rows in population.placed():
        doubtful = network.questionable[rows]
        if doubtful.any():
            for name in (q.name for q in group.spec.quantities if q.name.endswith(_VOLTAGES)):
                group.doubt(name, doubtful, Quality.NOT_TOPICAL)
