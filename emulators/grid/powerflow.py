"""The power flow of low-voltage networks behind transformers, by phase, with power-grid-model.

Each substation is an island of its own behind a stiff medium voltage: a transformer Dyn5, lines with a
fourth conductor of the phases' cross-section (so zero-sequence currents meet four times the impedance),
loads of constant power between phase and neutral. Valid for radial three-phase networks in the steady
state at 50 Hz.

References
----------
.. [1] Xiang et al., "Power Grid Model: a high-performance distribution grid calculation library", CIRED
   2023, doi 10.1049/icp.2023.0633.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    DatasetType,
    LoadGenType,
    PowerGridModel,
    WindingType,
    initialize_array,
)
from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]  # not in its __all__

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.grid.topology import Topology
from pilotfarm.emulators.physics.grid import ZERO_SEQUENCE

MEDIUM_VOLTAGE_V: Final = 20_000.0

_TOLERANCE: Final = 1e-6
"""Maximum move of a voltage in the last iteration, per unit.

An iteration leaves some hundredths of the move before it, so voltages are within 0.1 mV of their limit, far
below a meter's 10 mV. What a transformer delivers differs from what customers and losses take by at most this
share of the power that flows, so a balance holds to a millionth. An iteration is a twelfth of a power flow:
each begins at the source's voltage, as the library keeps its matrix's factors from one to the next, not voltages.
"""
_ITERATIONS_MAX: Final = 50
_OPTIONS: Final[Mapping[str, Any]] = {
    "symmetric": False,
    "error_tolerance": _TOLERANCE,
    "max_iterations": _ITERATIONS_MAX,
    "calculation_method": CalculationMethod.iterative_current,
    "output_component_types": {ComponentType.node, ComponentType.line, ComponentType.transformer},
}


class NotConverged(Exception):
    """The power flow found no solution."""


class PowerFlow:
    """Some substations, solved together. ``nodes`` and ``substations`` are their places in the whole."""

    def __init__(self, whole: Topology, first: int, end: int) -> None:
        begin, stop = (int(each) for each in np.searchsorted(whole.substation, (first, end)))
        self.nodes = slice(begin, stop)
        self.substations = slice(first, end)
        self.topology = whole.subset(first, end)
        self.due_in_s = 0.0
        """Site time until it is solved again at the latest."""
        s, k = end - first, stop - begin
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
        self._line_to_line_v = np.sqrt(3.0) * self.topology.nominal_voltage_v
        self._per_va = np.sqrt(3.0) / np.array([plan.transformer.rated_va for plan in self.topology.plans])
        # Without ids: all loads, in the model's order.
        self._loads = initialize_array(DatasetType.update, ComponentType.asym_load, k)
        self._load_w, self._load_var = self._loads["p_specified"].T, self._loads["q_specified"].T
        self._result: Mapping[ComponentType, Any] = {}

    @property
    def count(self) -> int:
        return len(self.topology.plans)

    def solve(self, active_w: Floats, reactive_var: Floats) -> Floats:
        """Return the voltages ``(3, k)`` [V] for powers by phase and node ``(3, k)`` [W, var], plus to the feeder.

        Raises ``NotConverged``; the next call starts afresh.
        """
        np.negative(active_w, out=self._load_w)
        np.negative(reactive_var, out=self._load_var)
        try:
            self._model.update(update_data={ComponentType.asym_load: self._loads})
            self._result = self._model.calculate_power_flow(**_OPTIONS)
        except PowerGridError as error:
            raise NotConverged(str(error).partition("\n")[0]) from error
        voltage: Floats = self._result[ComponentType.node]["u"][2 * self.count :].T
        return voltage

    def flows(self) -> Floats:
        """Return what flows by the last solution, ``(5, s)``; a call of ``solve`` that fails leaves it as it was.

        Active and reactive power [W, var] at the medium voltage, plus towards it, the losses of the cables
        and of the transformer [W], and the transformer's loading [1].
        """
        transformers = self._result[ComponentType.transformer]
        in_cables: Floats = np.zeros(len(self.topology.substation))
        if len(in_cables):  # without customers there are no cables, and the library names none
            lines = self._result[ComponentType.line]
            in_cables = np.add(lines["p_from"].T, lines["p_to"].T, order="C").sum(axis=0)
        return np.array(
            (
                -transformers["p_from"].sum(axis=1),
                -transformers["q_from"].sum(axis=1),
                np.bincount(self.topology.substation, weights=in_cables, minlength=self.count),
                (transformers["p_from"] + transformers["p_to"]).sum(axis=1),
                self._loading(transformers),
            )
        )

    def _loading(self, transformers: Any) -> Floats:
        """Current over rated current of each transformer's most loaded winding: that of a phase, on either side."""
        highest = np.maximum(
            transformers["i_from"].max(axis=1) * MEDIUM_VOLTAGE_V,
            transformers["i_to"].max(axis=1) * self._line_to_line_v,
        )
        return np.asarray(highest * self._per_va)

    def split(self, whole: Topology) -> list[PowerFlow]:
        """Return a power flow for each of its substations."""
        first = self.substations.start
        single = [PowerFlow(whole, first + index, first + index + 1) for index in range(self.count)]
        for each in single:
            each.due_in_s = self.due_in_s
        return single

    # ----------------------------------------------------------------------------------- model

    def _rows(self, component: ComponentType) -> Any:
        ids = self._ids[component]
        rows = initialize_array(DatasetType.input, component, len(ids))
        rows["id"] = ids
        return rows

    def _node_rows(self) -> Any:
        rows = self._rows(ComponentType.node)
        low = np.sqrt(3.0) * self.topology.nominal_voltage_v
        at_nodes = low[self.topology.substation]
        rows["u_rated"] = np.concatenate((np.full(self.count, MEDIUM_VOLTAGE_V), low, at_nodes))
        return rows

    def _line_rows(self) -> Any:
        rows, here = self._rows(ComponentType.line), self.topology
        nodes = self._ids[ComponentType.node]
        own = 2 * self.count + np.arange(len(here.substation))
        from_busbar = self.count + here.substation
        rows["from_node"] = nodes[np.where(here.upstream < 0, from_busbar, 2 * self.count + here.upstream)]
        rows["to_node"] = nodes[own]
        rows["from_status"] = rows["to_status"] = 1
        rows["r1"], rows["x1"], rows["c1"] = here.resistance_ohm, here.reactance_ohm, here.capacitance_f
        rows["r0"], rows["x0"] = ZERO_SEQUENCE * here.resistance_ohm, ZERO_SEQUENCE * here.reactance_ohm
        rows["c0"] = here.capacitance_f
        rows["tan1"] = rows["tan0"] = 0.0
        rows["i_n"] = here.rated_current_a
        return rows

    def _transformer_rows(self) -> Any:
        rows = self._rows(ComponentType.transformer)
        nodes = self._ids[ComponentType.node]
        made = [plan.transformer for plan in self.topology.plans]
        rows["from_node"], rows["to_node"] = nodes[: self.count], nodes[self.count : 2 * self.count]
        rows["from_status"] = rows["to_status"] = 1
        rows["u1"], rows["u2"] = MEDIUM_VOLTAGE_V, np.sqrt(3.0) * self.topology.nominal_voltage_v
        rows["sn"] = [each.rated_va for each in made]
        rows["uk"] = [each.uk_frac for each in made]
        rows["pk"] = [each.load_loss_w for each in made]
        rows["p0"] = [each.no_load_loss_w for each in made]
        # A small magnetising current, besides that of the losses.
        rows["i0"] = [1.001 * each.no_load_loss_w / each.rated_va for each in made]
        rows["winding_from"], rows["winding_to"], rows["clock"] = WindingType.delta, WindingType.wye_n, 5
        for name in ("tap_side", "tap_pos", "tap_min", "tap_max", "tap_nom", "tap_size"):
            rows[name] = 0
        return rows

    def _source_rows(self) -> Any:
        rows = self._rows(ComponentType.source)
        rows["node"] = self._ids[ComponentType.node][: self.count]
        rows["status"] = 1
        rows["u_ref"] = self.topology.source_voltage_v / self.topology.nominal_voltage_v
        return rows

    def _load_rows(self) -> Any:
        rows = self._rows(ComponentType.asym_load)
        rows["node"] = self._ids[ComponentType.node][2 * self.count :]
        rows["status"] = 1
        rows["type"] = LoadGenType.const_power
        rows["p_specified"] = rows["q_specified"] = 0.0
        return rows
