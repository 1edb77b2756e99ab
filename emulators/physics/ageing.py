"""How lithium-ion cells age: by time, by cycles, and for how long still.

Stress adds up in two columns, of the calendar and of the cycles, and the lost capacity is a function of the two
sums; so a battery goes on ageing from where it is when its stress changes (virtual time), and steps of any length
come to the same. Elementwise on arrays ``(n,)``; temperatures in degC, shares from 0 to 1, times in seconds.

LFP after Naumann [1]_ [2]_: capacity is lost by the root of time and by the root of the full equivalent cycles, so
the sums are of squared losses. Valid, as measured: 0 to 60 degC at rest, 40 degC and up to 1 C in use. At rest his
equation is within 2 points of his cells after 885 days [4]_ up to 40 degC: too fast in the cool and half charged; at
60 degC half charged it is 6 points too slow.
NMC after Xu [3]_: one exponential of a linear stress, with a fast start while the first film grows. The numbers are
of its example cell, an LMO one, as three public programs print them, not read in the paper: they give a plausible
course. Xu says nothing of resistance: it rises here by ``NMC_RESISTANCE_PER_LOSS`` times the lost capacity, own
choice. ``docs/validation.md`` compares both with measurements and with other models.

Half cycles are cut at every reversal by more than ``SWING_MIN``, as they come; rainflow counting, which first
knows the whole series, closes small cycles within large ones. On days of broken clouds the stress of the large ones is
thereby up to a fifth (LFP) or a third (NMC) less than by rainflow (``tests/oracles``).

References
----------
.. [1] Naumann et al., J. Energy Storage 17 (2018) 153, doi 10.1016/j.est.2018.01.019, table 7. The state of charge
   enters the resistance by its square, as in SimSES, for it rises fastest half charged; BLAST-Lite has the cube.
.. [2] Naumann et al., J. Power Sources 451 (2020) 227666, doi 10.1016/j.jpowsour.2019.227666.
.. [3] Xu et al., IEEE Trans. Smart Grid 9 (2018) 1131, doi 10.1109/TSG.2016.2578950.
.. [4] Naumann, data of [1]_, Mendeley Data, doi 10.17632/kxh42bfgtj.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices, anywhere

YEAR_S: Final = 365.25 * 86_400.0
END_OF_LIFE_FRAC: Final = 0.8
"""State of health at which a battery counts as worn out."""
YEARS_MAX: Final = 100.0
"""A longer life than this is shown as this."""
STRESS_TIME_S: Final = 30.0 * 86_400.0
"""Time over which the stress that the remaining life assumes is averaged."""
SWING_MIN: Final = 0.005
"""A change of direction by less than this share of the charge is no new half cycle."""
NMC_RESISTANCE_PER_LOSS: Final = 2.5

_GAS: Final = 8.3144598
_ZERO_DEGC: Final = 273.15
_REFERENCE_K: Final = _ZERO_DEGC + 25.0
_LOST_AT_END: Final = 1.0 - END_OF_LIFE_FRAC
_LOST_MAX: Final = 0.9
_FILM: Final = 5.75e-2
_FILM_FASTER: Final = 121.0
_NO_ROWS: Final[Indices] = np.zeros(0, dtype=np.intp)


def _by_kind(kind: int | Indices, lfp: Callable[[], Floats], nmc: Callable[[], Floats]) -> Floats:
    """Choose a chemistry's result; with only one in the group the other is not calculated."""
    if isinstance(kind, int):
        return (lfp, nmc)[kind]()
    return np.where(kind == 0, lfp(), nmc())


# -------------------------------------------------------------------------------------- capacity


def calendar_stress(kind: int | Indices, temperature_degc: Floats, soc_frac: Floats) -> Floats:
    """Stress of the calendar [1/s] at a temperature and a state of charge."""

    def lfp() -> Floats:
        rate = 1.2571e-5 * _arrhenius(temperature_degc, 17_126.0)
        away = soc_frac - 0.5
        rate *= 2.8575 * (away * away * away) + 0.60225
        return np.asarray(rate * rate)

    return _by_kind(kind, lfp, lambda: 4.14e-10 * _xu_state(temperature_degc, soc_frac))


