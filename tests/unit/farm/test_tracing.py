"""Command tracing: from taken to physically in effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.tracing import EFFECTIVE, EXPIRED, PATIENCE_S, SUPERSEDED
from pilotfarm.emulators.site.layout import SiteLayout

P = "active_power_setpoint_w"
STORAGE = """\
  storage:
    kind: battery
    count: 1
    feeder: east
    ratings: {rated_power_w: 5000, rated_energy_wh: 10000, ramp_frac_per_s: 0.04}
    endpoints: [{protocol: modbus}]
"""


class Record:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.outcomes: list[tuple[int, str, str, float]] = []

    def stepped(self, moment: Moment) -> None: ...
    def commanded(self, command: Command, moment: Moment) -> None:
        self.commands.append(command)

    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None:
        self.outcomes.append((command.id, name, outcome, moment.time_s))

    def fault_changed(self, fault: Any, event: str, moment: Moment) -> None: ...


@pytest.fixture
def farm(make_layout: Callable[..., SiteLayout]) -> Farm:
    """Batteries that ramp slowly, so that steps of a tenth of a second tell a hundredth of the range apart."""
    made = Farm(make_layout(STORAGE))
    made.step(1.0)
    return made


@pytest.fixture
def record(farm: Farm) -> Record:
    made = Record()
    farm.observers.append(made)
    return made


@pytest.mark.parametrize(
    ("start", "wanted"), [(-5_000.0, -4_000.0), (-1_000.0, 500.0), (3_000.0, 4_990.0), (2_000.0, -1_000.0)]
)
def test_a_setpoint_is_in_effect_with_the_first_step_that_comes_within_a_hundredth_of_its_range(
    farm: Farm, record: Record, start: float, wanted: float
) -> None:
    """Of 10 kW from full charge to full discharge: 100 W, with a ramp of 20 W a step."""
    battery = farm.device("storage-001")
    battery.submit(enabled({P: start}), "test", "me", 0.0)
    for _ in range(30):
        farm.step(1.0)
    record.outcomes.clear()
    command = battery.submit(enabled({P: wanted}), "test", "me", 0.0)
    reached_s = None
    for _ in range(160):
        farm.step(0.1)
        if reached_s is None and abs(battery.true_value("active_power_w") - wanted) <= 100.0:
            reached_s = farm.time_s
    assert record.commands[-1] == command
    assert reached_s is not None
    assert record.outcomes == [(command.id, "active_power_w", EFFECTIVE, reached_s)]


def test_a_setpoint_that_cannot_be_followed_in_full_is_in_effect_at_what_the_device_said_it_would_follow(
    farm: Farm, record: Record
) -> None:
    battery = farm.device("storage-001")
    battery.submit({"active_power_limit_frac": 0.3, "active_power_limit_enabled": 1.0}, "test", "me", 0.0)
    for _ in range(30):
        farm.step(1.0)
    command = battery.submit(enabled({P: 4_000.0}), "test", "me", 0.0)
    assert command.limited == {P: pytest.approx(1_500.0)}
    reached_s = None
    for _ in range(90):
        farm.step(0.1)
        if reached_s is None and abs(battery.true_value("active_power_w") - 1_500.0) <= 100.0:
            reached_s = farm.time_s
    assert (command.id, "active_power_w", EFFECTIVE, reached_s) in record.outcomes


def test_a_later_command_supersedes_one_that_has_not_shown(farm: Farm, record: Record) -> None:
    battery = farm.device("storage-001")
    first = battery.submit(enabled({P: 4_000.0}), "test", "me", 0.0)
    second = battery.submit(enabled({P: -4_000.0}), "test", "me", 0.0)
    for _ in range(60):
        farm.step(1.0)
    assert [(id_, outcome) for id_, _, outcome, _ in record.outcomes] == [
        (first.id, SUPERSEDED),
        (second.id, EFFECTIVE),
    ]


def test_a_command_the_device_never_follows_expires_with_the_step_at_the_end_of_the_patience(
    farm: Farm, record: Record
) -> None:
    battery = farm.device("storage-001")
    command = battery.submit({P: 4_000.0, "active_power_setpoint_enabled": 0.0}, "test", "me", 0.0)
    for _ in range(4):
        farm.step(PATIENCE_S / 3.0)
    assert record.outcomes == [(command.id, "active_power_w", EXPIRED, 1.0 + PATIENCE_S)]


def test_start_and_stop_are_in_effect_when_running_says_so(farm: Farm, record: Record) -> None:
    battery = farm.device("storage-001")
    stop = battery.submit({"stop": 1.0}, "test", "me", 0.0)
    farm.step(1.0)
    start = battery.submit({"start": 1.0}, "test", "me", 0.0)
    farm.step(1.0)
    assert [(id_, name, outcome) for id_, name, outcome, _ in record.outcomes] == [
        (stop.id, "running", EFFECTIVE),
        (start.id, "running", EFFECTIVE),
    ]
