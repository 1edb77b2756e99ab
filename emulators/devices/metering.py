"""What the meter in a device shows: the power of all phases together, and registers of energy.

Power is constant over a step. What flows out and what flows in have registers of their own, in all phases together
and, where a device has them (``quantities.METERING``), in each: a phase may deliver while another draws.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, nothing


class _Phase(NamedTuple):
    """The names of a phase's columns."""

    active: str
    reactive: str
    voltage: str
    current: str
    exported: str
    imported: str
    reactive_exported: str
    reactive_imported: str
    apparent: str


_PHASES: Final = tuple(
    _Phase(
        f"active_power_{phase}_w",
        f"reactive_power_{phase}_var",
        f"voltage_{phase}_v",
        f"current_{phase}_a",
        f"energy_exported_{phase}_wh",
        f"energy_imported_{phase}_wh",
        f"reactive_energy_exported_{phase}_varh",
        f"reactive_energy_imported_{phase}_varh",
        f"apparent_energy_{phase}_vah",
    )
    for phase in ("l1", "l2", "l3")
)


def show_totals(new: Columns, active_w: Floats, reactive_var: Floats, apparent_va: Floats, dt_s: float) -> None:
    """Show the power of all phases and count its energy over a step, in the step's own columns."""
    new["active_power_w"] = active_w
    new["reactive_power_var"] = reactive_var
    new["apparent_power_va"] = apparent_va
    new["power_factor"] = np.divide(active_w, apparent_va, out=np.ones_like(apparent_va), where=apparent_va > 0.0)
    hours = dt_s / 3600.0
    _count(new, "energy_exported_wh", "energy_imported_wh", active_w, hours)
    _count(new, "reactive_energy_exported_varh", "reactive_energy_imported_varh", reactive_var, hours)
    if "charge_ah" in new:
        _count_by_phase(new, apparent_va, hours)


def _count_by_phase(new: Columns, apparent_va: Floats, hours: float) -> None:
    """Count what a device with a meter counts besides, over a step, in the step's own columns."""
    for phase in _PHASES:
        _count(new, phase.exported, phase.imported, new[phase.active], hours)
        _count(new, phase.reactive_exported, phase.reactive_imported, new[phase.reactive], hours)
        new[phase.apparent] = new[phase.apparent] + new[phase.voltage] * new[phase.current] * hours
    new["apparent_energy_vah"] = new["apparent_energy_vah"] + apparent_va * hours
    current_a = new["current_l1_a"] + new["current_l2_a"] + new["current_l3_a"]
    new["charge_ah"] = new["charge_ah"] + current_a * hours


def _count(new: Columns, out: str, into: str, power: Floats, hours: float) -> None:
    """Count a power of one step in two registers of the step's own columns, by its sign."""
    if power is nothing(len(power)):
        return
    energy = power * hours
    delivered = np.maximum(energy, 0.0)
    new[out] = new[out] + delivered
    new[into] = new[into] + (delivered - energy)
