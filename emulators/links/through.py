"""A link that changes nothing; others derive from it."""

from __future__ import annotations

from pilotfarm.emulators.contracts.way import Bites, Engine


class Through:
    """An engine as it is."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner
        self.bites = Bites()

    @property
    def closed(self) -> bool:
        return self.inner.closed

    def receive(self, data: bytes, now_s: float) -> None:
        self.inner.receive(data, now_s)

    def advance(self, now_s: float) -> None:
        self.inner.advance(now_s)

    def deadline_s(self) -> float | None:
        return self.inner.deadline_s()

    def take_output(self) -> bytes:
        return self.inner.take_output()

    def hang_up(self, now_s: float) -> None:
        self.inner.hang_up(now_s)

    def let_go(self, now_s: float) -> None:
        """Nothing is under way."""
