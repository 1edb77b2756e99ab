"""The objects of one type in the rows of a table, seen as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.plans.iec104 import MEASURED, MonitorPoint, MonitorType
from pilotfarm.emulators.plans.own_list import ABSENT, Addresses

STATES: Final = (MonitorType.SINGLE, MonitorType.DOUBLE)
VALUE: Final = {
    MonitorType.SINGLE: "u1",
    MonitorType.DOUBLE: "u1",
    MonitorType.NORMALIZED: "<i2",
    MonitorType.SCALED: "<i2",
    MonitorType.FLOAT: "<f4",
    MonitorType.TOTAL: "<i4",
}
MONITORED_OCTETS: Final = {
    MonitorType.SINGLE: 1,
    MonitorType.DOUBLE: 1,
    MonitorType.NORMALIZED: 3,
    MonitorType.SCALED: 3,
    MonitorType.FLOAT: 5,
    MonitorType.TOTAL: 5,
}
DESCRIPTOR: Final = 0xF0
"""Quality bits a single or double point has beside its value: not OV."""
_INTEGERS: Final = (MonitorType.NORMALIZED, MonitorType.SCALED)
_INTEGER_ENDS: Final = (-32_768.0, 32_767.0)
_COUNTER_INVALID: Final = 0x80
_UNTRUE: Final = np.uint8(Quality.INVALID | Quality.NOT_TOPICAL)


@dataclass(slots=True)
class Block:
    """``count`` objects of a type, of ``octets`` each, from some octet of a row on."""

    type: MonitorType
    tag_octets: int
    """Of the time tags of their events."""
    points: Sequence[MonitorPoint]
    octets: int
    objects: npt.NDArray[np.uint8]
    """(n, count, octets)"""
    quality: npt.NDArray[np.uint8]
    """(n, count): the octet the quality descriptor is in"""
    values: npt.NDArray[Any]
    """(n, count)"""
    deadbands: npt.NDArray[np.float32]
    """(n, count), wire units; empty for states"""
    addresses: Addresses | None
    """(n, count), where every device has addresses of its own"""
    last: npt.NDArray[Any]
    """(n, count): what was last reported, where anyone listens; empty while nobody ever did"""
    last_quality: npt.NDArray[np.uint8]

    def mark_strange(self, columns: Mapping[str, Floats]) -> bool:
        """Mark values that are none, NaN, and those beyond what the type holds; return whether any was."""
        marked = False
        if self.type is MonitorType.FLOAT:
            strange = ~np.isfinite(self.values)
            if strange.any():
                self.quality[strange] |= np.where(
                    np.isnan(self.values[strange]), np.uint8(Quality.INVALID), np.uint8(Quality.OVERFLOW)
                )
                marked = True
        elif self.type in _INTEGERS:
            low, high = _INTEGER_ENDS
            for place, point in enumerate(self.points):
                wire = np.rint(point.source.of(columns))
                unknown = np.isnan(wire)
                beyond = (wire < low) | (wire > high)
                if unknown.any() or beyond.any():
                    self.quality[unknown, place] |= np.uint8(Quality.INVALID)
                    self.quality[beyond, place] |= np.uint8(Quality.OVERFLOW)
                    marked = True
        return marked

    def mark(self, place: int, bits: Qualities) -> None:
        """Write what is known of the quality of a point."""
        if self.type is MonitorType.TOTAL:
            # A counter reading has no word for not topical (7.2.6.9).
            self.quality[:, place] |= np.where(bits & _UNTRUE, _COUNTER_INVALID, 0).astype(np.uint8)
        elif self.type in MEASURED:
            self.quality[:, place] |= bits
        else:
            self.quality[:, place] |= bits & np.uint8(DESCRIPTOR)

    def listen(self, row: int) -> None:
        """Take what stands for what was last reported."""
        if self.last.size == 0:
            self.last, self.last_quality = np.empty_like(self.values), np.empty_like(self.quality)
        self.last[row], self.last_quality[row] = self.values[row], self.quality[row]

    def moved(self, heard: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the rows and places, of some rows, of what is to be reported, and take it for reported."""
        # A value that becomes NaN, or a number again, shows in its quality.
        moved = self.quality[heard] != self.last_quality[heard]
        if self.type is MonitorType.FLOAT:
            with np.errstate(invalid="ignore"):
                moved |= np.abs(self.values[heard] - self.last[heard]) > self.deadbands[heard]
        elif self.type in _INTEGERS:
            by = self.values[heard].astype(np.float32) - self.last[heard].astype(np.float32)
            moved |= np.abs(by) > self.deadbands[heard]
        if self.addresses is not None:
            moved &= self.addresses[heard] != ABSENT
        rows, places = np.nonzero(moved)
        rows = heard[rows]
        self.last[rows, places] = self.values[rows, places]
        self.last_quality[rows, places] = self.quality[rows, places]
        return rows, places

    def addresses_of(self, row: int, places: Sequence[int]) -> list[int]:
        """Return the object addresses of some places in a row."""
        if self.addresses is None:
            return [self.points[place].ioa for place in places]
        return [int(each) for each in self.addresses[row, places]]