def cycle_stress(
    kind: int | Indices, swing_frac: Floats, rate_per_h: Floats, mean_soc_frac: Floats, temperature_degc: Floats
) -> Floats:
    """Stress of one half cycle: its swing, its mean rate [1/h] and state of charge, the temperature."""

    def lfp() -> Floats:
        root = 0.01 * (0.0630 * rate_per_h + 0.0971) * (4.0253 * (swing_frac - 0.6) ** 3 + 1.0923)
        return np.asarray(root * root * (0.5 * swing_frac))

    def nmc() -> Floats:
        swing = np.maximum(swing_frac, SWING_MIN)
        full = 1.0 / (1.40e5 * swing**-0.501 - 1.23e5)
        return np.asarray(0.5 * full * _xu_state(temperature_degc, mean_soc_frac))

    return _by_kind(kind, lfp, nmc)


def lost(kind: int | Indices, calendar: Floats, cycles: Floats) -> Floats:
    """Share of the capacity that two sums of stress have cost."""
    loss = _by_kind(kind, lambda: np.sqrt(calendar) + np.sqrt(cycles), lambda: _xu_loss(calendar + cycles))
    return np.minimum(loss, _LOST_MAX)


def _arrhenius(temperature_degc: Floats, energy_j_per_mol: float) -> Floats:
    return np.exp((-energy_j_per_mol / _GAS) * (1.0 / (temperature_degc + _ZERO_DEGC) - 1.0 / _REFERENCE_K))


def _xu_state(temperature_degc: Floats, soc_frac: Floats) -> Floats:
    """Stress of temperature and state of charge, 1 at 25 degC and half charged [3]_."""
    warm = _REFERENCE_K / (temperature_degc + _ZERO_DEGC)
    return np.exp(1.04 * (soc_frac - 0.5) + 6.93e-2 * (temperature_degc - 25.0) * warm)


def _xu_loss(stress: Floats) -> Floats:
    return np.asarray(1.0 - _FILM * np.exp(-_FILM_FASTER * stress) - (1.0 - _FILM) * np.exp(-stress))


def _xu_stress(loss: Floats) -> Floats:
    """Invert ``_xu_loss`` by Newton's method, from below: the loss bends down, so every step stays below."""
    stress = np.zeros_like(loss)
    for _ in range(60):
        slope = _FILM * _FILM_FASTER * np.exp(-_FILM_FASTER * stress) + (1.0 - _FILM) * np.exp(-stress)
        stress += (loss - _xu_loss(stress)) / slope
    return stress


def stress_at(kind: int | Indices, soh_frac: Floats, full_cycles: Floats) -> tuple[Floats, Floats]:
    """Return sums of stress that come to a state of health, as many of its cycles' as it can hold.

    The cycles were of half a charge at half a C, around half charged and at 25 degC.
    """
    loss = np.maximum(1.0 - soh_frac, 0.0)
    half = np.full_like(loss, 0.5)
    used = cycle_stress(kind, half, half, half, np.full_like(loss, 25.0)) * (full_cycles / 0.25)

    def lfp() -> tuple[Floats, Floats]:
        root = np.minimum(np.sqrt(used), loss)
        return (loss - root) ** 2, root * root

    def nmc() -> tuple[Floats, Floats]:
        whole = _xu_stress(loss)
        by_cycles = np.minimum(used, whole)
        return whole - by_cycles, by_cycles

    return (
        _by_kind(kind, lambda: lfp()[0], lambda: nmc()[0]),
        _by_kind(kind, lambda: lfp()[1], lambda: nmc()[1]),
    )


def remaining_years(
    kind: int | Indices,
    soh_frac: Floats,
    calendar: Floats,
    cycles: Floats,
    calendar_per_s: Floats,
    cycles_per_s: Floats,
) -> Floats:
    """Years until 80 % of the capacity is left, if the stress goes on as it did on average; 0 once it is.

    ``soh_frac`` is what the two sums of stress have left (``lost``).
    """

    def lfp() -> Floats:
        # sqrt(calendar + a t) + sqrt(cycles + b t) = lost, solved for the first root.
        a, b, end = np.maximum(calendar_per_s, 1e-30), cycles_per_s, _LOST_AT_END
        product = a * (end * end - cycles) + calendar * b
        inner = a * a * cycles + a * b * (end * end - calendar - cycles) + calendar * b * b
        root = product / (end * a + np.sqrt(np.maximum(inner, 0.0)))
        return np.asarray((root * root - calendar) / a)

    def nmc() -> Floats:
        end = -np.log(END_OF_LIFE_FRAC / (1.0 - _FILM))  # the film has long grown by then
        return np.asarray((end - calendar - cycles) / np.maximum(calendar_per_s + cycles_per_s, 1e-30))

    years = np.minimum(np.maximum(_by_kind(kind, lfp, nmc) * (1.0 / YEAR_S), 0.0), YEARS_MAX)
    return years * (soh_frac > END_OF_LIFE_FRAC)


