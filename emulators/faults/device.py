"""A device off the network."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from pilotfarm.emulators.contracts.fault import AdmissionFault
from pilotfarm.emulators.contracts.way import Admission


class Offline(BaseModel):
    """Nothing to choose beside the mode."""

    model_config = ConfigDict(extra="forbid")


ADMITS: Final = {"refuse": Admission.REFUSE, "cut": Admission.RESET, "silent": Admission.SILENT}
"""Mode -> how whoever connects is met."""


def admits(mode: str, parameters: Offline) -> Admission:
    return ADMITS[mode]


OFFLINE = AdmissionFault(
    kind="offline",
    title="The device is off the network: connections are cut and refused; an RTU reports its points as not topical",
    parameters=Offline,
    modes=tuple(ADMITS),
    admits=admits,
)
