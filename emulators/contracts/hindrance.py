"""What a fault of a device makes of the exchanges of a station that polls it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple


class Impairment(NamedTuple):
    """What a fault does to one way of an exchange: how late it is [s], by its octets too, and what share is lost."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    octet_s: float = 0.0
    lost_frac: float = 0.0


UNIMPAIRED: Final = Impairment()


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What a fault of a device makes of exchanges of a station that polls it: a share of them, each try by itself.

    It may be that no answer comes, or none that is taken for one; that it is a refusal; or that it is late.
    """

    share_frac: float = 1.0
    unanswered: bool = False
    refused: bool = False
    there: Impairment = UNIMPAIRED
    back: Impairment = UNIMPAIRED
    up_s: float = 0.0
    """It leaves exchanges alone for so long, then acts for ``down_s``, and so on; always where that is infinite."""
    down_s: float = inf
    reads: bool = True
    writes: bool = True
    """Whether it acts on polls, and on commands."""
