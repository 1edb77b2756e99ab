"""Whether masters can reach a device: not where all its ways are shut by faults."""

from __future__ import annotations

from collections.abc import Iterable

from pilotfarm.emulators.contracts.fault import AdmissionFault, DeviceFault
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.faultboard import FaultBoard
from pilotfarm.emulators.farm.population import Population


def shut(faults: Iterable[Fault]) -> bool:
    """Whether one of the faults on a way keeps masters from its device."""
    return any(takes_away(fault) or admits(fault).cuts_off for fault in faults)


def takes_away(fault: Fault) -> bool:
    """Whether a device that such a fault grips on its way is off, and will begin anew."""
    return isinstance(fault.spec, DeviceFault)


def stops(fault: Fault) -> bool:
    """Whether a station that polls and that such a fault grips does nothing, and will begin anew."""
    return takes_away(fault) or (isinstance(fault.spec, AdmissionFault) and fault.spec.stops)


def admits(fault: Fault) -> Admission:
    """How a fault on a way meets who connects."""
    if takes_away(fault):
        return Admission.REFUSE
    return fault.spec.admits(fault.mode, fault.parameters) if isinstance(fault.spec, AdmissionFault) else Admission.OPEN


def out_of_reach(board: FaultBoard, population: Population) -> frozenset[tuple[str, int]]:
    """Return the devices that no master can reach, by group and row, as of the last step."""
    found = set()
    for device, faults in board.on_the_way().items():
        ways = population.ways.get(device)
        met = [faults] if ways is None else [[fault for fault in faults if fault.acts_at(way)] for way in ways]
        if all(map(shut, met)):
            found.add(device)
    return frozenset(found)
