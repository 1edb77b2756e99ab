"""The grid over REST and in the metrics: losses, loading, voltages, and power flows that failed."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rest_client import Rest


def fail(rest: Rest) -> None:
    """Give the power flow a load without a solution."""
    network = rest.pilot.farm.network
    n = network.voltage_v.shape[1]
    network.step(1.0, np.full((3, n), -1e7), np.zeros((3, n)))


def test_the_site_tells_how_its_feeders_stand(rest: Rest) -> None:
    rest.pilot.farm.step(60.0)
    (feeder,) = rest.get("site")["feeders"]
    state = rest.pilot.farm.network.feeder("street")
    assert (feeder["name"], feeder["resistance_ohm"], feeder["reactance_ohm"]) == ("street", None, None)
    assert (feeder["energised"], feeder["converged"], feeder["failures"]) == (True, True, 0)
    assert feeder["losses_w"] == pytest.approx(state.losses_w)
    assert 0.0 < feeder["losses_w"] < 2_000.0
    assert 0.0 < feeder["loading_frac"] < 1.0
    assert 207.0 < feeder["lowest_voltage_v"] <= feeder["highest_voltage_v"] < 253.0


def test_a_failed_power_flow_is_told_and_counted(rest: Rest) -> None:
    fail(rest)
    fail(rest)
    (feeder,) = rest.get("site")["feeders"]
    assert (feeder["converged"], feeder["failures"]) == (False, 2)
    families = {each.name: each for each in text_string_to_metric_families(rest("GET", "/metrics").text)}
    (failures,) = families["pilotfarm_power_flow_failures"].samples
    assert (failures.labels, failures.value) == ({"feeder": "street"}, 2.0)
    (loading,) = families["pilotfarm_feeder_loading_ratio"].samples
    assert loading.value == pytest.approx(feeder["loading_frac"])