# ------------------------------------------------------------------------------------ resistance


def calendar_resistance(kind: int | Indices, temperature_degc: Floats, soc_frac: Floats) -> Floats:
    """Rise of the resistance with time, as a share of its value when new [1/s]; none of its own for NMC."""

    def lfp() -> Floats:
        rate = 3.4194e-10 * _arrhenius(temperature_degc, 71_827.0)
        away = soc_frac - 0.5
        return np.asarray(rate * (-3.3903 * (away * away) + 1.5604))

    return _by_kind(kind, lfp, lambda: np.zeros_like(soc_frac))


def cycle_resistance(kind: int | Indices, swing_frac: Floats, rate_per_h: Floats) -> Floats:
    """Rise of the resistance by one half cycle, as a share of its value when new; none of its own for NMC."""

    def lfp() -> Floats:
        # Above 1 C, where nothing was measured, the line would fall below 0.
        slope = np.maximum(-0.0020 * rate_per_h + 0.0021, 0.0)
        return np.asarray(0.01 * slope * (6.8477 * (swing_frac - 0.5) ** 3 + 0.91882) * (0.5 * swing_frac))

    return _by_kind(kind, lfp, lambda: np.zeros_like(swing_frac))


def resistance_rise(kind: int | Indices, summed: Floats, soh_frac: Floats) -> Floats:
    """Share by which age has raised the resistance: what was summed up (LFP), or by the lost capacity (NMC)."""
    return _by_kind(kind, lambda: summed, lambda: NMC_RESISTANCE_PER_LOSS * (1.0 - soh_frac))


# ------------------------------------------------------------------------------------ half cycles


class HalfCycle(NamedTuple):
    """The half cycle a battery is in; arrays ``(n,)``, never changed in place."""

    from_frac: Floats
    """State of charge at which it began."""
    to_frac: Floats
    """Furthest state of charge it has come to."""
    direction: Floats
    """1.0 up, -1.0 down, 0.0 before the first."""
    moving_h: Floats
    """Time it has been moving, up to now and up to the furthest point; rests do not count."""
    to_there_h: Floats


def resting(soc_frac: Floats) -> HalfCycle:
    nothing = np.zeros_like(soc_frac)
    return HalfCycle(soc_frac, soc_frac, nothing, nothing, nothing)


def followed(state: HalfCycle, soc_frac: Floats, moved: Bools, dt_s: float) -> tuple[HalfCycle, Indices]:
    """Follow the state of charge; return the new state and the rows whose half cycle is over.

    A half cycle is over when the charge has turned back by more than ``SWING_MIN``. Its swing and time are
    those of the state before: ``from_frac`` to ``to_frac`` in ``to_there_h``.
    """
    direction = state.direction
    ahead = (soc_frac - state.to_frac) * direction
    hours = state.moving_h + moved * (dt_s / 3600.0)
    further = ahead > 0.0
    turned = over = ahead < -SWING_MIN
    if np.count_nonzero(direction) < len(direction):
        turned = over | (direction == 0.0) & (np.abs(soc_frac - state.from_frac) > SWING_MIN)
    moved_on = further | turned
    to_frac = np.where(moved_on, soc_frac, state.to_frac)
    to_there_h = np.where(moved_on, hours, state.to_there_h)
    if not anywhere(turned):
        return HalfCycle(state.from_frac, to_frac, direction, hours, to_there_h), _NO_ROWS
    start_h = np.where(over, state.to_there_h, 0.0)
    return (
        HalfCycle(
            np.where(over, state.to_frac, state.from_frac),
            to_frac,
            np.where(turned, np.sign(soc_frac - state.to_frac), direction),
            hours - start_h,
            to_there_h - start_h,
        ),
        np.flatnonzero(over),
    )
