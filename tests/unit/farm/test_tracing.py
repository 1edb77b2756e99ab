"""Command tracing: from taken to physically in effect."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.tracing import EFFECTIVE, EXPIRED, PATIENCE_S, SUPERSEDED

P = "active_power_setpoint_w"


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
def record(farm: Farm) -> Record:
    made = Record()
    farm.observers.append(made)
    return made


def test_a_setpoint_is_in_effect_once_the_power_is_there(farm: Farm, record: Record) -> None:
    command = farm.device("storage-001").submit(enabled({P: 4_000.0}), "test", "me", 0.0)
    for _ in range(60):
        farm.step(0.1)
        power = farm.device("storage-001").true_value("active_power_w")
        done = [outcome for outcome in record.outcomes if outcome[1] == "active_power_w"]
        assert bool(done) == (abs(power - 4_000.0) <= 100.0) or len(done) == 1
    assert record.commands == [command]
    assert [(id_, outcome) for id_, name, outcome, _ in record.outcomes if name == "active_power_w"] == [
        (command.id, EFFECTIVE)
    ]


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


def test_a_command_the_device_never_follows_expires(farm: Farm, record: Record) -> None:
    battery = farm.device("storage-001")
    command = battery.submit({P: 4_000.0, "active_power_setpoint_enabled": 0.0}, "test", "me", 0.0)
    for _ in range(4):
        farm.step(PATIENCE_S / 3.0)
    assert [outcome for id_, _, outcome, _ in record.outcomes if id_ == command.id] == [EXPIRED]


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
