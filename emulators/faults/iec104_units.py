"""What faults of IEC 60870-5-104 must know of a data unit (IEC 60870-5-101:2003, 7.1 and 7.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MONITORED: Final = range(1, 45)
"""Types of process information in monitor direction (7.2.1.1)."""
HEAD_OCTETS: Final = 6
"""Type, number of objects, cause (2) and common address (2)."""
ADDRESS_OCTETS: Final = 3
_SEQUENCE: Final = 0x80


def count(unit: bytes) -> int:
    """How many objects, or elements of one, a data unit says it has."""
    return unit[1] & ~_SEQUENCE


def is_sequence(unit: bytes) -> bool:
    """Whether one address stands for all elements (SQ = 1)."""
    return bool(unit[1] & _SEQUENCE)


def objects(unit: bytes) -> Iterator[bytes]:
    """Yield each object with its address; a data unit whose octets do not go into its number of objects has none."""
    body, number = unit[HEAD_OCTETS:], count(unit)
    if is_sequence(unit) or not number or len(body) % number:
        return
    octets = len(body) // number
    for at in range(0, len(body), octets):
        yield body[at : at + octets]
