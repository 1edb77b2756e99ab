"""Totals as they are read one after another: they grow, or begin again at 0 past their modulus, and never go back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

GRAIN_REL: Final = 2.0**-23
"""What a float32 of a size cannot tell apart."""


@dataclass(slots=True)
class Counters:
    """What is known of every total read so far."""

    wraps: dict[str, int] = field(default_factory=dict)
    """Times that totals began again at 0, by what they are."""
    highest: dict[str, float] = field(default_factory=dict)
    """The highest value seen of each total, by what they are."""
    backwards: list[str] = field(default_factory=list)
    _last: dict[tuple[object, ...], float] = field(default_factory=dict)

    def see(self, key: tuple[object, ...], family: str, value: float, modulus: float) -> None:
        """Take a reading of the total ``key``, which counts from 0 to below ``modulus``."""
        before = self._last.get(key)
        self._last[key] = value
        self.highest[family] = max(value, self.highest.get(family, 0.0))
        if before is None or value >= before:
            return
        if modulus < math.inf and value - before + modulus < modulus / 2.0:
            self.wraps[family] = self.wraps.get(family, 0) + 1
        elif before - value > GRAIN_REL * before:
            self.backwards.append(f"{key}: {value:.17g} after {before:.17g}")
