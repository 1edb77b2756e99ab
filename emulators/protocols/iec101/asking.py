"""What a controlling station asks link stations for over IEC 60870-5-101, unbalanced, and how long the frames are.

At every scan data of class 2 are requested, which are the measured values; of class 1 there are none as long as
states and alarms rest. Set-points and totals are interrogated, and what comes of that is requested as class 1.
Widths of addresses are the usual ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec60870.asking import command_octets, interrogation_octets, told

_OPTIONS: Final = Iec101Options()
_SINGLE: Final = 1
"""The character that acknowledges, or says that there are no data."""
_FIXED: Final = 4 + _OPTIONS.link_address_octets
_AROUND: Final = 6 + 1 + _OPTIONS.link_address_octets
"""Octets of a frame beside its data unit: FT1.2's own, the control field and the link address."""


def requests(points: Sequence[PointRow]) -> list[Request]:
    """Return the exchanges that read points of a device."""
    return bulk([(points, 1)])


def bulk(devices: Sequence[tuple[Sequence[PointRow], int]]) -> list[Request]:
    """Return the exchanges that read a station under one link address: a request for each frame."""
    found = told(devices, _OPTIONS.form)
    exchanges = [*_polled(found.measured)]
    if found.asks_at_all and not exchanges:
        exchanges = [Request(_FIXED, _SINGLE)]
    for units in found.interrogated:
        exchanges += [Request(_AROUND + interrogation_octets(_OPTIONS.form), _SINGLE), *_polled(units)]
    return exchanges


def _polled(units: Sequence[int]) -> Iterator[Request]:
    for octets in units:
        yield Request(_FIXED, _AROUND + octets)


_COMMAND: Final = _AROUND + command_octets(_OPTIONS.form)
ASKING: Final = Asking(
    requests,
    Request(_COMMAND + _FIXED, _SINGLE + _COMMAND),
    bulk,
    as_one=lambda options: options.shares_link_address,
)
"""A set-point is sent and acknowledged, and its confirmation requested."""
