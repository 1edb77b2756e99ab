"""Links that end a connection, or the device's side of it, and change no byte while it stands."""

from __future__ import annotations

from pilotfarm.emulators.contracts.way import Engine, Severing
from pilotfarm.emulators.links.through import Through


class Ending(Through, Severing):
    """Ends the connection at ``due_s``, or amid what is sent once that has been ``octets``, whichever comes first."""

    def __init__(self, inner: Engine, due_s: float | None, octets: int | None, *, reset: bool) -> None:
        super().__init__(inner)
        self._due_s = due_s
        self._octets = octets
        self._reset = reset
        self._over = False

    @property
    def closed(self) -> bool:
        return self._over or self.inner.closed

    @property
    def resets(self) -> bool:
        return self._over and self._reset

    def receive(self, data: bytes, now_s: float) -> None:
        self._look_at(now_s)
        if not self._over:
            super().receive(data, now_s)

    def advance(self, now_s: float) -> None:
        self._look_at(now_s)
        super().advance(now_s)

    def deadline_s(self) -> float | None:
        due = (self._due_s, self.inner.deadline_s())
        return min((each for each in due if each is not None), default=None)

    def take_output(self) -> bytes:
        output = super().take_output()
        if self._over:
            return b""
        if self._octets is not None:
            output = output[: self._octets]
            self._octets -= len(output)
            if self._octets == 0:
                self._end()
        return output

    def let_go(self, now_s: float) -> None:
        self._due_s = self._octets = None

    def _look_at(self, now_s: float) -> None:
        if self._due_s is not None and now_s >= self._due_s and not self._over:
            self._end()

    def _end(self) -> None:
        self._over = True
        self.bites.count += 1


class Forgotten(Through, Severing):
    """The device's side of the connection is gone without a word to its peer.

    What the peer sends is lost; ``reset_after_s`` after the first of it the connection is reset, never with ``None``.
    """

    forgotten = True

    def __init__(self, inner: Engine, reset_after_s: float | None, now_s: float) -> None:
        super().__init__(inner)
        self._reset_after_s = reset_after_s
        self._due_s: float | None = None
        self._over = False
        self.bites.count = 1
        inner.hang_up(now_s)

    @property
    def closed(self) -> bool:
        return self._over

    @property
    def resets(self) -> bool:
        return self._over

    def receive(self, data: bytes, now_s: float) -> None:
        if self._reset_after_s is not None and self._due_s is None:
            self._due_s = now_s + self._reset_after_s
        self.advance(now_s)

    def advance(self, now_s: float) -> None:
        self._over |= self._due_s is not None and now_s >= self._due_s

    def deadline_s(self) -> float | None:
        return self._due_s

    def take_output(self) -> bytes:
        return b""

    def hang_up(self, now_s: float) -> None:
        """The device did, when it forgot."""

    def let_go(self, now_s: float) -> None:
        """Reset: there is nothing behind it that could go on."""
        self._over = True
