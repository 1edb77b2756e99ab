"""Control fields and services of the link (IEC 60870-5-2:1992, 4 and 5; IEC 60870-5-101:2003, 6.2)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

FUNCTION: Final = 0x0F
PRIMARY: Final = 0x40
"""PRM: from the station that begins a service."""
DIRECTION: Final = 0x80
"""DIR, in balanced transmission: from the controlling station. Unbalanced it is reserved, and 0."""
COUNT_BIT: Final = 0x20
"""FCB: another value than in the service before."""
COUNT_VALID: Final = 0x10
"""FCV: whether FCB says anything."""
ACCESS_DEMAND: Final = 0x20
"""ACD, in unbalanced transmission: data of class 1 wait."""
FLOW_CONTROL: Final = 0x10
"""DFC: further data would find no room."""


class Request(IntEnum):
    """Functions of a primary station."""

    RESET_LINK = 0
    TEST_LINK = 2
    DATA = 3
    DATA_NO_REPLY = 4
    ACCESS_DEMAND = 8
    STATUS = 9
    CLASS_1 = 10
    CLASS_2 = 11


class Reply(IntEnum):
    """Functions of a secondary station."""

    ACK = 0
    NACK = 1
    DATA = 8
    NO_DATA = 9
    STATUS = 11
    NOT_FUNCTIONING = 14
    NOT_IMPLEMENTED = 15


UNBALANCED: Final = frozenset(Request) - {Request.TEST_LINK}
BALANCED: Final = frozenset(Request) - {Request.ACCESS_DEMAND, Request.CLASS_1, Request.CLASS_2}
"""What a controlled station serves as the secondary."""
