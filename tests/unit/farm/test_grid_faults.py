"""Grid faults: the supply fails or the area loses generation, and the physics follows; then all is as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pilotfarm.emulators.contracts.disturbance import BRANCH
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

BRANCHED = """\
name: branched
title: A street of three branches
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
start: 2026-06-21T10:00:00
feeders:
  east: {branches: 3}
groups:
  homes: {kind: smart_meter, count: 12, feeder: east, endpoints: []}
"""
TOWN = "  homes:\n    kind: smart_meter\n    count: 12\n    feeder: east\n"
ELSEWHERE = "  far:\n    kind: smart_meter\n    count: 3\n    feeder: west\n"


@pytest.fixture
def town(make_layout: Callable[..., SiteLayout]) -> Farm:
    made = Farm(make_layout(TOWN + ELSEWHERE))
    made.step(1.0)
    return made


def run(farm: Farm, steps: int, dt_s: float = 1.0) -> None:
    for _ in range(steps):
        farm.step(dt_s)


def test_an_outage_takes_all_on_the_targets_feeder_and_nobody_else(town: Farm) -> None:
    fault = town.faults.add("outage", {"device": "homes-003"}, duration_s=10.0)
    assert set(fault.hit) == {f"homes-{n:03}" for n in range(1, 13)}
    run(town, 4)
    homes, far = town.groups["homes"].columns, town.groups["far"].columns
    assert not homes["voltage_l1_v"].any()
    assert not homes["active_power_w"].any()
    assert homes["power_failure_alarm"].all()
    assert (far["voltage_l1_v"] > 200.0).all()
    run(town, 12)
    homes = town.groups["homes"].columns
    assert (homes["voltage_l1_v"] > 200.0).all()
    assert not homes["power_failure_alarm"].any()


def test_a_branch_goes_dark_alone(tmp_path: Path) -> None:
    (tmp_path / "branched.yaml").write_text(BRANCHED, encoding="utf-8")
    town = Farm(load(str(tmp_path / "branched.yaml")))
    branch = town.network.supply_of(2, BRANCH)
    same = [n for n in range(12) if town.network.supply_of(n, BRANCH) == branch]
    assert 0 < len(same) < 12
    fault = town.faults.add("outage", {"device": "homes-003"}, mode="branch")
    assert set(fault.hit) == {f"homes-{n + 1:03}" for n in same}
    run(town, 4)
    assert np.flatnonzero(town.groups["homes"].columns["voltage_l1_v"] == 0.0).tolist() == same


def test_overlapping_outages_end_with_the_last_of_them(town: Farm) -> None:
    first = town.faults.add("outage", {"feeder": "east"})
    second = town.faults.add("outage", {"group": "homes"})
    run(town, 3)
    town.faults.clear(first.id)
    run(town, 3)
    assert not town.groups["homes"].columns["voltage_l1_v"].any()
    town.faults.clear(second.id)
    run(town, 3)
    assert town.groups["homes"].columns["voltage_l1_v"].all()


def test_where_a_feeder_is_an_impedance_it_has_no_branch_to_open(make_layout: Callable[..., SiteLayout]) -> None:
    made = Farm(make_layout(TOWN))
    with pytest.raises(ConfigError, match="no device"):
        made.faults.add("outage", {"feeder": "east"}, mode="branch")


@pytest.mark.parametrize("power_w", [3e9, -3e9])
def test_a_loss_moves_the_frequency_away_and_its_end_brings_it_back(
    make_layout: Callable[..., SiteLayout], power_w: float
) -> None:
    calm, hit = Farm(make_layout()), Farm(make_layout())
    hit.faults.add("generation-loss", parameters={"power_w": power_w}, duration_s=60.0)
    away = []
    for _ in range(40):
        calm.step(1.0)
        hit.step(1.0)
        pair = [float(each.groups["storage"].columns["frequency_hz"][0]) for each in (hit, calm)]
        away.append(pair[0] - pair[1])
    assert max(map(abs, away)) == pytest.approx(0.44, abs=0.01)
    assert np.sign(sum(away)) == -np.sign(power_w)
    run(calm, 30, 900.0)
    run(hit, 30, 900.0)
    assert hit.faults.lost_generation_w == 0.0
    frequencies = [[device.true_value("frequency_hz") for device in each] for each in (hit, calm)]
    assert frequencies[0] == pytest.approx(frequencies[1], abs=1e-6)


def test_losses_add_up(farm: Farm) -> None:
    farm.faults.add("generation-loss", parameters={"power_w": 1e9})
    farm.faults.add("generation-loss", parameters={"power_w": 5e8})
    farm.step(1.0)
    assert farm.faults.lost_generation_w == 1.5e9


@pytest.mark.parametrize(
    ("target", "parameters", "where"),
    [
        ({"feeder": "east"}, {"power_w": 1e9}, "target"),
        ({}, {}, "parameters.power_w"),
        ({}, {"power_w": float("nan")}, "parameters.power_w"),
        ({}, {"power_w": 1e12}, "parameters.power_w"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(
    farm: Farm, target: dict[str, str], parameters: dict[str, float], where: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        farm.faults.add("generation-loss", target, parameters=parameters)
    assert [problem.where for problem in refused.value.problems] == [where]
