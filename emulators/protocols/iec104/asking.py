"""What a controlling station asks devices, or a station, for over IEC 60870-5-104, and how long the frames are.

Measured values come of themselves at every scan, and are acknowledged. Set-points and totals are interrogated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104
from pilotfarm.emulators.protocols.iec60870.asking import command_octets, interrogation_octets, told

_CONTROL: Final = 6
"""Octets before a data unit, and of an acknowledgement or a test without one (IEC 60870-5-104, 5)."""
WINDOW: Final = 12
"""Frames that may be on their way and not acknowledged: the standard's k (9.6)."""


def requests(points: Sequence[PointRow]) -> list[Request]:
    """Return the exchanges that read points of a device."""
    return bulk([(points, 1)])


def bulk(devices: Sequence[tuple[Sequence[PointRow], int]]) -> list[Request]:
    """Return the exchanges that read a station: one for as many frames as may be on their way at once."""
    found = told(devices, FORMAT_104)
    exchanges = [*_frames(_CONTROL, found.measured)]
    if found.asks_at_all and not exchanges:
        exchanges = [Request(_CONTROL, _CONTROL)]  # a test, and its confirmation
    for units in found.interrogated:
        exchanges += _frames(_CONTROL + interrogation_octets(FORMAT_104), units)
    return exchanges


def _frames(asked: int, units: Sequence[int]) -> Iterator[Request]:
    """Yield exchanges: what begins them, and after that an acknowledgement each."""
    for at in range(0, len(units), WINDOW):
        window = units[at : at + WINDOW]
        yield Request(asked if not at else _CONTROL, sum(window) + _CONTROL * len(window))


_COMMAND: Final = _CONTROL + command_octets(FORMAT_104)
ASKING: Final = Asking(requests, Request(_COMMAND, _COMMAND), bulk, as_one=lambda options: True, on_serial=False)
