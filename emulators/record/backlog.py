"""What waits to be written to one table of the ledger, and what became of it."""

from __future__ import annotations

from collections import deque
from typing import Any


class Backlog:
    """Items in order, each with the rows it makes. One lock of its user guards it.

    ``lost`` counts rows that were dropped unwritten. ``error`` is why the table cannot be written, from the first
    failure until all that waited at the last one is on disk or lost.
    """

    def __init__(self, table: str) -> None:
        self.table = table
        self.rows = 0
        self.lost = 0
        self.error = ""
        self._items: deque[tuple[Any, int]] = deque()
        self._owed = 0

    def add(self, item: Any, rows: int = 1) -> None:
        self._items.append((item, rows))
        self.rows += rows

    def take(self, rows_max: int) -> list[tuple[Any, int]]:
        """Take the oldest items, until they make ``rows_max`` rows or more."""
        taken, rows = [], 0
        while self._items and rows < rows_max:
            taken.append(self._items.popleft())
            rows += taken[-1][1]
        self.rows -= rows
        return taken

    def failed(self, taken: list[tuple[Any, int]], error: str) -> bool:
        """Put back what could not be written; whether that is news."""
        self._items.extendleft(reversed(taken))
        self.rows += sum(rows for _, rows in taken)
        self._owed = self.rows
        news, self.error = not self.error, error
        return news

    def written(self, rows: int) -> bool:
        """Note rows written; whether with them nothing is left of what could not be."""
        self._owed -= rows
        news = bool(self.error) and self._owed <= 0
        if news:
            self.error = ""
        return news

    def shrink(self, rows_max: int) -> None:
        """Drop the oldest items until at most ``rows_max`` rows wait."""
        while self.rows > rows_max:
            _, rows = self._items.popleft()
            self.rows -= rows
            self._owed -= rows
            self.lost += rows
