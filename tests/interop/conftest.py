"""One running farm a module, and the mark on everything here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_farm import RunningFarm, brought_up, network

HERE = Path(__file__).parent
WATCHFUL = """\
name: watchful
title: A battery whose outstation asks after its masters twice a second, and three behind a terminal server
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
start: 2026-06-15T08:00:00
seed: 1
step_s: 1
feeders:
  street: {source_voltage_v: 233}
groups:
  battery:
    kind: battery
    count: 1
    endpoints:
      - {protocol: dnp3, options: {masters: [1, 3], keep_alive_s: 0.5, restart_s: 0.5}}
  drops:
    kind: battery
    count: 3
    endpoints:
      - {protocol: dnp3, station: terminals}
stations:
  terminals: {protocol: dnp3, options: {masters: [1, 3], restart_s: 0.5}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """The site tiny, up for the tests of a module, paused."""
    with brought_up(tmp_path_factory.mktemp("farm")) as farm:
        yield farm


@pytest.fixture(scope="module")
def watchful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A battery whose outstation notices a master that is gone within seconds, up for the tests of a module, paused."""
    folder = tmp_path_factory.mktemp("watchful")
    (folder / "watchful.yaml").write_text(WATCHFUL)
    beside = network().replace(".0/24", ".128/25")  # a module may have both farms
    with brought_up(folder, str(folder / "watchful.yaml"), "--addresses", beside) as farm:
        yield farm
