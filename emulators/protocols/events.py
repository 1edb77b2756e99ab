"""A table of a protocol with events: bytes made when a station is armed or somebody reads, and what of them moved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.clock import Clocks, Stamps
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.wire.rows import Rows


class EventTable(ABC):
    """Rows of bytes, what they are to be made of, and who listens to each row.

    While somebody listens, or has read since the step before, the bytes of a step are made at once; else with the
    first read after it.
    """

    __slots__ = ("_latest", "_listeners", "_marked", "_marks", "_read", "_rows", "_stale", "clocks", "stamps", "unix_s")

    def _begin(self, rows: Rows, marks: npt.NDArray[np.uint8]) -> None:
        """Begin with rows of bytes, of which ``marks`` are the bits that no field writes: qualities."""
        self._rows = rows
        self._marks = marks
        self._latest: tuple[Mapping[str, Floats], Mapping[str, Qualities]] = ({}, {})
        self._stale = False
        """Whether the bytes are of an earlier step."""
        self._read = False
        """Whether somebody has read since the last step."""
        self._marked = False
        """Whether marks stand where encoding had written."""
        self._listeners: dict[int, list[Any]] = {}
        """By row; those who listen to none have no entry."""
        self.unix_s = 0.0
        self.clocks: Clocks = {}
        self.stamps: Stamps | None = None

    def row(self, index: int) -> memoryview:
        """The live bytes of one device."""
        self._read = True
        self._make()
        return self._rows.row(index)

    @property
    def octets(self) -> npt.NDArray[np.uint8]:
        """The live bytes of all devices, a row each."""
        self._read = True
        self._make()
        return self._rows.data

    def time_at(self, row: int) -> float:
        """What a row's clock shows. [s since 1970 UTC]"""
        clock = self.clocks.get(row)
        return self.unix_s if clock is None else clock.shown_s(self.unix_s)

    def tagged_at(self, row: int, quantities: Collection[str] = ()) -> float:
        """What the time tag says of a row's value that is made of these quantities. [s since 1970 UTC]"""
        stamped_s = None if self.stamps is None else self.stamps(row, quantities)
        if stamped_s is not None:
            return stamped_s
        clock = self.clocks.get(row)
        return self.unix_s if clock is None else clock.stamped_s(self.unix_s)

    def refresh(self, columns: Mapping[str, Floats], quality: Mapping[str, Qualities], unix_s: float) -> None:
        self.unix_s = unix_s
        self._latest = columns, quality
        self._stale = True
        read, self._read = self._read, False
        if read or self._listeners:
            self._make()
        if self._listeners:
            self._report()

    def tell(self, columns: Mapping[str, Floats], row: int, names: Sequence[str]) -> None:
        """Show what one device has accepted since the last step; who listens hears of it with the next one."""
        self._latest = columns, self._latest[1]
        if not self._stale:
            octets = self._rows.data[row]
            marks = octets & self._marks
            self._rows.encode_row(columns, row, names)
            octets[...] = octets & ~self._marks | marks

    def _make(self) -> None:
        """Encode what is known, unless that is done."""
        if not self._stale:
            return
        self._stale = False
        columns, quality = self._latest
        before = self._marked
        if before:
            self._rows.forget()
        self._rows.encode(columns)
        self._marked = self._mark(quality, before)

    @abstractmethod
    def _mark(self, quality: Mapping[str, Qualities], before: bool) -> bool:
        """Write qualities over encoded bytes; return whether any was. ``before``: marks stood there before."""

    @abstractmethod
    def _report(self) -> None:
        """Tell who listens what has moved."""
