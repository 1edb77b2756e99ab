"""A device off the network."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pilotfarm.emulators.contracts.fault import AdmissionFault
from pilotfarm.emulators.contracts.way import Admission


class Offline(BaseModel):
    """Nothing to choose beside the mode."""

    model_config = ConfigDict(extra="forbid")


_ADMITS = {"refuse": Admission.REFUSE, "cut": Admission.RESET}


def _admits(mode: str, parameters: Offline) -> Admission:
    return _ADMITS[mode]


OFFLINE = AdmissionFault(
    kind="offline",
    title="The device is off the network: connections are cut and refused; an RTU reports its points as not topical",
    parameters=Offline,
    modes=tuple(_ADMITS),
    admits=_admits,
)
