"""The power flow of one disturbed substation, by phase, with phasors: its source need not be even, nor its switches.

power-grid-model's sources are balanced and its switches open all phases, so a substation that a fault disturbs is
solved here for as long as it does. It is the same substation: the transformer is the impedance of its windings a
phase, lines have a fourth conductor of the phases' cross-section, loads are of constant power. Currents are summed up
from the ends of the branches to the transformer and voltages found on the way back, until they stand still [1].

A phase that is open at a branch or at the low-voltage side is dark, at 0 V; what the neighbours' current induces in it
is left out, as are the cables' capacitances. Behind a delta winding one open phase of the medium voltage leaves one
low-voltage phase whole: the windings of the other two are then in series on what is left, and share it by what stands
on them [2]. Loads are impedances then, by their power and the voltage they had: the voltage of two constant powers in
series is not determined.

References
----------
.. [1] Shirmohammadi et al., "A compensation-based power flow method for weakly meshed distribution and transmission
   networks", IEEE Transactions on Power Systems 3(2):753-762, 1988, doi 10.1109/59.192932.
.. [2] Kersting, "Distribution System Modeling and Analysis", 3rd ed., 2012, 8.5 (the delta - grounded wye step-down
   connection; an open phase is a boundary condition more).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import NOTHING, Disturbance, Open, together
from pilotfarm.emulators.grid.powerflow import NotConverged
from pilotfarm.emulators.grid.topology import Topology
from pilotfarm.emulators.physics.grid import ZERO_SEQUENCE

Phasors: TypeAlias = npt.NDArray[np.complex128]

TOLERANCE: Final = 1e-7
"""Maximum move of a voltage in the last sweep, per unit."""
SWEEPS_MAX: Final = 100
NO_VOLTAGE_V: Final = 1e-3
"""What is no more than this is none: nobody is to divide by it."""
TAP_MAX_FRAC: Final = 0.5
"""However many faults move a tap, its changer has an end."""

_EVEN: Final = np.exp(-2j * np.pi / 3.0 * np.arange(3))
_SHORT_CIRCUIT_VA: Final = 1e10
_SOURCE_RX: Final = 0.1
"""Of the medium voltage, as power-grid-model takes them where nobody says."""
_IDLE_VARS_PER_W: Final = (1.001**2 - 1.0) ** 0.5
_TINY_FRAC: Final = 1e-3
"""Of the rated power: what a winding in series with an idle one still draws."""
_LOWEST_FRAC: Final = 0.05
"""Of the nominal voltage: an impedance is told by no lower one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What disturbs a substation: as a whole, and its branches by their numbers in it."""

    whole: Disturbance = NOTHING
    branches: Mapping[int, Disturbance] = field(default_factory=dict)


EVEN: Final = Condition()


class Sweep:
    """One substation. ``here`` is a topology of it alone, of ``k`` nodes."""

    def __init__(self, here: Topology) -> None:
        self._plan = plan = here.plans[0]
        self._nominal_v, self._source_v = float(here.nominal_voltage_v[0]), float(here.source_voltage_v[0])
        # Nodes stand in the order of their branches, and along them.
        first = here.upstream < 0
        row = np.cumsum(first) - 1
        start = np.flatnonzero(first)
        self._branches = here.branch[start]
        self._at = (slice(None), row, np.arange(len(row)) - start[row] if len(row) else row)
        """Where the nodes are in an array ``(3, b, w)`` by branch and place along it."""
        self._shape = (3, len(start), int(self._at[2].max(initial=-1)) + 1)
        self._line = np.zeros(self._shape[1:], dtype=np.complex128)
        self._line[self._at[1:]] = here.resistance_ohm + 1j * here.reactance_ohm
        made = plan.transformer
        base_ohm = 3.0 * self._nominal_v**2 / made.rated_va
        resistance = made.load_loss_w / made.rated_va
        winding = base_ohm * (resistance + 1j * (made.uk_frac**2 - resistance**2) ** 0.5)
        self._idle_va = made.no_load_loss_w * (1.0 + 1j * _IDLE_VARS_PER_W)
        medium = 3.0 * self._nominal_v**2 / _SHORT_CIRCUIT_VA / abs(_SOURCE_RX + 1j) * (_SOURCE_RX + 1j)
        self._winding = winding + medium
        self._last_v: Floats = np.full(self._shape, self._nominal_v)
        self._flows = np.zeros(5)

    # ---------------------------------------------------------------------------------- solve

    def solve(self, condition: Condition, active_w: Floats, reactive_var: Floats) -> Phasors:
        """Return the voltages ``(3, k)`` [V] for powers by phase and node ``(3, k)`` [W, var], plus to the feeder.

        Raises ``NotConverged``, and keeps what it had.
        """
        whole, live = condition.whole, self._live(condition)
        if whole.cut_off or sum(whole.blown) > 1:
            self._flows = np.zeros(5)
            return self._dark()
        drawn = np.zeros(self._shape, dtype=np.complex128)
        drawn[self._at] = -(active_w + 1j * reactive_var)
        drawn *= live
        winding, emf = self._winding * whole.impedance, self._opened(whole)
        voltage = (emf[:, None, None] * live) + np.zeros(self._shape)
        admittance = self._admittance(drawn) if any(whole.blown) else None
        for _ in range(SWEEPS_MAX):
            current = _constant_power(drawn, voltage) if admittance is None else admittance * voltage
            line = np.flip(np.cumsum(np.flip(current, -1), -1), -1)
            total = line[..., :1].sum(axis=(1, 2))
            if admittance is not None:
                emf = self._shared(whole, emf, total)
            drop = self._line * (line + line.sum(axis=0) * (ZERO_SEQUENCE - 1.0) / 3.0)
            swept = ((emf - winding * total)[:, None, None] - np.cumsum(drop, axis=-1)) * live
            moved = float(np.abs(swept - voltage).max(initial=0.0))
            voltage = swept
            if moved <= TOLERANCE * self._nominal_v:
                self._last_v = np.abs(voltage)
                self._flows = self._flowing(emf, winding, total, line, drop)
                return np.asarray(voltage[self._at])
        raise NotConverged("the voltages of a disturbed substation do not come to rest")

    def without_load(self, condition: Condition) -> Phasors:
        """Return the voltages ``(3, k)`` that nobody draws on."""
        if condition.whole.cut_off or sum(condition.whole.blown) > 1:
            return self._dark()
        idle = self._opened(condition.whole)[:, None, None] * self._live(condition) + np.zeros(self._shape)
        return np.asarray(idle[self._at])

    def _dark(self) -> Phasors:
        return np.zeros((3, len(self._at[1])), dtype=np.complex128)

    def _live(self, condition: Condition) -> npt.NDArray[np.bool_]:
        """Return which phases reach which branches, ``(3, b, 1)``."""
        opened = [
            together(condition.whole, condition.branches.get(branch, NOTHING)).opened
            for branch in self._branches.tolist()
        ]
        return ~np.array(opened, dtype=np.bool_).reshape(-1, 3).T[..., None]

    def _opened(self, whole: Disturbance) -> Phasors:
        """Return the voltages that the windings have without load ``(3,)``, by tap, source and fuses."""
        tap = min(max(whole.tap_frac, -TAP_MAX_FRAC), TAP_MAX_FRAC)
        emf: Phasors = self._source_v / (1.0 - tap) * np.array(whole.voltage) * _EVEN
        if any(whole.blown):
            left, shared = _windings(whole.blown)
            emf[list(shared)] = -0.5 * emf[left]
        return emf

    def _admittance(self, drawn: Phasors) -> Phasors:
        """Return loads as admittances, by what they draw and the voltage they had; who delivers adds none."""
        had_v = np.maximum(self._last_v, _LOWEST_FRAC * self._nominal_v)
        return np.asarray((np.maximum(drawn.real, 0.0) - 1j * drawn.imag) / (had_v * had_v))

    def _shared(self, whole: Disturbance, emf: Phasors, total: Phasors) -> Phasors:
        """Return the windings' voltages with two in series on the third's, by the current that each would draw."""
        left, (one, other) = _windings(whole.blown)
        tiny = _TINY_FRAC * self._plan.transformer.rated_va / (3.0 * self._nominal_v**2)
        one_s, other_s = (
            tiny + total[each] / emf[each] if abs(emf[each]) > NO_VOLTAGE_V else tiny for each in (one, other)
        )
        found = emf.copy()
        found[one], found[other] = (-emf[left] * each / (one_s + other_s) for each in (other_s, one_s))
        return found

    # ----------------------------------------------------------------------------------- read

    def flows(self) -> Floats:
        """Return what flows by the last solution ``(5,)``, as ``PowerFlow.flows`` does."""
        return self._flows

    def _flowing(self, emf: Phasors, winding: complex, total: Phasors, line: Phasors, drop: Phasors) -> Floats:
        made = self._plan.transformer
        idle_va = self._idle_va * float(np.mean(np.abs(emf) ** 2)) / self._nominal_v**2
        fed_va = (emf * np.conj(total)).sum() + idle_va
        return np.array(
            (
                -fed_va.real,
                -fed_va.imag,
                (drop * np.conj(line)).sum().real,
                winding.real * float((np.abs(total) ** 2).sum()) + idle_va.real,
                float(np.abs(total).max()) * 3.0 * self._nominal_v / made.rated_va,
            )
        )


def _constant_power(drawn: Phasors, voltage: Phasors) -> Phasors:
    """Return the currents of loads; nothing flows where there is no voltage."""
    current = np.zeros_like(drawn)
    np.divide(drawn, voltage, out=current, where=np.abs(voltage) > NO_VOLTAGE_V)
    return np.conj(current, out=current)


def _windings(blown: Open) -> tuple[int, tuple[int, int]]:
    """Return the low-voltage phase that one open phase of the medium voltage leaves whole, and the two it does not."""
    opened = blown.index(True)
    left = (opened + 1) % 3
    return left, ((left + 1) % 3, (left + 2) % 3)
