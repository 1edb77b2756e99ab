"""A connection over a medium: what is sent takes the medium's time, and the operator may forget an idle one."""

from __future__ import annotations

from pilotfarm.emulators.contracts.way import Engine, Link, Severing
from pilotfarm.emulators.links.channels import DEAD_AFTER_S, SEGMENT_OCTETS, Channel, Draws, Loss
from pilotfarm.emulators.links.medium import Air, Direction, Modem
from pilotfarm.emulators.links.pipe import Pipe


def over(modem: Modem, engine: Engine, key: int, now_s: float) -> Link:
    """Put a connection that has just come up on a modem's medium; ``key`` is its own, for what is drawn.

    Its first message waits for the exchange that sets a TCP connection up, and for the modem to wake up for that: the
    machine's own TCP, which has answered at once, is not that of the device.
    """
    down, up = Air(modem, "to_device", key), Air(modem, "to_master", key)
    up.open_s = down.arrival_s(0, now_s)
    down.open_s = up.open_s = up.arrival_s(0, now_s)
    pipe = Pipe(
        engine,
        _with_losses(down, modem, key, "to_device"),
        _with_losses(up, modem, key, "to_master"),
        piece_octets=SEGMENT_OCTETS,
    )
    idle_s = modem.medium.nat_idle_s
    return pipe if idle_s is None else Nat(pipe, idle_s, now_s, resets_used=bool(modem.medium.nat_resets))


def _with_losses(air: Air, modem: Modem, key: int, direction: Direction) -> list[Channel]:
    medium = modem.medium
    if not medium.loss_frac:
        return [air]
    return [air, Loss.of(medium.loss_frac, medium.loss_burst, Draws(key, f"loss {direction}"))]


class Nat(Severing):
    """A link that an operator's NAT or firewall forgets when nothing has passed for ``idle_s``.

    From then on the connection is half-open: whatever is sent, either way, is lost. With ``resets_used`` what is sent
    after the first that was lost is answered with a reset; without, TCP gives up after ``DEAD_AFTER_S``.
    """

    def __init__(self, inner: Link, idle_s: float, now_s: float, *, resets_used: bool) -> None:
        self.inner: Engine = inner
        self.bites = inner.bites
        self._link = inner
        self._idle_s = idle_s
        self._resets_used = resets_used
        self._used_s = self._now_s = now_s
        self._lost_s: float | None = None
        self._over = self._reset = False

    @property
    def resets(self) -> bool:
        return self._reset

    @property
    def closed(self) -> bool:
        return self._over or self.inner.closed

    def receive(self, data: bytes, now_s: float) -> None:
        self.advance(now_s)
        if self._passes():
            self.inner.receive(data, now_s)

    def advance(self, now_s: float) -> None:
        self._now_s = now_s
        self._over |= self._lost_s is not None and now_s >= self._lost_s + DEAD_AFTER_S
        self.inner.advance(now_s)

    def deadline_s(self) -> float | None:
        gives_up_s = None if self._lost_s is None else self._lost_s + DEAD_AFTER_S
        due = (gives_up_s, self.inner.deadline_s())
        return min((each for each in due if each is not None), default=None)

    def take_output(self) -> bytes:
        output = self.inner.take_output()
        return output if output and self._passes() else b""

    def hang_up(self, now_s: float) -> None:
        self.inner.hang_up(now_s)

    def let_go(self, now_s: float) -> None:
        """Forget no more; what has been lost is lost."""
        self._idle_s = float("inf")
        self._link.let_go(now_s)

    def _passes(self) -> bool:
        """Take notice of what is sent now, and say whether it is not lost."""
        if self._lost_s is None:
            if self._now_s - self._used_s < self._idle_s:
                self._used_s = self._now_s
                return True
            self._lost_s = self._now_s
        elif self._now_s > self._lost_s and self._resets_used:
            self._over = self._reset = True
        return False
