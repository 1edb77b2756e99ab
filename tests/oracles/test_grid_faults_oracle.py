"""The voltages of a disturbed substation against power-grid-model's, used directly.

There the transformer stands whole, delta winding and all, and what is open is a line of 10 MOhm on that phase; a
source that is not even is three, each behind a line that only one phase gets through.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    LoadGenType,
    PowerGridModel,
    WindingType,
    initialize_array,
)

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import BRANCH, FEEDER, TRANSFORMER, Disturbance
from pilotfarm.emulators.grid.network import Customers, Network, Supply
from pilotfarm.emulators.grid.sweep import Condition, Sweep
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout

pytestmark = pytest.mark.oracle

N = 36
NUMBER = np.arange(N)
ACTIVE_W = np.stack([-500.0 - 60.0 * NUMBER, np.where(NUMBER % 3 == 0, 2_000.0, -800.0), -300.0 * (NUMBER % 5)])
REACTIVE_VAR = 0.2 * np.abs(ACTIVE_W) * np.array([[-1.0], [-0.5], [-1.0]])
SHUT_OHM, OPEN_OHM = 1e-6, 1e7
NOMINAL_V = 230.0
LOW_V, MEDIUM_V = sqrt(3.0) * NOMINAL_V, 20_000.0
MV, BUSBAR, AHEAD, FIRST = 0, 1, 2, 10
"""Nodes: those of the source, where they stand apart, are 2 to 4; customers' from 10."""

L1, L23, L2 = (True, False, False), (False, True, True), (False, True, False)


