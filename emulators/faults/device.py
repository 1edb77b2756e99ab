"""Device faults: the device itself is gone from the network."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pilotfarm.emulators.contracts.fault import FaultSpec


class Offline(BaseModel):
    """Nothing to choose beside the mode."""

    model_config = ConfigDict(extra="forbid")


OFFLINE_MODES = {"refuse": 1.0, "cut": 2.0}
"""``refuse``: as a host whose service is down. ``cut``: every connection is taken and closed at once."""


def _offline(mode: str, parameters: Offline) -> tuple[str, float]:
    return "offline", OFFLINE_MODES[mode]


OFFLINE = FaultSpec(
    kind="offline",
    family="device",
    title="The device is off the network: connections are cut and refused; an RTU reports its points as not topical",
    parameters=Offline,
    modes=tuple(OFFLINE_MODES),
    condition=_offline,
    holds=True,
)
