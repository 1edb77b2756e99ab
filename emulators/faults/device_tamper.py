"""What somebody does to a meter, or what is the matter with it: an alarm, which stays until it is cleared."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.fault import DeviceFault
from pilotfarm.emulators.faults.parameters import Nothing

_COLUMNS: Final = {
    "cover-open": "cover_open",
    "magnetic-field": "magnetic_field",
    "clock-invalid": "clock_invalid",
    "battery-low": "battery_low",
    "communication-lost": "communication_lost",
}
"""Mode -> the column that raises the alarm of a meter (``devices.smart_meter``)."""


def _raises(mode: str, parameters: Nothing) -> dict[str, float]:
    return {_COLUMNS[mode]: 1.0}


TAMPER = DeviceFault(
    kind="tamper",
    title="A meter's cover is opened, a magnet is put to it, or it finds its clock, battery or communication bad: the "
    "alarm stays after that until `event_clear`",
    parameters=Nothing,
    modes=tuple(_COLUMNS),
    sets=_raises,
)
