"""What a station keeps for a head-end until that has acknowledged it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Kept(NamedTuple):
    """A record, by a number that grows and is never used again."""

    number: int
    text: str


class Queue(Protocol):
    """Records in two tables with a bound each: of *readings* the oldest are kept, of *alarms* the newest.

    A record that has been put is still there when the process is killed, where the queue is on a disk.
    """

    lost_alarms: int
    """Alarms that gave way to others."""
    problem: str
    """Why the last readings could not be kept; empty when they could."""

    def put_readings(self, texts: Sequence[str], read_to: Mapping[str, int]) -> bool:
        """Keep all of some readings, or none where there is no room; with them up to where each meter has been read."""
        ...

    def put_alarms(self, texts: Sequence[str]) -> None:
        """Keep alarms; the oldest give way."""
        ...

    def readings(self, after: int, count: int) -> Sequence[Kept]:
        """Return the next readings after a number, at most so many."""
        ...

    def alarms(self, after: int, count: int) -> Sequence[Kept]: ...
    def acknowledge_readings(self, to: int) -> int:
        """Forget readings up to and with a number; how many these were."""
        ...

    def acknowledge_alarms(self, to: int) -> int: ...
    def read_to(self) -> Mapping[str, int]:
        """Return up to where each meter has been read."""
        ...

    def waiting(self) -> tuple[int, int]:
        """Return how many readings and how many alarms are kept."""
        ...

    def close(self) -> None: ...
