"""What a written wire value means, where a register takes something else than it shows."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

from pilotfarm.emulators.errors import OutOfRange


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
    """A setting of the device's interface, that none of its quantities stands for: kept as written, if allowed."""

    allowed: Container[float]

    @property
    def quantities(self) -> tuple[str, ...]:
        return ()

    def back(self, raw: float) -> dict[str, float]:
        if raw not in self.allowed:
            raise OutOfRange(f"{raw:g} is no value of this setting")
        return {}
