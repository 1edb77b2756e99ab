"""A device off the network."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.fault import AdmissionFault
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.faults.parameters import Nothing

ADMITS: Final = {"refuse": Admission.REFUSE, "cut": Admission.RESET, "silent": Admission.SILENT}
"""Mode -> how whoever connects is met."""


def admits(mode: str, parameters: Nothing) -> Admission:
    return ADMITS[mode]


OFFLINE = AdmissionFault(
    kind="offline",
    title="The device is off the network: connections are cut and refused; an RTU reports its points as not topical",
    parameters=Nothing,
    modes=tuple(ADMITS),
    admits=admits,
)
