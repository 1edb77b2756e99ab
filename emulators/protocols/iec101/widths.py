"""Data units in the widths of IEC 60870-5-104, which are those that filters know, and back again.

What a filter puts where a narrower address has no octets is laid over the highest octet that there is.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec60870.asdu import ELEMENT_OCTETS, FORMAT_104, INTEGER_OCTETS, TOLD, Format, Type
from pilotfarm.emulators.protocols.iec60870.blocks import MONITORED_OCTETS

_OCTETS: Final[dict[int, int]] = (
    ELEMENT_OCTETS
    | INTEGER_OCTETS
    | {TOLD[tag][kind]: MONITORED_OCTETS[kind] + tag for tag in TOLD for kind in TOLD[tag]}
    | {MonitorType.TOTAL: MONITORED_OCTETS[MonitorType.TOTAL], Type.END_OF_INITIALISATION: 1}
)
"""Octets behind an object's address, of what either end sends and filters make of it."""


def widened(data: bytes, form: Format) -> bytes:
    """Return a data unit of a format as IEC 60870-5-104 has it."""
    return _rewritten(data, form, FORMAT_104, data[0])


def narrowed(data: bytes, form: Format, type_id: int) -> bytes:
    """Return a data unit of IEC 60870-5-104 as a format has it; ``type_id`` says what it holds if its own does not."""
    return _rewritten(data, FORMAT_104, form, data[0] if data[0] in _OCTETS else type_id)


def _rewritten(data: bytes, of: Format, to: Format, type_id: int) -> bytes:
    address_at = 2 + of.cause_octets
    head = data[:3] + bytes(to.cause_octets - 1) if of.cause_octets == 1 else data[: 2 + to.cause_octets]
    head += _resized(data[address_at : of.header_octets], to.address_octets)
    body = data[of.header_octets :]
    step = of.object_octets + _OCTETS.get(type_id, len(body))
    objects = [body[at : at + step] for at in range(0, len(body), step)]
    return head + b"".join(
        _resized(each[: of.object_octets], to.object_octets) + each[of.object_octets :] for each in objects
    )


def _resized(address: bytes, octets: int) -> bytes:
    kept = bytearray(address[:octets].ljust(octets, b"\0"))
    for beyond in address[octets:]:
        kept[-1] ^= beyond
    return bytes(kept)
