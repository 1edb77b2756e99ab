"""What a written wire value means, where a register takes something else than it shows."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.wire.derived import Share


class Sink(Protocol):
    """What a written wire value means."""

    @property
    def quantities(self) -> tuple[str, ...]: ...
    def back(self, raw: float) -> dict[str, float]:
        """The quantities to change, maybe none; ``OutOfRange`` if the value means nothing here."""
        ...


@dataclass(frozen=True, slots=True)
class Pulse:
    """A command: 1 gives it, 0 does nothing; with ``any_value`` every write gives it."""

    quantity: str
    any_value: bool = False

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def back(self, raw: float) -> dict[str, float]:
        if self.any_value or raw == 1.0:
            return {self.quantity: 1.0}
        if raw == 0.0:
            return {}
        raise OutOfRange(f"{raw:g} is neither 0 nor 1")


@dataclass(frozen=True, slots=True)
class Choice:
    """Numbers that each mean a change of their own; an empty name means that nothing changes."""

    means: tuple[tuple[float, str, float], ...]
    """Number on the wire, quantity, value."""

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(quantity for _, quantity, _ in self.means if quantity))

    def back(self, raw: float) -> dict[str, float]:
        for wire, quantity, value in self.means:
            if wire == raw:
                return {quantity: value} if quantity else {}
        raise OutOfRange(f"{raw:g} is not one of {', '.join(f'{wire:g}' for wire, *_ in self.means)}")


@dataclass(frozen=True, slots=True)
class Within:
    """A sink that takes only a part of the range, in wire units; with ``or_zero`` 0 besides."""

    sink: Sink
    min: float
    max: float
    or_zero: bool = False

    @property
    def quantities(self) -> tuple[str, ...]:
        return self.sink.quantities

    def back(self, raw: float) -> dict[str, float]:
        if not self.min <= raw <= self.max and not (self.or_zero and raw == 0.0):
            raise OutOfRange(f"{raw:g} is not within {self.min:g} to {self.max:g}")
        return self.sink.back(raw)


@dataclass(frozen=True, slots=True)
class Kept:
    """A setting of the device's interface, that none of its quantities stands for: kept as written, if allowed.

    With ``gives``, every write gives that command as well.
    """

    allowed: Container[float]
    gives: str = ""

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.gives,) if self.gives else ()

    def back(self, raw: float) -> dict[str, float]:
        if raw not in self.allowed:
            raise OutOfRange(f"{raw:g} is no value of this setting")
        return {self.gives: 1.0} if self.gives else {}


@dataclass(frozen=True, slots=True)
class ShareTaken:
    """A written share of what a device may deliver or draw: what it comes to is a matter of the device (``given``)."""

    share: Share

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.share.quantity,)

    def back(self, raw: float) -> dict[str, float]:
        raise OutOfRange(f"{raw:g} is a share, and of what is not known here")

    def given(self, raw: float, value: Callable[[str], float]) -> dict[str, float]:
        """Return the set-point that a share comes to, where the device's quantities have these values."""
        most = value(self.share.under if raw < 0.0 else self.share.over)
        return {self.share.quantity: raw / self.share.gain * most}
