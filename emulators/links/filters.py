"""Messages through a seat's filters, the first of which is nearest to the application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilotfarm.emulators.contracts.way import Bites, Filter


@dataclass(frozen=True, slots=True)
class Counted:
    """A filter whose bites are counted; once they are spent it lets all messages pass."""

    inner: Filter
    bites: Bites

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        if self.bites.spent:
            return message, None
        further, answer = self.inner.inward(message, now_s)
        self.bites.count += further != message
        return further, answer

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        if self.bites.spent:
            return message
        further = self.inner.outward(message, now_s)
        self.bites.count += further != message
        return further


def inward(filters: Sequence[Filter], message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
    """Return what the application gets of a master's message, and what goes back in its place.

    An answer goes out through the filters that the message has come through.
    """
    for number in range(len(filters) - 1, -1, -1):
        further, answer = filters[number].inward(message, now_s)
        if further is None:
            return None, None if answer is None else outward(filters[number + 1 :], answer, now_s)
        message = further
    return message, None


def outward(filters: Sequence[Filter], message: bytes, now_s: float) -> bytes | None:
    """Return what the link gets of the application's message."""
    for each in filters:
        further = each.outward(message, now_s)
        if further is None:
            return None
        message = further
    return message
