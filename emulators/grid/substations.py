"""Low-voltage networks behind transformers, solved a phase by power-grid-model.

A ``Tree`` says what stands where; a ``Part`` holds power-grid-model's model of some of its substations
and answers one question: which voltages come of these loads. Each substation is an island of its own
behind a stiff medium voltage: transformer Dyn5, lines with a fourth conductor of the phases' own
cross-section (so zero-sequence currents meet four times the impedance), loads of constant power between
phase and neutral. Valid for radial three-phase networks in the steady state at 50 Hz.

References
----------
.. [1] Xiang et al., "Power Grid Model: a high-performance distribution grid calculation library", CIRED
   2023, doi 10.1049/icp.2023.0633.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    DatasetType,
    LoadGenType,
    PowerGridModel,
    TapChangingStrategy,
    WindingType,
    initialize_array,
)
from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]  # not in its __all__

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics.grid import ZERO_SEQUENCE, NetworkPlan

Indices: TypeAlias = npt.NDArray[np.intp]

MEDIUM_VOLTAGE_V: Final = 20_000.0
NODES_A_BRANCH: Final = 12
"""Places along a branch at which customers gather; those without a customer are left out."""

_TOLERANCE: Final = 1e-6
"""Most that a voltage may still move in the last turn, per unit.

