"""Wire values worked out of voltages and powers: of a phase, between two, and in the neutral conductor.

Power is counted in the direction of ``sign``: -1 counts what is drawn from the grid as positive, as meters do.
Voltages are sinusoidal and their phases 120 degrees apart, as everywhere here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.wire.derived import ReadOnly

_TURNED: Final = tuple((float(np.cos(turn)), float(np.sin(turn))) for turn in 2.0 * np.pi / 3.0 * np.arange(3))
"""Cosine and sine of the angle by which each phase is behind L1."""


@dataclass(frozen=True, slots=True)
class Apparent(ReadOnly):
    """Apparent power of an active and a reactive power. [VA]"""

    active_w: str
    reactive_var: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.active_w, self.reactive_var)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return np.hypot(columns[self.active_w], columns[self.reactive_var])


@dataclass(frozen=True, slots=True)
class PowerFactor(ReadOnly):
    """Active over apparent power, with the sign of the active; 1 without load."""

    active_w: str
    reactive_var: str
    sign: float = -1.0
    gain: float = 1.0
    min: float = -1.0
    """0 where a device has no word for the other direction."""

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.active_w, self.reactive_var)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        active_w = columns[self.active_w] * self.sign
        apparent_va = np.hypot(active_w, columns[self.reactive_var])
        factor = np.divide(active_w, apparent_va, out=np.ones_like(active_w), where=apparent_va != 0.0)
        return np.maximum(factor, self.min) * self.gain


@dataclass(frozen=True, slots=True)
class PhaseAngle(ReadOnly):
    """Angle by which the current lags the voltage, -180 to 180; 0 without load. [deg]"""

    active_w: str
    reactive_var: str
    sign: float = -1.0

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.active_w, self.reactive_var)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        # Adding 0 makes -0 of it, from which an angle of 180 degrees would come, plain 0.
        active_w = columns[self.active_w] * self.sign + 0.0
        return np.degrees(np.arctan2(columns[self.reactive_var] * self.sign + 0.0, active_w))


@dataclass(frozen=True, slots=True)
class LineToLine(ReadOnly):
    """Voltage between two phases. [V]"""

    voltage_v: str
    other_v: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.voltage_v, self.other_v)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        one, other = columns[self.voltage_v], columns[self.other_v]
        return np.sqrt(one * one + other * other + one * other)


@dataclass(frozen=True, slots=True)
class NeutralCurrent(ReadOnly):
    """Current in the neutral conductor: the sum of three phase currents as phasors. [A]"""

    phases: tuple[tuple[str, str, str], ...]
    """Voltage, active and reactive power of L1, L2 and L3."""

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(name for phase in self.phases for name in phase)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        real = imaginary = 0.0 * columns[self.phases[0][0]]
        for (voltage, active, reactive), (cosine, sine) in zip(self.phases, _TURNED, strict=True):
            volts = columns[voltage]
            per_volt = np.divide(1.0, volts, out=np.zeros_like(volts), where=~(volts <= 0.0))
            in_phase, lagging = columns[active] * per_volt, columns[reactive] * per_volt
            real = real + in_phase * cosine - lagging * sine
            imaginary = imaginary - in_phase * sine - lagging * cosine
        return np.hypot(real, imaginary)


NEUTRAL: Final = NeutralCurrent(
    tuple((f"voltage_l{phase}_v", f"active_power_l{phase}_w", f"reactive_power_l{phase}_var") for phase in (1, 2, 3))
)
"""The neutral current at a connection point."""
