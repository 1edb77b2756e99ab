"""The source of a load test's readings: a farm, stepped in the same process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import ceil
from typing import Any, Final, Protocol

import yaml

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load


@dataclass(frozen=True, slots=True)
class Sender:
    """A device that reports: its kind, and whether it does so daily (meters) or every few minutes."""

    device_id: str
    kind: str
    daily: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of a device at one moment of site time (ISO 8601), and the quality of those not good."""

    timestamp: str
    values: Mapping[str, float]
    quality: Mapping[str, int]


class Source(Protocol):
    """Devices whose values move with site time."""

    @property
    def senders(self) -> Sequence[Sender]: ...
    def advance(self, by_s: float) -> None: ...
    def sample(self, device_id: str) -> Sample: ...


STEP_MAX_S: Final = 900.0
"""Maximum step of the farm: readings are five minutes apart or more, so finer steps would not be seen."""
STEPS_MAX: Final = 10
"""Maximum number of steps in one ``advance``: while the farm steps, no answer is read."""


class FarmSource:
    """The devices of a site, reporting what the specification says the SESP receives from their kind."""

    def __init__(self, site: str) -> None:
        self._farm = Farm(load(site))
        self._reported = {group.spec.kind: reported_quantities(group.spec) for group in self._farm.groups.values()}
        self._farm.step(self._farm.layout.step_s)

    @property
    def senders(self) -> Sequence[Sender]:
        return [Sender(device.id, device.kind, reports_daily(device.group.spec)) for device in self._farm]

    def advance(self, by_s: float) -> None:
        """Advance site time by ``by_s`` [s, > 0]."""
        steps = min(STEPS_MAX, ceil(by_s / STEP_MAX_S))
        for _ in range(steps):
            self._farm.step(by_s / steps)

    def sample(self, device_id: str) -> Sample:
        device = self._farm.device(device_id)
        names = self._reported[device.kind]
        return Sample(
            self._farm.now.isoformat(),
            {name: device.value(name) for name in names},
            {name: mark for name in names if (mark := device.quality(name))},
        )


def reported_quantities(spec: DeviceSpec) -> tuple[str, ...]:
    """Name the quantities that carry the information flows from a device kind to the SESP."""
    names = (name for flow in _flows(spec.use_case) for name in spec.items[flow["item"]])
    return tuple(dict.fromkeys(names))


def reports_daily(spec: DeviceSpec) -> bool:
    """Whether every information flow of a device kind to the SESP is a daily one."""
    return all(flow["interval"] == "daily" for flow in _flows(spec.use_case))


@cache
def _flows(use_case: str) -> list[dict[str, Any]]:
    text = (files("pilotfarm.profiles") / "requirements.yaml").read_text(encoding="utf-8")
    return [flow for case in yaml.safe_load(text)["use_cases"] if case["id"] == use_case for flow in case["to_sesp"]]