A turn leaves some hundredths of the move before, so voltages are within 0.1 mV of where they would end, far
below a meter's 10 mV. What a transformer delivers misses what customers and losses take by at most this share
of the power that flows, so a balance holds to a millionth. A turn less is a twelfth of a power flow less: each
begins from the source's voltage, as the library keeps its matrix's factors from one to the next, not voltages.
"""
_ITERATIONS_MAX: Final = 50
_WANTED: Final = {ComponentType.node, ComponentType.line, ComponentType.transformer}
_ASKED: Final[Mapping[str, Any]] = {
    "symmetric": False,
    "error_tolerance": _TOLERANCE,
    "max_iterations": _ITERATIONS_MAX,
    "calculation_method": CalculationMethod.iterative_current,
}
_LAID_OUT_ONCE: Final = ("1.12.",)
"""Versions of power-grid-model of which we know how to lay out its buffers once (``_laid_out_once``)."""

Solve: TypeAlias = Callable[[], Mapping[ComponentType, Any]]
"""Solves a model with the loads that its buffer holds."""


class NotConverged(Exception):
    """There is no solution that the power flow could find."""


@dataclass(frozen=True, slots=True)
class Tree:
    """``k`` nodes in order of their ``s`` substations, and what stands between them.

    ``before`` is the node on the way to the busbar, -1 if that is the busbar; ``ohm``, ``reactance_ohm``
    and ``farad`` are of the line from there. ``branch`` counts within the substation.
    """

    substation: Indices
    branch: Indices
    before: Indices
    resistance_ohm: Floats
    reactance_ohm: Floats
    capacitance_f: Floats
    current_max_a: Floats
    plans: tuple[NetworkPlan, ...]
    nominal_voltage_v: Floats
    source_voltage_v: Floats

    def cut(self, first: int, last: int) -> Tree:
        """Return the substations ``first`` to before ``last`` as a tree of their own."""
        begin, end = np.searchsorted(self.substation, (first, last))
        of_nodes = {
            each.name: getattr(self, each.name)[begin:end]
            for each in fields(self)
            if each.name not in ("plans", "nominal_voltage_v", "source_voltage_v")
        }
        of_nodes["substation"] = of_nodes["substation"] - first
        of_nodes["before"] = np.where(of_nodes["before"] < 0, -1, of_nodes["before"] - begin)
        return Tree(
            **of_nodes,
            plans=self.plans[first:last],
            nominal_voltage_v=self.nominal_voltage_v[first:last],
            source_voltage_v=self.source_voltage_v[first:last],
        )


def tree(
    plans: tuple[NetworkPlan, ...],
    nominal_voltage_v: Floats,
    source_voltage_v: Floats,
    substation: Indices,
    branch: Indices,
    position: Floats,
) -> tuple[Tree, Indices]:
    """Gather customers at nodes.

    Parameters
    ----------
    plans, nominal_voltage_v, source_voltage_v : one a substation
        Of what it is built, and its voltages line to neutral.
    substation, branch : (n,) integer
        Where a customer is.
    position : (n,)
        Share of the branch's length between busbar and customer, above 0 to 1.

    Returns
    -------
    Tree, (n,) integer
        The nodes somebody is at, and which of them each customer is at.
    """
    slot = np.clip(np.ceil(position * NODES_A_BRANCH), 1, NODES_A_BRANCH).astype(np.intp)
    lanes = max((plan.branches for plan in plans), default=1)
    codes, node = np.unique((substation * lanes + branch) * (NODES_A_BRANCH + 1) + slot, return_inverse=True)
    lane, slots = np.divmod(codes, NODES_A_BRANCH + 1)
    at, branches = np.divmod(lane, lanes)
    first = np.concatenate(([True], lane[1:] != lane[:-1])) if len(lane) else np.zeros(0, dtype=np.bool_)
    before = np.where(first, -1, np.arange(len(lane)) - 1)
    stretch = (slots - np.where(first, 0, np.roll(slots, 1))) / NODES_A_BRANCH

    def of_plan(value: Any) -> Floats:
        return np.array([value(plan) for plan in plans], dtype=np.float64)[at]

    parallel = of_plan(lambda plan: plan.parallel)
    km = stretch * of_plan(lambda plan: plan.length_m) / 1e3
    return (
        Tree(
            substation=at,
            branch=branches,
            before=before,
            resistance_ohm=km * of_plan(lambda plan: plan.cable.resistance_ohm_per_km) / parallel,
            reactance_ohm=km * of_plan(lambda plan: plan.cable.reactance_ohm_per_km) / parallel,
            capacitance_f=km * of_plan(lambda plan: plan.cable.capacitance_nf_per_km) * 1e-9 * parallel,
            current_max_a=of_plan(lambda plan: plan.cable.current_max_a) * parallel,
            plans=plans,
            nominal_voltage_v=nominal_voltage_v,
            source_voltage_v=source_voltage_v,
        ),
        node.astype(np.intp),
    )


class Part:
    """Some substations and their model. ``nodes`` and ``substations`` say where they are in the whole."""

    def __init__(self, whole: Tree, first: int, last: int) -> None:
        begin, end = (int(each) for each in np.searchsorted(whole.substation, (first, last)))
        self.nodes = slice(begin, end)
        self.substations = slice(first, last)
        self.tree = whole.cut(first, last)
        self.turn_in_s = 0.0
        """Site time until it is solved again at the latest."""
        s, k = last - first, end - begin
        self._ids: dict[ComponentType, npt.NDArray[np.int32]] = {}
        start = 0
        for component, count in (
            (ComponentType.node, 2 * s + k),  # medium voltage, busbars, nodes
            (ComponentType.line, k),
            (ComponentType.transformer, s),
            (ComponentType.source, s),
            (ComponentType.asym_load, k),
        ):
            self._ids[component] = np.arange(start, start + count, dtype=np.int32)
            start += count
        self._model = PowerGridModel(
            {
                ComponentType.node: self._node_rows(),
                ComponentType.line: self._line_rows(),
                ComponentType.transformer: self._transformer_rows(),
                ComponentType.source: self._source_rows(),
                ComponentType.asym_load: self._load_rows(),
            },
            system_frequency=50.0,
        )
        self._across_v = np.sqrt(3.0) * self.tree.nominal_voltage_v
        self._per_va = np.sqrt(3.0) / np.array([plan.transformer.rated_va for plan in self.tree.plans])
        # Without ids: all the loads there are, in the model's own order.
        self._loads = initialize_array(DatasetType.update, ComponentType.asym_load, k)
        self._drawn_w, self._drawn_var = self._loads["p_specified"].T, self._loads["q_specified"].T
        known = version("power-grid-model").startswith(_LAID_OUT_ONCE)
        self._solve: Solve = (_laid_out_once if known else _laid_out_each_time)(self._model, self._loads)
        self._found: Mapping[ComponentType, Any] = {}

    @property
    def count(self) -> int:
        return len(self.tree.plans)

    def solve(self, active_w: Floats, reactive_var: Floats) -> Floats:
        """Find the voltages for powers by phase and node ``(3, k)`` [W, var], plus delivered to the feeder.

        They are ``(3, k)`` and stand until the next call. Raises ``NotConverged``, and the next call starts
        afresh.
        """
        np.negative(active_w, out=self._drawn_w)
        np.negative(reactive_var, out=self._drawn_var)
        try:
            self._found = self._solve()
        except PowerGridError as error:
            raise NotConverged(str(error).partition("\n")[0]) from error
        voltage: Floats = self._found[ComponentType.node]["u"][2 * self.count :].T
        return voltage

    def flows(self) -> Floats:
        """What flows by the last solution, ``(5, s)``; a call of ``solve`` that fails leaves it as it was.

        Active and reactive power [W, var] at the medium voltage, plus towards it, the losses [W] of cables
        and of the transformer, and how full that is [1].
        """
        transformers = self._found[ComponentType.transformer]
        in_cables: Floats = np.zeros(len(self.tree.substation))
        if len(in_cables):  # where nobody stands there are no cables, and the library names none
            lines = self._found[ComponentType.line]
            in_cables = np.add(lines["p_from"].T, lines["p_to"].T, order="C").sum(axis=0)
        return np.array(
            (
                -transformers["p_from"].sum(axis=1),
                -transformers["q_from"].sum(axis=1),
                np.bincount(self.tree.substation, weights=in_cables, minlength=self.count),
                (transformers["p_from"] + transformers["p_to"]).sum(axis=1),
                self._fullest(transformers),
            )
        )

    def _fullest(self, transformers: Any) -> Floats:
        """Current of each transformer's fullest winding over its rated current: that of a phase, on either side."""
        most = np.maximum(
            transformers["i_from"].max(axis=1) * MEDIUM_VOLTAGE_V, transformers["i_to"].max(axis=1) * self._across_v
        )
        return np.asarray(most * self._per_va)

    def switch(self, substation: int, branch: int | None, closed: bool) -> None:
        """Close or open a substation's transformer at both ends, or one of its branches at the busbar."""
        if branch is None:
            component, chosen = ComponentType.transformer, np.array([substation])
        else:
            ours = (self.tree.substation == substation) & (self.tree.branch == branch) & (self.tree.before < 0)
            component, chosen = ComponentType.line, np.flatnonzero(ours)
        rows = initialize_array(DatasetType.update, component, len(chosen))
        rows["id"] = self._ids[component][chosen]
        rows["from_status"] = rows["to_status"] = int(closed)
        self._model.update(update_data={component: rows})

    # ----------------------------------------------------------------------------------- model

    def _rows(self, component: ComponentType) -> Any:
        ids = self._ids[component]
        rows = initialize_array(DatasetType.input, component, len(ids))
        rows["id"] = ids
        return rows

    def _node_rows(self) -> Any:
        rows = self._rows(ComponentType.node)
        across = np.sqrt(3.0) * self.tree.nominal_voltage_v
        low = across[self.tree.substation]
        rows["u_rated"] = np.concatenate((np.full(self.count, MEDIUM_VOLTAGE_V), across, low))
        return rows

    def _line_rows(self) -> Any:
        rows, here = self._rows(ComponentType.line), self.tree
        nodes = self._ids[ComponentType.node]
        own = 2 * self.count + np.arange(len(here.substation))
        from_busbar = self.count + here.substation
        rows["from_node"] = nodes[np.where(here.before < 0, from_busbar, 2 * self.count + here.before)]
        rows["to_node"] = nodes[own]
        rows["from_status"] = rows["to_status"] = 1
        rows["r1"], rows["x1"], rows["c1"] = here.resistance_ohm, here.reactance_ohm, here.capacitance_f
        rows["r0"], rows["x0"] = ZERO_SEQUENCE * here.resistance_ohm, ZERO_SEQUENCE * here.reactance_ohm
        rows["c0"] = here.capacitance_f
        rows["tan1"] = rows["tan0"] = 0.0
        rows["i_n"] = here.current_max_a
        return rows

    def _transformer_rows(self) -> Any:
        rows = self._rows(ComponentType.transformer)
        nodes = self._ids[ComponentType.node]
        made = [plan.transformer for plan in self.tree.plans]
        rows["from_node"], rows["to_node"] = nodes[: self.count], nodes[self.count : 2 * self.count]
        rows["from_status"] = rows["to_status"] = 1
        rows["u1"], rows["u2"] = MEDIUM_VOLTAGE_V, np.sqrt(3.0) * self.tree.nominal_voltage_v
        rows["sn"] = [each.rated_va for each in made]
        rows["uk"] = [each.uk_frac for each in made]
        rows["pk"] = [each.load_loss_w for each in made]
        rows["p0"] = [each.no_load_loss_w for each in made]
        # A share of current that only magnetises, besides what the losses need.
        rows["i0"] = [1.001 * each.no_load_loss_w / each.rated_va for each in made]
        rows["winding_from"], rows["winding_to"], rows["clock"] = WindingType.delta, WindingType.wye_n, 5
        for name in ("tap_side", "tap_pos", "tap_min", "tap_max", "tap_nom", "tap_size"):
            rows[name] = 0
        return rows

    def _source_rows(self) -> Any:
        rows = self._rows(ComponentType.source)
        rows["node"] = self._ids[ComponentType.node][: self.count]
        rows["status"] = 1
        rows["u_ref"] = self.tree.source_voltage_v / self.tree.nominal_voltage_v
        return rows

    def _load_rows(self) -> Any:
        rows = self._rows(ComponentType.asym_load)
        rows["node"] = self._ids[ComponentType.node][2 * self.count :]
        rows["status"] = 1
        rows["type"] = LoadGenType.const_power
        rows["p_specified"] = rows["q_specified"] = 0.0
        return rows


