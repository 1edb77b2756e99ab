"""Grid faults that come, meet and go leave the voltages, powers and frequency of a farm that never had them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

SITE = """\
name: streets
title: Streets of two transformers, and a stiff feeder
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
start: 2026-06-21T19:00:00
step_s: 1
grid: {solve_every_s: 3}
feeders:
  east: {transformers: 2, branches: 3}
  north: {transformers: 1, branches: 2}
  west: {resistance_ohm: 0.05, reactance_ohm: 0.03}
groups:
  homes: {kind: smart_meter, count: 14, feeder: east, endpoints: []}
  others: {kind: smart_meter, count: 5, feeder: north, endpoints: []}
  far: {kind: smart_meter, count: 3, feeder: west, endpoints: []}
"""
MOVED = ("voltage_", "current_", "active_power_", "reactive_power_", "frequency_hz", "running")
SECONDS = 12
SETTLED_S = 4
"""After the last of them: every group of substations has had its turn."""

phases = st.sampled_from(["l1", "l2", "l3", "l1-l2", "l2-l3", "l3-l1"])
supply = st.sampled_from(["feeder", "branch", "transformer"])
target = st.sampled_from(
    [{"feeder": "east"}, {"device": "homes-00[1-3]"}, {"device": "others-001"}, {"group": "homes"}]
)
anywhere = st.one_of(target, st.sampled_from([{}, {"feeder": "west"}]))


NO_MODE = st.none()


def of(kind: str, where: Any, mode: Any = NO_MODE, **parameters: Any) -> Any:
    return st.tuples(st.just(kind), where, mode, st.fixed_dictionaries(parameters))


some_fault = st.one_of(
    of("outage", target, supply),
    of("phase-loss", target, supply, phases=phases),
    of("voltage-sag", anywhere, voltage_pu=st.floats(0.0, 0.99), phases=phases | st.just("all")),
    of("voltage-swell", anywhere, voltage_pu=st.floats(1.01, 2.0), phases=phases | st.just("all")),
    of("islanding", target, supply, carried_s=st.floats(0.0, 5.0)),
    of("tap", target, steps=st.integers(-4, 4)),
    of("weak-grid", anywhere, factor=st.floats(1.1, 20.0)),
    of("frequency-offset", st.just({}), offset_hz=st.floats(-1.0, 1.0)),
)
timed = st.tuples(some_fault, st.integers(0, SECONDS - 2), st.integers(1, SECONDS - 1))


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> SiteLayout:
    path = tmp_path_factory.mktemp("site") / "streets.yaml"
    path.write_text(SITE, encoding="utf-8")
    return load(str(path))


class Moved(dict[tuple[str, str], Any]):
    """Group and quantity -> column; told in few words where a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} columns"


@pytest.fixture(scope="module")
def never(layout: SiteLayout) -> list[Moved]:
    farm = Farm(layout)
    return [moved(farm) for _ in range(SECONDS + SETTLED_S) if farm.step(1.0) is None]


def moved(farm: Farm) -> Moved:
    return Moved(
        {
            (group.name, name): group.columns[name].copy()
            for group in farm.population
            for name in (q.name for q in group.spec.quantities)
            if name.startswith(MOVED)
        }
    )


@settings(max_examples=25, deadline=None)
@given(schedule=st.lists(timed, min_size=1, max_size=5))
def test_after_any_schedule_of_grid_faults_the_grid_is_as_it_never_had_one(
    layout: SiteLayout, never: list[Moved], schedule: list[Any]
) -> None:
    farm = Farm(layout)
    for (kind, where, mode, parameters), start_s, duration_s in schedule:
        last_s = min(start_s + duration_s, SECONDS) - start_s
        farm.faults.add(kind, where, mode, parameters, start_s=float(start_s), duration_s=float(last_s))
    for _ in range(SECONDS + SETTLED_S):
        farm.step(1.0)
        for name, column in moved(farm).items():
            assert np.isfinite(column).all(), name
    assert all(fault.state == "ended" for fault in farm.faults)
    for name, column in moved(farm).items():
        assert np.array_equal(column, never[-1][name]), name


@pytest.mark.parametrize("kind", ["outage", "phase-loss", "islanding", "voltage-sag", "tap", "weak-grid"])
def test_a_fault_on_one_feeder_moves_no_bit_on_a_stiff_one_and_a_millivolt_at_most_on_a_neighbour(
    layout: SiteLayout, never: list[Moved], kind: str
) -> None:
    parameters = {"voltage-sag": {"voltage_pu": 0.3}, "tap": {"steps": 3}, "weak-grid": {"factor": 20.0}}
    farm = Farm(layout)
    farm.step(1.0)
    farm.faults.add(kind, {"feeder": "north"}, parameters=parameters.get(kind, {}))
    for before in never[1:]:
        farm.step(1.0)
        now = moved(farm)
        assert all(np.array_equal(now[name], before[name]) for name in now if name[0] == "far")
        assert all(np.allclose(now[name], before[name], atol=1e-3) for name in now if name[0] == "homes")
        assert not np.array_equal(now["others", "voltage_l1_v"], before["others", "voltage_l1_v"])