def solved(at: str, disturbance: Disturbance, number: int = 0) -> Network:
    """A 250 kVA transformer and three branches of 400 m with twelve homes each, heavily unbalanced."""
    made = Network(
        [FeederLayout("lv", NOMINAL_V, 235.0, transformer_kva=250.0, branches=3, length_m=400.0)],
        GridLayout(),
        Customers(
            feeder=np.zeros(N, dtype=np.intp),
            branch=(NUMBER // 12 + 0.5) / 3.0,
            position=(NUMBER % 12 + 1) / 12.0,
            draw_w=np.full(N, 1e4),
            deliver_w=np.zeros(N),
        ),
    )
    made.step(10.0, ACTIVE_W, REACTIVE_VAR)
    made.disturb({Supply("lv", at, number): disturbance})
    made.step(10.0, ACTIVE_W, REACTIVE_VAR)
    return made


class Direct:
    """The same grid in power-grid-model's own words."""

    def __init__(self, network: Network, **changes: Any) -> None:
        self._topology = network._low_voltage.topology
        self._node = network._low_voltage.node
        self._plan = network.plans["lv"]
        self.tap_pos = 0
        self.harder = 1.0
        self.source_pu = 235.0 / NOMINAL_V
        self.by_phase: tuple[float, ...] = ()
        self.opened_on_branch: dict[int, tuple[bool, bool, bool]] = {}
        self.opened_at_medium_voltage = (False, False, False)
        self.loads = LoadGenType.const_power
        self.drawn = -(ACTIVE_W + 1j * REACTIVE_VAR)
        for name, value in changes.items():
            setattr(self, name, value)

    def voltages(self) -> Floats:
        here, k = self._topology, len(self._topology.upstream)
        ahead = [AHEAD, AHEAD + 1, AHEAD + 2] if self.by_phase else [MV, AHEAD]
        nodes = initialize_array("input", ComponentType.node, len(ahead) + 1 + k)
        nodes["id"] = [*ahead, BUSBAR, *range(FIRST, FIRST + k)]
        nodes["u_rated"] = [*([LOW_V if self.by_phase else MEDIUM_V] * len(ahead)), *([LOW_V] * (k + 1))]
        sources = initialize_array("input", ComponentType.source, len(self.by_phase) or 1)
        sources["id"] = 5000 + np.arange(len(sources))
        sources["node"], sources["status"] = ahead[-len(sources) :], 1
        sources["u_ref"] = self.source_pu * np.array(self.by_phase or [1.0])
        lines = [self._lines(here, k), self._windings() if self.by_phase else self._ahead()]
        parts = {
            ComponentType.node: nodes,
            ComponentType.source: sources,
            ComponentType.asym_line: np.concatenate(lines),
            ComponentType.asym_load: self._loads(k),
        }
        model = PowerGridModel(parts if self.by_phase else parts | {ComponentType.transformer: self._transformer()})
        found = model.calculate_power_flow(
            symmetric=False,
            error_tolerance=1e-9,
            max_iterations=200,
            calculation_method=CalculationMethod.iterative_current,
        )
        if not self.by_phase:
            self._keep_flows(found)
        return np.asarray(found[ComponentType.node]["u"][len(ahead) + 1 :].T)[:, self._node]

    def _keep_flows(self, found: Any) -> None:
        source, lines, transformer = (
            found[each] for each in (ComponentType.source, ComponentType.asym_line, ComponentType.transformer)
        )
        self.power_va = complex(source["p"].sum(), source["q"].sum())
        self.cable_losses_w = float((lines["p_from"] + lines["p_to"])[:-1].sum())
        self.transformer_losses_w = float((transformer["p_from"] + transformer["p_to"]).sum())
        rated_a = self._plan.transformer.rated_va / (3.0 * NOMINAL_V)
        self.loading_frac = float(transformer["i_to"].max()) / rated_a

    def _transformer(self) -> Any:
        made = self._plan.transformer
        rows = initialize_array("input", ComponentType.transformer, 1)
        values = {
            "id": 6000, "from_node": MV, "to_node": BUSBAR, "from_status": 1, "to_status": 1,
            "u1": MEDIUM_V, "u2": LOW_V, "sn": made.rated_va,
            "uk": made.uk_frac * self.harder, "pk": made.load_loss_w * self.harder,
            "p0": made.no_load_loss_w, "i0": 1.001 * made.no_load_loss_w / made.rated_va,
            "winding_from": WindingType.delta, "winding_to": WindingType.wye_n, "clock": 5,
            "tap_side": 0, "tap_pos": self.tap_pos, "tap_min": -5, "tap_max": 5, "tap_nom": 0, "tap_size": 500.0,
        }  # fmt: skip
        for name, value in values.items():
            rows[name] = value
        return rows

    def _windings(self) -> Any:
        """What the transformer is from its low-voltage side: its impedance a phase, each with a source of its own."""
        made = self._plan.transformer
        base_ohm = 3.0 * NOMINAL_V**2 / made.rated_va
        r = made.load_loss_w / made.rated_va
        rows = _lines([7500, 7501, 7502], [AHEAD, AHEAD + 1, AHEAD + 2], [BUSBAR] * 3)
        for phase, pair in enumerate(("aa", "bb", "cc")):
            rows[f"r_{pair}"] = np.where(np.arange(3) == phase, base_ohm * r, OPEN_OHM)
            rows[f"x_{pair}"] = base_ohm * sqrt(made.uk_frac**2 - r**2)
        return rows

    def _ahead(self) -> Any:
        """What is between the source and the transformer: nothing, or fuses that are blown."""
        rows = _lines([7500], [AHEAD], [MV])
        for phase, pair in enumerate(("aa", "bb", "cc")):
            rows[f"r_{pair}"] = SHUT_OHM + OPEN_OHM * self.opened_at_medium_voltage[phase]
            rows[f"x_{pair}"] = SHUT_OHM
        return rows

    def _lines(self, here: Any, k: int) -> Any:
        first = here.upstream < 0
        ends = FIRST + np.arange(k)
        rows = _lines(7000 + np.arange(k), np.where(first, BUSBAR, FIRST + here.upstream), ends)
        rows["c0"] = rows["c1"] = here.capacitance_f
        for name, ohm in (("r", here.resistance_ohm), ("x", here.reactance_ohm)):
            for pair in ("aa", "bb", "cc"):
                rows[f"{name}_{pair}"] = 2.0 * ohm
            for pair in ("ba", "ca", "cb"):
                rows[f"{name}_{pair}"] = ohm
        for branch, opened in self.opened_on_branch.items():
            for phase, pair in enumerate(("aa", "bb", "cc")):
                rows[f"r_{pair}"][first & (here.branch == branch)] += OPEN_OHM * opened[phase]
        return rows

    def _loads(self, k: int) -> Any:
        rows = initialize_array("input", ComponentType.asym_load, k)
        rows["id"], rows["node"] = 8000 + np.arange(k), FIRST + np.arange(k)
        rows["status"], rows["type"] = 1, self.loads
        drawn = np.zeros((3, k), dtype=np.complex128)
        np.add.at(drawn, (slice(None), self._node), self.drawn)
        rows["p_specified"], rows["q_specified"] = drawn.real.T, drawn.imag.T
        return rows


def _lines(ids: Any, begins: Any, ends: Any) -> Any:
    rows = initialize_array("input", ComponentType.asym_line, len(ids))
    rows["id"], rows["from_node"], rows["to_node"] = ids, begins, ends
    rows["from_status"] = rows["to_status"] = 1
    rows["c0"] = rows["c1"] = 1e-13
    for pair in ("ba", "ca", "cb"):
        rows[f"r_{pair}"] = rows[f"x_{pair}"] = 0.0
    return rows


def without(phases: tuple[bool, bool, bool], customers: npt.NDArray[np.bool_]) -> npt.NDArray[np.complex128]:
    """What is drawn, but by those whose phase is dark."""
    dark = np.array(phases)[:, None] & customers
    return np.where(dark, 0.0, -(ACTIVE_W + 1j * REACTIVE_VAR))


def test_undisturbed_neighbours_of_a_disturbed_branch_are_where_they_were() -> None:
    """A swept substation is the one that power-grid-model solves: nothing jumps when a fault far off begins."""
    network = solved(BRANCH, Disturbance(impedance=1.0), 0)
    assert np.abs(network.voltage_v - Direct(network).voltages()).max() < 0.005


@pytest.mark.parametrize("voltage_pu", [0.5, 0.85, 1.2])
def test_an_even_sag_or_swell_is_a_source_of_that_voltage(voltage_pu: float) -> None:
    network = solved(FEEDER, Disturbance(voltage=(voltage_pu,) * 3))
    direct = Direct(network, source_pu=voltage_pu * 235.0 / NOMINAL_V)
    assert np.abs(network.voltage_v - direct.voltages()).max() < 0.01


@pytest.mark.parametrize(
    ("disturbance", "changes"),
    [
        (Disturbance(voltage=(0.8, 0.8, 0.8)), {"source_pu": 0.8 * 235.0 / NOMINAL_V}),
        (Disturbance(impedance=3.0), {"harder": 3.0}),
        (Disturbance(tap_frac=0.05), {"tap_pos": -2}),
    ],
)
def test_powers_losses_and_loading_are_those_of_that_grid_and_add_up(
    disturbance: Disturbance, changes: dict[str, Any]
) -> None:
    network = solved(FEEDER, disturbance)
    direct = Direct(network, **changes)
    direct.voltages()
    found = network.feeder("lv")
    assert -found.power_w == pytest.approx(direct.power_va.real, rel=1e-3)
    assert -found.reactive_power_var == pytest.approx(direct.power_va.imag, rel=5e-3)
    assert found.cable_losses_w == pytest.approx(direct.cable_losses_w, rel=1e-3)
    assert found.transformer_losses_w == pytest.approx(direct.transformer_losses_w, rel=1e-2)
    assert found.loading_frac == pytest.approx(direct.loading_frac, rel=5e-3)
    assert found.power_w + found.losses_w == pytest.approx(ACTIVE_W.sum(), rel=1e-5)


@pytest.mark.parametrize("voltage_pu", [(0.6, 1.0, 1.0), (1.0, 0.7, 0.7), (1.0, 1.0, 1.15)])
def test_a_sag_or_swell_of_some_phases_is_three_sources_of_these_voltages(
    voltage_pu: tuple[float, float, float],
) -> None:
    network = solved(FEEDER, Disturbance(voltage=voltage_pu))
    assert np.abs(network.voltage_v - Direct(network, by_phase=voltage_pu).voltages()).max() < 0.03


@pytest.mark.parametrize("steps", [-3, 2])
def test_a_tap_that_moved_is_a_tap_at_that_position(steps: int) -> None:
    network = solved(TRANSFORMER, Disturbance(tap_frac=steps * 0.025, tap_step_frac=0.025))
    direct = Direct(network, tap_pos=-steps)
    assert np.abs(network.voltage_v - direct.voltages()).max() < 0.01


def test_a_weak_grid_is_a_transformer_of_that_impedance() -> None:
    network = solved(FEEDER, Disturbance(impedance=3.0))
    assert np.abs(network.voltage_v - Direct(network, harder=3.0).voltages()).max() < 0.02


@pytest.mark.parametrize("phases", [L1, L23])
def test_phases_open_on_a_branch_are_dark_there_and_the_others_are_as_with_a_line_open(
    phases: tuple[bool, bool, bool],
) -> None:
    network = solved(BRANCH, Disturbance(opened=phases), 1)
    behind = np.array([network.branch_of(row) == 1 for row in range(N)])
    direct = Direct(network, opened_on_branch={1: phases}, drawn=without(phases, behind)).voltages()
    dark = np.array(phases)[:, None] & behind
    assert not network.voltage_v[dark].any()
    assert np.abs(network.voltage_v - direct)[~dark].max() < 0.01
    assert direct[dark].max() < 5.0, "what is induced there is small"


def test_phases_open_at_the_transformer_are_open_on_all_branches() -> None:
    network = solved(FEEDER, Disturbance(opened=L2))
    everybody = np.ones(N, dtype=np.bool_)
    direct = Direct(network, opened_on_branch=dict.fromkeys(range(3), L2), drawn=without(L2, everybody)).voltages()
    assert not network.voltage_v[1].any()
    assert np.abs(network.voltage_v - direct)[[0, 2]].max() < 0.01


@pytest.mark.parametrize("phases", [L1, L2, (False, False, True)])
def test_a_fuse_at_the_medium_voltage_leaves_one_phase_whole_and_the_others_what_stands_on_them_makes_of_it(
    phases: tuple[bool, bool, bool],
) -> None:
    """Loads are impedances here, by what they drew at the voltage they had."""
    network = solved(TRANSFORMER, Disturbance())
    had_pu = network.voltage_v / NOMINAL_V
    drawn = np.maximum(-ACTIVE_W, 0.0) - 1j * REACTIVE_VAR
    direct = Direct(
        network, opened_at_medium_voltage=phases, loads=LoadGenType.const_impedance, drawn=drawn / had_pu**2
    ).voltages()
    network.disturb({Supply("lv", TRANSFORMER): Disturbance(blown=phases)})
    found = network.voltage_v.copy()
    left, one, other = np.roll([0, 1, 2], -(phases.index(True) + 1))
    assert found[left].min() > 200.0 > found[[one, other]].max()
    assert np.abs(found - direct).max() < 0.1
    # What draws less on the voltage it has is the same impedance.
    network.step(10.0, *((part * (found / NOMINAL_V / had_pu) ** 2) for part in (ACTIVE_W, REACTIVE_VAR)))
    assert np.abs(network.voltage_v - direct)[:, ACTIVE_W.max(axis=0) < 0.0].max() < 0.1


@pytest.mark.parametrize("blown", [L1, L2, (False, False, True)])
def test_without_load_two_windings_share_the_voltage_of_the_whole_one_and_oppose_it(
    blown: tuple[bool, bool, bool],
) -> None:
    """The three stand around a triangle one side of which is open: their voltages come to nothing."""
    topology = solved(TRANSFORMER, Disturbance(at=TRANSFORMER, blown=blown))._low_voltage.topology
    found = Sweep(topology.subset(0, 1)).without_load(Condition(Disturbance(at=TRANSFORMER, blown=blown)))
    assert np.abs(found.sum(axis=0)) == pytest.approx(0.0, abs=1e-9)
    assert np.sort(np.abs(found), axis=0) == pytest.approx(np.repeat([[117.5], [117.5], [235.0]], N, axis=1))
