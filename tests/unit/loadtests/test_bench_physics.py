"""The benchmark's stopwatch over a step: every part is named, and the parts are the whole."""

from __future__ import annotations

import pytest

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.loadtests.bench import physics, sites
from pilotfarm.loadtests.bench.measures import layout_of


def test_the_parts_of_a_step_are_its_kinds_and_what_surrounds_them() -> None:
    farm = Farm(layout_of("plain-1000"))
    took = physics.step_times(farm, 3)
    assert farm.steps == physics.WARM_UP + 3
    kinds = {group.spec.kind for group in farm.groups.values()}
    assert set(took.parts_ms) == kinds | {"appliances", "weather and frequency", "power flow", "faults", "the rest"}
    assert all(part_ms >= 0.0 for part_ms in took.parts_ms.values())
    assert took.step_ms > max(took.parts_ms.values()) * 0.5


def test_a_run_is_timed_over_all_its_steps() -> None:
    farm = Farm(layout_of("plain-1000"))
    assert physics.run_s(farm, 60.0, 2) > 0.0
    assert farm.time_s == 120.0


@pytest.mark.parametrize("name", ["plain-1000", "mixed-100", "modbus-1000", "rtu-500"])
def test_a_benchmarks_site_keeps_its_voltages(name: str) -> None:
    assert name in sites.SITES
    farm = Farm(layout_of(name))
    for _ in range(3):
        farm.step(60.0)
    (state,) = farm.network
    assert state.converged
    assert 207.0 < state.lowest_voltage_v <= state.highest_voltage_v < 253.0