def _laid_out_each_time(model: PowerGridModel, loads: Any) -> Solve:
    """Return how to solve a model by power-grid-model's public functions."""

    def solve() -> Mapping[ComponentType, Any]:
        model.update(update_data={ComponentType.asym_load: loads})
        found: Mapping[ComponentType, Any] = model.calculate_power_flow(**_ASKED, output_component_types=_WANTED)
        return found

    return solve


def _laid_out_once(model: PowerGridModel, loads: Any) -> Solve:
    """Return how to solve a model with buffers of loads and results that the library is told of once.

    Its public functions tell it anew at every call, a quarter of the time of some hundred nodes. What they
    do is done here with the same inner functions, which another version may not have. Each solution
    overwrites the one before.
    """
    from power_grid_model._core import data_handling, power_grid_core
    from power_grid_model._core.enum import CalculationType
    from power_grid_model._core.error_handling import assert_no_error

    inner: Any = model
    kind = CalculationType.power_flow
    found: dict[Any, Any] = inner._construct_output(_WANTED, kind, symmetric=False, is_batch=False, batch_size=1)
    results = data_handling.prepare_output_view(found, DatasetType.asym_output)
    changes = data_handling.prepare_update_view({ComponentType.asym_load: loads})
    options = inner._options(
        calculation_type=kind, **_ASKED, threading=-1, tap_changing_strategy=TapChangingStrategy.disabled
    )
    no_batch = power_grid_core.ConstDatasetPtr()

    def solve() -> Mapping[ComponentType, Any]:
        core = power_grid_core.get_power_grid_core()
        core.update_model(inner._model, changes.get_dataset_ptr())
        assert_no_error()
        core.calculate(inner._model, options.opt, output_data=results.get_dataset_ptr(), update_data=no_batch)
        assert_no_error()
        return found

    return solve
