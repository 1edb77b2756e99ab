"""What a station asks devices over Modbus RTU, how long the frames are, and both ends of speaking it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pilotfarm.emulators.contracts.asking import Asking, Really, Request
from pilotfarm.emulators.contracts.protocol import PointRow, Seat
from pilotfarm.emulators.protocols.modbus.blocks import blocks
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.master import masters
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions

_ASKED: Final = 8
_AROUND: Final = 5
"""Octets of an answer beside its values: unit, function, count and CRC."""


def requests(points: Sequence[PointRow]) -> list[Request]:
    """Return how long the frames of these reads are."""
    return [Request(_ASKED, _AROUND + block.octets) for block in blocks(points)]


def _device(seat: Seat, on_line: bool) -> ModbusStation:
    return ModbusStation([seat], ModbusOptions(framing="rtu" if on_line else "tcp"))


ASKING: Final = Asking(requests, Request(13, 8), really=Really(masters, _device))
"""A write of two registers by function 16 (6.12), and its answer."""
