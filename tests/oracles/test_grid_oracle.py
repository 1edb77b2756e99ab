"""The power flow by phase against pandapower's, on one unbalanced feeder.

Pandapower wants pandas below 3, so it does not come with the extra ``oracles``: the numbers it gave are
written down here, and in an environment that has it they are found again.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import sqrt
from typing import Any

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.grid.network import Customers, Network
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout

pytestmark = pytest.mark.oracle

N = 36
NUMBER = np.arange(N)
ACTIVE_W = np.stack([-1_500.0 - 100.0 * NUMBER, np.where(NUMBER % 3 == 0, 4_000.0, -800.0), -300.0 * (NUMBER % 5)])
REACTIVE_VAR = 0.2 * np.abs(ACTIVE_W) * np.array([[-1.0], [-0.5], [-1.0]])
ENDS = [11, 23, 35]
PANDAPOWER_3_5_6 = np.array(
    [
        [217.86666007, 211.10704392, 203.77055747],
        [241.14204907, 243.17170498, 245.27377804],
        [232.55318256, 233.81426789, 235.63422521],
    ]
)
"""Volts at the far ends of the three branches, by phase; runpp_3ph, transformer Dyn, tolerance 1e-9 MVA."""
MEDIUM_VOLTAGE_W = 119_119.0


@pytest.fixture(scope="module")
def solved() -> Network:
    """A 250 kVA transformer and three branches of 400 m with twelve homes each, heavily unbalanced."""
    made = Network(
        [FeederLayout("lv", 230.0, 235.0, transformer_kva=250.0, branches=3, length_m=400.0)],
        GridLayout(),
        Customers(
            feeder=np.zeros(N, dtype=np.intp),
            branch=(NUMBER // 12 + 0.5) / 3.0,
            position=(NUMBER % 12 + 1) / 12.0,
            draw_w=np.full(N, 1e4),
            deliver_w=np.zeros(N),
        ),
    )
    made.step(1.0, ACTIVE_W, REACTIVE_VAR)
    return made


def test_voltages_are_those_pandapower_found(solved: Network) -> None:
    assert np.abs(solved.voltage_v[:, ENDS] - PANDAPOWER_3_5_6).max() < 0.05


def test_the_power_at_the_medium_voltage_is_what_pandapower_found(solved: Network) -> None:
    assert -solved.feeder("lv").power_w == pytest.approx(MEDIUM_VOLTAGE_W, rel=2e-4)


@pytest.mark.skipif(
    find_spec("pandapower") is None,
    reason="pandapower is missing; it needs an environment of its own: pip install -e . 'pandapower>=3.5' 'pandas<3'",
)
@pytest.mark.filterwarnings("ignore")
def test_pandapower_still_finds_the_same(solved: Network) -> None:
    found = pandapowers(solved)
    assert np.abs(found[:, ENDS] - PANDAPOWER_3_5_6).max() < 1e-4
    assert np.abs(found - solved.voltage_v).max() < 0.05


def pandapowers(solved: Network) -> Floats:
    """Build the same feeder there; ``(3, n)`` volts of the customers."""
    import pandapower as pp

    grid, nominal_kv = solved._low_voltage, 0.230 * sqrt(3.0)
    topology = grid.topology
    made = topology.plans[0].transformer
    net: Any = pp.create_empty_network()
    medium, low = pp.create_bus(net, 20.0), pp.create_bus(net, nominal_kv)
    pp.create_ext_grid(net, medium, vm_pu=235 / 230, s_sc_max_mva=1e4, rx_max=0.1, x0x_max=1.0, r0x0_max=0.1)
    pp.create_transformer_from_parameters(
        net,
        medium,
        low,
        sn_mva=made.rated_va / 1e6,
        vn_hv_kv=20.0,
        vn_lv_kv=nominal_kv,
        vk_percent=100.0 * made.uk_frac,
        vkr_percent=100.0 * made.load_loss_w / made.rated_va,
        pfe_kw=made.no_load_loss_w / 1e3,
        i0_percent=100.1 * made.no_load_loss_w / made.rated_va,
        shift_degree=150.0,
        vector_group="Dyn",
        vk0_percent=100.0 * made.uk_frac,
        vkr0_percent=100.0 * made.load_loss_w / made.rated_va,
        mag0_percent=1e4,
        mag0_rx=0.1,
        si0_hv_partial=0.9,
    )
    buses = [pp.create_bus(net, nominal_kv) for _ in topology.upstream]
    for index, upstream in enumerate(topology.upstream):
        r, x = topology.resistance_ohm[index], topology.reactance_ohm[index]
        c = 1e9 * topology.capacitance_f[index]
        begin = low if upstream < 0 else buses[upstream]
        pp.create_line_from_parameters(
            net, begin, buses[index], 1.0, r, x, c, 0.27, r0_ohm_per_km=4 * r, x0_ohm_per_km=4 * x, c0_nf_per_km=c
        )
    for customer, node in enumerate(grid.node):
        drawn = (-ACTIVE_W[:, customer] / 1e6, -REACTIVE_VAR[:, customer] / 1e6)
        pp.create_asymmetric_load(net, buses[node], *drawn[0], *drawn[1])
    pp.runpp_3ph(net, max_iteration=100, tolerance_mva=1e-9)
    return np.array(
        [[230.0 * net.res_bus_3ph.loc[buses[node], f"vm_{each}_pu"] for node in grid.node] for each in "abc"]
    )
