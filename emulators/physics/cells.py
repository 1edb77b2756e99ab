"""Lithium-ion cells: open circuit voltage and resistance by table, read from ``profiles/cells``.

A column holds a chemistry as its place in ``NAMES``; a battery is a number of equal cells, and everything here is
of one cell. Voltages are linear between 201 states of charge, so their integral over the charge is known exactly:
it is the energy a cell holds, and no way through the states of charge can make any.

The voltage is the mean of those after charge and after discharge; its hysteresis of some 20 mV (LFP) is left out, for
taken with one sign it would make energy. Resistances are held below 10 degC and above 60 degC.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import yaml

from pilotfarm.emulators.columns.arrays import Floats, Indices, anywhere, is_nothing

NAMES: Final = ("lfp", "nmc")
"""The chemistries a site file may name; the first is the default."""
_STEPS: Final = 200
_CHARGES: Final = np.linspace(0.0, 1.0, _STEPS + 1)
_COLDEST: Final = 10.0
_WARMER: Final = 5.0
_WARMTHS: Final = _COLDEST + _WARMER * np.arange(11)
_ROWS: Final = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a group: ``kind`` is the place in ``NAMES``; numbers if all are alike, else arrays ``(n,)``."""

    kind: int | Indices
    nominal_v: float | Floats
    capacity_ah: float | Floats
    voltage_min_v: float | Floats
    voltage_max_v: float | Floats
    heat_j_per_k: float | Floats

    @property
    def nominal_wh(self) -> float | Floats:
        return self.nominal_v * self.capacity_ah


@dataclass(frozen=True, slots=True)
class _Tables:
    """What is read between nodes, all chemistries behind one another; at a last node nothing goes on."""

    open: Floats
    """``(3, ...)``: the voltage, its slope and its integral over the state of charge."""
    ohms: Floats
    """``(4, 2, ...)``: the resistance, by warmth, by charge and by both; to charge and to discharge."""


@cache
def _raw(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (files("pilotfarm.profiles") / "cells" / f"{name}.yaml").read_text(encoding="utf-8")
    )
    return found


def _volts(raw: dict[str, Any]) -> Floats:
    """Open circuit voltage of a chemistry at ``_CHARGES``, from its table or its formula."""
    if "open_circuit_v" in raw:
        return np.array(raw["open_circuit_v"], dtype=np.float64)
    formula = raw["open_circuit"]
    volts = formula["offset_v"] + formula["slope_v"] * _CHARGES
    for height, steepness, centre in formula["sigmoids"]:
        volts = volts + height / (1.0 + np.exp(steepness * (_CHARGES - centre)))
    return np.asarray(volts)


def _ohms(raw: dict[str, Any], direction: str) -> Floats:
    """Resistance of a chemistry at ``_ROWS`` and ``_WARMTHS``, which hold every node of its table."""
    table = np.array(raw[direction], dtype=np.float64)
    charges = np.linspace(0.0, 1.0, len(table))
    warm = np.stack([np.interp(_WARMTHS, raw["temperature_degc"], row) for row in table])
    return np.stack([np.interp(_ROWS, charges, column) for column in warm.T], axis=1)


@cache
def _tables() -> _Tables:
    volts = np.stack([_volts(_raw(name)) for name in NAMES])
    slopes = np.diff(volts, axis=1) * _STEPS
    slopes = np.concatenate((slopes, slopes[:, -1:]), axis=1)  # a full cell's is that on the way to it
    energies = np.zeros_like(volts)
    np.cumsum((volts[:, :-1] + volts[:, 1:]) * (0.5 / _STEPS), axis=1, out=energies[:, 1:])
    ohms = np.stack([[_ohms(_raw(name), f"{way}_ohm") for name in NAMES] for way in ("charge", "discharge")])
    by_warmth = np.diff(ohms, axis=3, append=ohms[..., -1:])
    by_charge = np.diff(ohms, axis=2, append=ohms[:, :, -1:])
    by_both = np.diff(by_charge, axis=3, append=by_charge[..., -1:])
    coefficients = np.stack((ohms, by_warmth, by_charge, by_both)).reshape(4, 2, -1)
    return _Tables(np.stack((volts, slopes, energies)).reshape(3, -1), coefficients)


@cache
def _alike(kind: int) -> Cells:
    raw = _raw(NAMES[kind])
    return Cells(
        kind,
        float(raw["nominal_voltage_v"]),
        float(raw["capacity_ah"]),
        float(raw["voltage_min_v"]),
        float(raw["voltage_max_v"]),
        float(raw["heat_capacity_j_per_k"]),
    )


def of(column: Floats) -> Cells:
    """Return the cells of batteries by their column of chemistries ``(n,)``."""
    first = int(column[0])
    if is_nothing(column) or not anywhere(column != first):
        return _alike(first)
    kinds = column.astype(np.intp)
    all_kinds = [_alike(kind) for kind in range(len(NAMES))]
    return Cells(
        kinds,
        np.array([each.nominal_v for each in all_kinds])[kinds],
        np.array([each.capacity_ah for each in all_kinds])[kinds],
        np.array([each.voltage_min_v for each in all_kinds])[kinds],
        np.array([each.voltage_max_v for each in all_kinds])[kinds],
        np.array([each.heat_j_per_k for each in all_kinds])[kinds],
    )


def open_circuit(kind: int | Indices, soc_frac: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the open circuit voltage [V], its slope and its integral over the state of charge from 0 [V].

    The integral times the capacity is the energy a cell holds.
    """
    place = (soc_frac * _STEPS).astype(np.intp)
    beyond = soc_frac - place * (1.0 / _STEPS)
    place += kind * (_STEPS + 1)
    volts, slope, energy = _tables().open.take(place, axis=1)
    risen = slope * beyond
    return volts + risen, slope, energy + beyond * (volts + 0.5 * risen)


def resistance(kind: int | Indices, soc_frac: Floats, temperature_degc: Floats) -> Floats:
    """Return the resistance [ohm] to charge and to discharge ``(2, n)``, new; bilinear in charge and temperature."""
    up = soc_frac * (len(_ROWS) - 1.0)
    row = up.astype(np.intp)
    up -= row
    right = (temperature_degc - _COLDEST) * (1.0 / _WARMER)
    right = np.minimum(np.maximum(right, 0.0), len(_WARMTHS) - 1.0)
    place = right.astype(np.intp)
    right -= place
    place += (row + kind * len(_ROWS)) * len(_WARMTHS)
    at_node, by_warmth, by_charge, by_both = _tables().ohms.take(place, axis=2)
    return np.asarray(at_node + right * by_warmth + up * (by_charge + right * by_both))
