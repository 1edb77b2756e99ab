"""What commands go down from a data concentrator to its meters: a demand, of a write and a read-back.

Its exchanges are of site time, as rounds are; who gave the command waits in wall time and looks again now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.contracts.protocol import Device
from pilotfarm.emulators.errors import NoAnswer, PointError
from pilotfarm.emulators.stations.come import Outcome
from pilotfarm.emulators.stations.rounds import Rounds

LOOK_AGAIN_S: Final = 0.2
"""Of wall time: a step may have brought the outcome by then."""
_WRITTEN_AND_READ: Final = 2


class Demanded:
    """A command on its way to a meter, which has it when it has answered the write, whatever becomes of the rest."""

    __slots__ = ("_device", "_order", "_outcome", "_refusal", "_wall_s", "due_s")

    def __init__(self, device: Device, order: Order, wall_s: Callable[[], float], now_s: float) -> None:
        self._device, self._order, self._wall_s = device, order, wall_s
        self._outcome: Outcome | None = None
        self._refusal: PointError | None = None
        self.due_s = now_s + LOOK_AGAIN_S

    def ended(self, outcome: Outcome) -> None:
        """Have the meter do it, if it was told."""
        self._outcome = outcome
        if not (outcome.told and self._order.values):
            return
        try:
            now_s = self._wall_s()
            self._device.submit(*self._order, now_s).acknowledged_s = now_s if outcome.answered else None
        except PointError as error:
            self._refusal = error

    def done(self, now_s: float) -> bool:
        if self._outcome is None:
            self.due_s = now_s + LOOK_AGAIN_S
            return False
        if self._refusal is not None:
            raise self._refusal
        if not self._outcome.answered:
            told = "has not said whether it has done it" if self._outcome.told else "does not answer its concentrator"
            raise NoAnswer(f"{self._device.id} {told}")
        return True

    def leave(self) -> None:
        """It is on its way."""


class MeterDownlink:
    """The way of commands to one meter."""

    __slots__ = ("_device", "_meter", "_rounds", "_wall_s")

    def __init__(self, rounds: Rounds, meter: int, device: Device, wall_s: Callable[[], float]) -> None:
        self._rounds, self._meter, self._device, self._wall_s = rounds, meter, device, wall_s

    def carry(self, order: Order, now_s: float) -> Carried:
        sent = Demanded(self._device, order, self._wall_s, now_s)
        self._rounds.demand(self._meter, _WRITTEN_AND_READ, sent.ended)
        return sent
