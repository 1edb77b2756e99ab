"""What is known of a reported value."""

from __future__ import annotations

from enum import IntFlag
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Qualities: TypeAlias = npt.NDArray[np.uint8]


class Quality(IntFlag):
    """What is known of a reported value; the bits of the quality descriptor of IEC 60870-5-101, 7.2.6.3."""

    GOOD = 0
    OVERFLOW = 0x01
    BLOCKED = 0x10
    SUBSTITUTED = 0x20
    NOT_TOPICAL = 0x40
    INVALID = 0x80
