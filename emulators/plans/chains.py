"""Where the SunSpec models of a register plan begin, and how long the first of them is.

SunSpec has three base addresses, 40000, 0 and 50000, and clients look at each of them. Model 1 has 66 registers with a
pad at its end, or 65 without; clients that hard-code addresses know devices with 65: their second model is at 40069.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pilotfarm.emulators.plans.modbus import RegisterPlan, Unit, Window

BASE: Final = 40_000
MARK: Final = b"SunS"
_LENGTH: Final = 3
"""Where model 1 has its length, counted from the base."""
_PAD: Final = 69
"""Where model 1 has its pad."""


class Overlap(ValueError):
    """A chain that would lie over registers of another kind."""


@dataclass(frozen=True, slots=True)
class Chains:
    base: int = BASE
    common: int = 66

    def address(self, planned: int) -> int:
        """Return where a register of a chain, other than the pad, stands."""
        return self.base + planned - BASE - (self.common < 66 and planned > BASE + _PAD)

    def window(self, planned: Window) -> Window:
        data = bytearray(planned.data)
        data[2 * _LENGTH : 2 * _LENGTH + 2] = self.common.to_bytes(2, "big")
        if self.common < 66:
            del data[2 * _PAD : 2 * _PAD + 2]
        return Window(self.base, bytes(data))


def placed(plan: RegisterPlan, chains: Chains | None) -> RegisterPlan:
    """Return a plan with its chains elsewhere. ``Overlap`` where other registers are and do not make room."""
    if chains is None or chains == Chains():
        return plan
    return replace(plan, units=tuple(_placed(unit, chains) for unit in plan.units))


def _placed(unit: Unit, chains: Chains) -> Unit:
    chain = next((window for window in unit.windows if window.data.startswith(MARK)), None)
    if chain is None:
        return unit
    moved = chains.window(chain)
    others = tuple(window for window in unit.windows if window is not chain)
    taken = next((each for each in others if moved.first < each.end and each.first < moved.end), None)
    if taken is not None:
        if not unit.makes_room:
            raise Overlap(f"SunSpec models at {chains.base} would lie over registers {taken.first} to {taken.end - 1}")
        others = ()

    def stands_in(address: int) -> bool:
        return chain.first <= address < chain.end

    def address(planned: int) -> int:
        return chains.address(planned) if stands_in(planned) else planned

    return replace(
        unit,
        windows=(*others, moved),
        registers=tuple(
            replace(register, address=address(register.address))
            for register in unit.registers
            if others or stands_in(register.address)
        ),
        serials=tuple((address(at), width) for at, width in unit.serials if others or stands_in(at)),
        serial_numbers=unit.serial_numbers if others else (),
        own_ids=tuple(map(address, unit.own_ids)),
        unimplemented=frozenset(map(chains.address, unit.unimplemented - {BASE + _PAD})),
    )
