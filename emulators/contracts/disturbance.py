"""What grid faults do to supplies and to the area, and what those that meet come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, TypeAlias

Open: TypeAlias = tuple[bool, bool, bool]
"""Which phases are open."""
ByPhase: TypeAlias = tuple[float, float, float]

FEEDER, TRANSFORMER, BRANCH = "feeder", "transformer", "branch"
SUPPLIES: Final = (FEEDER, TRANSFORMER, BRANCH)
"""What feeds a device: all transformers of its feeder, its own, or its branch of that."""

VOLTAGE_MAX: Final = 2.0
IMPEDANCE_MAX: Final = 1_000.0
NONE_OPEN: Final = (False, False, False)
ALL_OPEN: Final = (True, True, True)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a grid fault does to one supply of each targeted device, and to the area. As it is made, nothing.

    Phases are L1, L2, L3 of the low voltage, but for ``blown``.
    """

    at: str = ""
    """One of ``SUPPLIES``, or nothing where it acts on the area alone."""
    opened: Open = NONE_OPEN
    """Phases open at the low-voltage side of transformers, or where a branch leaves them."""
    blown: Open = NONE_OPEN
    """Phases open at the medium-voltage side of transformers."""
    voltage: ByPhase = (1.0, 1.0, 1.0)
    """Factors on the voltage of the source."""
    impedance: float = 1.0
    """Factor on the impedance of transformers, or of feeders that are one."""
    tap_frac: float = 0.0
    """By how much taps have moved, as a share of the winding; plus raises the low voltage."""
    tap_step_frac: float = 0.0
    """One step of the tap changer."""
    carried_s: float = 0.0
    """How long units behind a supply all of whose phases are open carry what is cut off with them. [s]"""
    lost_generation_w: float = 0.0
    """Generation that the area loses; minus is load."""
    frequency_hz: float = 0.0
    """By how much the frequency is off."""

    @property
    def cut_off(self) -> bool:
        """Whether nothing comes through any more."""
        return all(self.opened)

    def scaled(self, strength: float) -> Disturbance:
        """Return it on its way to full ``strength``, 0 to 1.

        Depths grow evenly, and taps move in whole steps; what opens, opens at once.
        """
        if strength >= 1.0:
            return self
        a, b, c = (1.0 + strength * (factor - 1.0) for factor in self.voltage)
        return replace(
            self,
            voltage=(a, b, c),
            impedance=1.0 + strength * (self.impedance - 1.0),
            tap_frac=_whole_steps(strength * self.tap_frac, self.tap_step_frac),
            lost_generation_w=strength * self.lost_generation_w,
            frequency_hz=strength * self.frequency_hz,
        )


def _whole_steps(frac: float, step_frac: float) -> float:
    """Return how far a tap has come that is to move on only at whole steps."""
    return 0.0 if step_frac == 0.0 else step_frac * int(frac / step_frac)


NOTHING: Final = Disturbance()


def together(*disturbances: Disturbance) -> Disturbance:
    """Return what disturbances of one supply come to: opens unite, factors multiply, taps and losses add.

    What is cut off is carried for the shortest of the times given, and not at all where any cut gives none. However
    many there are, voltages come to ``VOLTAGE_MAX`` at most and impedances to ``IMPEDANCE_MAX``.
    """
    met = reduce(_both, disturbances, NOTHING)
    a, b, c = (min(factor, VOLTAGE_MAX) for factor in met.voltage)
    return replace(met, voltage=(a, b, c), impedance=min(met.impedance, IMPEDANCE_MAX))


def _both(one: Disturbance, other: Disturbance) -> Disturbance:
    a, b = one.voltage, other.voltage
    return Disturbance(
        opened=_united(one.opened, other.opened),
        blown=_united(one.blown, other.blown),
        voltage=(a[0] * b[0], a[1] * b[1], a[2] * b[2]),
        impedance=one.impedance * other.impedance,
        tap_frac=one.tap_frac + other.tap_frac,
        carried_s=min((each.carried_s for each in (one, other) if each.cut_off), default=0.0),
        lost_generation_w=one.lost_generation_w + other.lost_generation_w,
        frequency_hz=one.frequency_hz + other.frequency_hz,
    )


def _united(one: Open, other: Open) -> Open:
    return one[0] or other[0], one[1] or other[1], one[2] or other[2]
