"""Support of the voltage and the feeder it supports answer one another; together they come to rest at any step."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from world import HOUR_S, devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics import feeder, grid_code

N = 16
PV = registry.device("pv_generator")
REST_S = 1_500.0
"""When steps of a second have come to rest within a thousandth."""
NOON = {"ghi_w_per_m2": 700.0, "dni_w_per_m2": 500.0, "dhi_w_per_m2": 150.0, "air_temperature_degc": 25.0}


def followed(code: str, ohm: tuple[float, float], dt_s: float, steps: int) -> tuple[Floats, Floats, Floats]:
    """Power [W], reactive power [var] and voltage per unit, by step, of 16 PV systems of 10 kW along a feeder.

    The feeder is so weak that without support its end would be beyond what the code's curves end at.
    """
    columns = devices(PV, N, rated_power_w=10_000.0, dc_power_w=14_000.0, grid_code=grid_code.NAMES.index(code))
    columns = told(columns, volt_var_enabled=1.0)
    line = np.zeros(N, dtype=np.intp), np.linspace(0.3, 1.0, N)
    source, r, x = (np.array([value]) for value in (232.0, *ohm))
    voltage = np.full((3, N), 232.0)
    seen = []
    for _ in range(steps):
        columns = PV.step(columns, surroundings(N, 12.5 * HOUR_S, voltage_v=voltage, **NOON), dt_s)
        p, q = (
            np.array([columns[f"{kind}_l{k}_{unit}"] for k in (1, 2, 3)])
            for kind, unit in (("active_power", "w"), ("reactive_power", "var"))
        )
        voltage = feeder.voltages(p, q, *line, source, r, x)
        seen.append((columns["active_power_w"], columns["reactive_power_var"], voltage[0] / 230.0))
    power, reactive, per_unit = (np.array(each) for each in zip(*seen, strict=True))
    return power, reactive, per_unit


@cache
def at_rest(code: str, ohm: tuple[float, float]) -> tuple[float, float, float]:
    """Where steps of a second, which follow the responses the codes ask for, come to rest when modules are warm."""
    power, reactive, per_unit = followed(code, ohm, 1.0, int(REST_S))
    assert np.ptp(power[-20:], axis=0).max() < 1.0
    return float(power[-1].mean()), float(reactive[-1].mean()), float(per_unit[-1].max())


@pytest.mark.parametrize(
    ("code", "ohm"),
    [("en-50549-1", (0.3, 0.1)), ("en-50549-1", (0.3, 0.3)), ("vde-ar-n-4105", (0.15, 0.4))],
    ids=["volt-watt", "both", "volt-var"],
)
@pytest.mark.parametrize("dt_s", [3.0, 60.0])
def test_volt_var_and_volt_watt_come_to_rest_where_short_steps_do(
    code: str, ohm: tuple[float, float], dt_s: float
) -> None:
    steps = max(80, int(REST_S / dt_s))
    power, reactive, per_unit = followed(code, ohm, dt_s, steps)
    assert np.ptp(power[-10:], axis=0).max() < 20.0, "the power swings from step to step"
    assert np.ptp(reactive[-10:], axis=0).max() < 20.0, "the vars swing from step to step"
    expected = at_rest(code, ohm)
    assert power[-1].mean() == pytest.approx(expected[0], rel=5e-3)
    assert reactive[-1].mean() == pytest.approx(expected[1], rel=5e-3)
    assert per_unit[-1].max() == pytest.approx(expected[2], abs=5e-4)
