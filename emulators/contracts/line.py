"""A serial line, as a protocol that is spoken on it knows it."""

from __future__ import annotations

import re
import termios
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Parity: TypeAlias = Literal["none", "even", "odd"]

BAUD_RATES: Final = tuple(sorted(int(name[1:]) for name in vars(termios) if re.fullmatch(r"B[1-9][0-9]*", name)))
"""What this system can set a serial line to [bit/s]."""


@dataclass(frozen=True, slots=True)
class SerialLine:
    """How characters go over a line, one start bit before each.

    On a line that is not ``paced``, a pseudo-terminal, they take no time, and nobody has to make room for others.
    """

    baud_rate: int
    parity: Parity
    data_bits: int
    stop_bits: int
    paced: bool = True

    @property
    def character_bits(self) -> int:
        """Of a character: its start, data, parity and stop bits."""
        return 1 + self.data_bits + (self.parity != "none") + self.stop_bits

    @property
    def character_s(self) -> float:
        """How long a character is on the line, if it takes the time it is to take [s]."""
        return self.character_bits / self.baud_rate


def known_rate(rate: int) -> int:
    """Return a rate that there is; ``ValueError`` names all."""
    if rate not in BAUD_RATES:
        raise ValueError(f"no serial line has this rate; there are {', '.join(map(str, BAUD_RATES))}")
    return rate
