"""Nothing gets lost: a connection point is the sum of its parts, a transformer that of its feeders and losses."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from pilotfarm import profiles
from pilotfarm.emulators import site
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site.layout import GridLayout

STEPS_S = (1.0, 0.1, 60.0, 900.0, 900.0, 900.0, 900.0, 300.0)


@pytest.fixture(scope="module", params=profiles.names())
def farm(request: pytest.FixtureRequest) -> Farm:
    """A built-in site after some hours, its power flow solved with every step's powers."""
    layout = replace(site.load(request.param), grid=GridLayout(solve_every_s=0.1))
    made = Farm(layout)
    for dt_s in STEPS_S:
        made.step(dt_s)
    return made


def test_a_connection_points_power_is_the_sum_of_its_phases(farm: Farm) -> None:
    for group in farm.groups.values():
        columns = group.columns
        for total, part in (("active_power_w", "active_power_l{}_w"), ("reactive_power_var", "reactive_power_l{}_var")):
            phases = sum(columns[part.format(k)] for k in (1, 2, 3))
            assert phases == pytest.approx(columns[total], rel=1e-9, abs=1e-6), (group.name, total)


def test_a_phases_current_is_what_its_power_and_voltage_make(farm: Farm) -> None:
    for group in farm.groups.values():
        columns = group.columns
        for k in (1, 2, 3):
            power = np.hypot(columns[f"active_power_l{k}_w"], columns[f"reactive_power_l{k}_var"])
            product = columns[f"voltage_l{k}_v"] * columns[f"current_l{k}_a"]
            assert product == pytest.approx(power, rel=1e-9, abs=1e-6), (group.name, k)


def test_a_transformers_power_is_its_feeders_power_and_losses(farm: Farm) -> None:
    for name in farm.layout.feeders:
        ours = [group for group in farm.groups.values() if group.layout.feeder == name]
        state = farm.network.feeder(name)
        delivered_w = sum(float(group.columns["active_power_w"].sum()) for group in ours)
        gross_w = sum(float(np.abs(group.columns["active_power_w"]).sum()) for group in ours)
        assert state.converged
        assert abs(delivered_w - state.power_w - state.losses_w) <= 1e-6 * gross_w, name


def test_losses_are_there_and_small(farm: Farm) -> None:
    for state in farm.network:
        plan = farm.network.plans[state.name]
        idle_w = plan.substations * plan.transformer.no_load_loss_w
        assert 0.9 * idle_w < state.transformer_losses_w
        assert state.cable_losses_w > 0.0
        assert state.losses_w < 1.2 * idle_w + 0.06 * plan.substations * plan.transformer.rated_va


def test_voltages_of_a_built_in_site_are_such_as_a_grid_operator_must_keep(farm: Farm) -> None:
    """EN 50160: within 10 % of the nominal voltage."""
    for state in farm.network:
        assert 207.0 < state.lowest_voltage_v <= state.highest_voltage_v < 253.0
        assert state.loading_frac < 1.0


def test_the_line_to_line_voltage_is_of_its_three_phases(farm: Farm) -> None:
    for group in farm.groups.values():
        columns = group.columns
        mean = sum(columns[f"voltage_l{k}_v"] for k in (1, 2, 3)) / 3.0
        assert columns["voltage_ll_v"] == pytest.approx(sqrt(3.0) * mean, rel=1e-3)
