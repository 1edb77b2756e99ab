"""Half cycles against the rainflow package; ageing and cells against SimSES (TUM)."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from pilotfarm.emulators.physics import ageing, battery, cells

pytestmark = pytest.mark.oracle


def _rainflow():
    return pytest.importorskip("rainflow", reason="rainflow is missing: pip install 'pilotfarm[oracles]'")


def _simses(part: str):
    if sys.version_info < (3, 12):
        pytest.skip("SimSES needs Python 3.12: run there after pip install simses")
    return pytest.importorskip(f"simses.{part}", reason="SimSES is missing: pip install simses")


def _followed(series: np.ndarray) -> list[tuple[float, float]]:
    state, found = ageing.resting(series[:1]), []
    for value in series[1:]:
        now, ended = ageing.followed(state, np.array([value]), np.ones(1, dtype=bool), 60.0)
        if len(ended):
            found.append((float(state.from_frac[0]), float(state.to_frac[0])))
        state = now
    return found


def _years_of_days(days: int = 200) -> np.ndarray:
    """A state of charge that goes up and down with the day, with clouds: a seeded walk back to its mean."""
    rng = np.random.default_rng(3)
    hours = np.arange(days * 24 * 4) / 4.0
    daily = 0.5 + 0.3 * np.sin(2.0 * np.pi * hours / 24.0) * rng.uniform(0.4, 1.0, days).repeat(96)
    clouds = np.convolve(rng.normal(0.0, 0.05, len(hours)), np.ones(8) / 8.0, mode="same")
    return np.clip(daily + clouds, 0.0, 1.0)


def test_reversals_are_rainflow_s_where_nothing_is_as_small_as_the_hysteresis() -> None:
    corners = np.random.default_rng(4).uniform(0.1, 0.9, 400)
    corners = corners[np.concatenate(([True], np.abs(np.diff(corners)) > 0.02))]
    series = np.concatenate([np.linspace(a, b, 20)[:-1] for a, b in pairwise(corners)])
    theirs = [value for _, value in _rainflow().reversals(series)]
    ours = _followed(series)
    # The last two of theirs are of the half cycle that has not ended.
    assert [start for start, _ in ours] == pytest.approx(theirs[: len(ours)])
    assert len(theirs) - len(ours) <= 2


def test_swings_add_up_to_the_path_that_rainflow_counts() -> None:
    """The path is what both share; how it is cut into cycles is not: rainflow closes the small ones within."""
    series = _years_of_days()
    path = sum(2.0 * count * swing for swing, count in _rainflow().count_cycles(_corners(series)))
    ours = sum(abs(end - start) for start, end in _followed(series))
    assert ours == pytest.approx(path, rel=0.01)


def _corners(series: np.ndarray) -> list[float]:
    halves = _followed(series)
    return [halves[0][0], *(end for _, end in halves)]


@pytest.mark.parametrize(("kind", "least", "most"), [(0, 0.75, 1.01), (1, 0.6, 1.01)], ids=cells.NAMES)
def test_stress_by_reversals_is_close_to_stress_by_rainflow(kind: int, least: float, most: float) -> None:
    """Cut at every reversal, a day's swing with clouds in it counts as several smaller ones: less, never more."""

    def stress(swings: np.ndarray) -> np.ndarray:
        half = np.full_like(swings, 0.5)
        return ageing.cycle_stress(kind, swings, half * 0.5, half, half * 50.0)

    series = _years_of_days()
    counted = np.array(list(_rainflow().count_cycles(_corners(series))))
    theirs = float(np.sum(2.0 * counted[:, 1] * stress(counted[:, 0])))
    ours = float(np.sum(stress(np.array([abs(end - start) for start, end in _followed(series)]))))
    assert least < ours / theirs < most


# ----------------------------------------------------------------------------------------- SimSES


def test_calendar_and_cycle_ageing_are_simses_s() -> None:
    calendar = _simses("model.degradation.sony_lfp_calendar").SonyLFPCalendarDegradation()
    cyclic = _simses("model.degradation.sony_lfp_cyclic").SonyLFPCyclicDegradation()
    half_cycle = _simses("degradation.cycle_detector").HalfCycle
    state = _battery(0.5).state
    rng = np.random.default_rng(5)
    theirs_calendar, theirs_cycles = 0.0, 0.0
    ours_calendar, ours_cycles = np.zeros(1), np.zeros(1)
    for _ in range(500):
        state.soc, state.T = float(rng.uniform(0.05, 0.95)), float(rng.uniform(5.0, 45.0))
        swing, rate = float(rng.uniform(0.02, 0.9)), float(rng.uniform(0.05, 1.0))
        theirs_calendar += calendar.update_capacity(state, 86_400.0, theirs_calendar)
        cycle = half_cycle(swing, state.soc, rate, 0.5 * swing)
        theirs_cycles += cyclic.update_capacity(state, cycle, theirs_cycles)
        soc, warm = np.array([state.soc]), np.array([state.T])
        ours_calendar = ours_calendar + ageing.calendar_stress(0, warm, soc) * 86_400.0
        ours_cycles = ours_cycles + ageing.cycle_stress(0, np.array([swing]), np.array([rate]), soc, warm)
    assert np.sqrt(ours_calendar) == pytest.approx(theirs_calendar, rel=1e-9)
    assert np.sqrt(ours_cycles) == pytest.approx(theirs_cycles, rel=1e-9)


def _battery(soc: float):
    class WithoutHysteresis(_simses("model.cell.sony_lfp").SonyLFP):
        def hysteresis_voltage(self, state):
            return 0.0

    return _simses("battery").Battery(
        WithoutHysteresis(), circuit=(1, 1), initial_states={"start_soc": soc, "start_T": 25.0}
    )


def test_the_state_of_charge_is_simses_s_over_a_day_of_random_power() -> None:
    """SimSES takes the voltage at a step's start, this farm its mean over the step: less than 1e-5 at 1 s."""
    theirs = _battery(0.5)
    soc, warm, one = np.array([0.5]), np.array([25.0]), np.ones(1)
    alike = cells.of(np.zeros(1))
    watts = np.repeat(np.random.default_rng(6).normal(0.0, 2.0, 1_440), 10)
    worst = 0.0
    for asked in watts:
        here = battery.circuit(alike, soc, warm, one, 0.0 * one)
        room, store = battery.reach(here, (0.1 * one, 0.9 * one), one, 1.0)
        power = float(np.clip(asked, -room[0], store[0]))
        soc = battery.drawn(here, np.array([power]), 1.0)
        theirs.step(-power, 1.0)
        worst = max(worst, abs(float(soc[0]) - theirs.state.soc))
    assert worst < 1e-5
    assert np.ptp(watts) > 8.0
