"""Who is connected where: the customers of the feeders, and the nodes and lines of low-voltage networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import FEEDER
from pilotfarm.emulators.physics.grid import NetworkPlan

Indices: TypeAlias = npt.NDArray[np.intp]


class Supply(NamedTuple):
    """What feeds customers: a feeder by its name, or one of its transformers or branches, counted from 0 over it."""

    feeder: str
    at: str = FEEDER
    number: int = 0


NODES_PER_BRANCH: Final = 12
"""Customers of a branch are connected at this many equally spaced nodes; nodes without a customer are left out."""

_PER_SUBSTATION: Final = ("plans", "nominal_voltage_v", "source_voltage_v")


@dataclass(frozen=True, slots=True)
class Customers:
    """The customers of the feeders, one row a device.

    ``feeder`` is the feeder's number, ``branch`` a draw in [0, 1) that selects one of its branches,
    ``position`` the share of the way along it, above 0 to 1. ``draw_w`` and ``deliver_w`` are the powers a
    customer is rated to draw and to deliver [W, >= 0]: a feeder that is not described is sized by them.
    """

    feeder: Indices
    branch: Floats
    position: Floats
    draw_w: Floats
    deliver_w: Floats


@dataclass(frozen=True, slots=True)
class Topology:
    """``k`` nodes in the order of their ``s`` substations, and the lines between them.

    ``upstream`` is the next node towards the busbar, -1 for the busbar itself; resistance, reactance,
    capacitance and rated current are those of the line between the two. ``branch`` counts within a
    substation. Voltages are line to neutral, one a substation.
    """

    substation: Indices
    branch: Indices
    upstream: Indices
    resistance_ohm: Floats
    reactance_ohm: Floats
    capacitance_f: Floats
    rated_current_a: Floats
    plans: tuple[NetworkPlan, ...]
    nominal_voltage_v: Floats
    source_voltage_v: Floats

    def subset(self, first: int, end: int) -> Topology:
        """Return the substations ``first`` to before ``end`` as a topology of their own."""
        begin, stop = np.searchsorted(self.substation, (first, end))
        of_nodes = {
            each.name: getattr(self, each.name)[begin:stop] for each in fields(self) if each.name not in _PER_SUBSTATION
        }
        of_nodes["substation"] = of_nodes["substation"] - first
        of_nodes["upstream"] = np.where(of_nodes["upstream"] < 0, -1, of_nodes["upstream"] - begin)
        return Topology(**of_nodes, **{name: getattr(self, name)[first:end] for name in _PER_SUBSTATION})


def connected(
    plans: tuple[NetworkPlan, ...],
    nominal_voltage_v: Floats,
    source_voltage_v: Floats,
    substation: Indices,
    branch: Indices,
    position: Floats,
) -> tuple[Topology, Indices]:
    """Connect customers to the nodes of their branches.

    Parameters
    ----------
    plans, nominal_voltage_v, source_voltage_v : one a substation
        What it consists of, and its voltages line to neutral. [V]
    substation, branch : (n,) integer
        Where a customer is connected.
    position : (n,)
        Share of the branch's length between busbar and customer, above 0 to 1.

    Returns
    -------
    Topology, (n,) integer
        The nodes with a customer, and the node of each customer.
    """
    step = np.clip(np.ceil(position * NODES_PER_BRANCH), 1, NODES_PER_BRANCH).astype(np.intp)
    branches_max = max((plan.branches for plan in plans), default=1)
    codes, node = np.unique((substation * branches_max + branch) * (NODES_PER_BRANCH + 1) + step, return_inverse=True)
    code, steps = np.divmod(codes, NODES_PER_BRANCH + 1)
    at, branches = np.divmod(code, branches_max)
    is_first = np.concatenate(([True], code[1:] != code[:-1])) if len(code) else np.zeros(0, dtype=np.bool_)
    upstream = np.where(is_first, -1, np.arange(len(code)) - 1)
    share = (steps - np.where(is_first, 0, np.roll(steps, 1))) / NODES_PER_BRANCH

    def of_plan(value: Callable[[NetworkPlan], float]) -> Floats:
        return np.array([value(plan) for plan in plans], dtype=np.float64)[at]

    parallel = of_plan(lambda plan: plan.parallel)
    km = share * of_plan(lambda plan: plan.length_m) / 1e3
    return (
        Topology(
            substation=at,
            branch=branches,
            upstream=upstream,
            resistance_ohm=km * of_plan(lambda plan: plan.cable.resistance_ohm_per_km) / parallel,
            reactance_ohm=km * of_plan(lambda plan: plan.cable.reactance_ohm_per_km) / parallel,
            capacitance_f=km * of_plan(lambda plan: plan.cable.capacitance_nf_per_km) * 1e-9 * parallel,
            rated_current_a=of_plan(lambda plan: plan.cable.current_max_a) * parallel,
            plans=plans,
            nominal_voltage_v=nominal_voltage_v,
            source_voltage_v=source_voltage_v,
        ),
        node.astype(np.intp),
    )
