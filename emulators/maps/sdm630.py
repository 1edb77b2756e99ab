"""Eastron SDM630 three-phase meter: float32 input registers 0 to 381 (SDM630 Modbus protocol manual, table 1).

Power drawn from the grid is positive. Clients read whole blocks, so the places between are there and 0.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.binding import Quantities
from pilotfarm.emulators.plans.modbus import Register, Window
from pilotfarm.emulators.wire.derived import Weighted
from pilotfarm.emulators.wire.sources import Scaled, Source

WINDOW: Final = Window(0, bytes(2 * 382))

_PHASES: Final = (1, 2, 3)

_SHOWN: Final[dict[int, Source]] = {
    **{0x00 + 2 * k: Scaled(f"voltage_l{phase}_v") for k, phase in enumerate(_PHASES)},
    **{0x06 + 2 * k: Scaled(f"current_l{phase}_a") for k, phase in enumerate(_PHASES)},
    **{0x0C + 2 * k: Scaled(f"active_power_l{phase}_w", -1.0) for k, phase in enumerate(_PHASES)},
    **{0x18 + 2 * k: Scaled(f"reactive_power_l{phase}_var", -1.0) for k, phase in enumerate(_PHASES)},
    0x2A: Weighted(tuple((f"voltage_l{phase}_v", 1.0 / 3.0) for phase in _PHASES)),
    0x2E: Weighted(tuple((f"current_l{phase}_a", 1.0 / 3.0) for phase in _PHASES)),
    0x30: Weighted(tuple((f"current_l{phase}_a", 1.0) for phase in _PHASES)),
    0x34: Scaled("active_power_w", -1.0),
    0x38: Scaled("apparent_power_va"),
    0x3C: Scaled("reactive_power_var", -1.0),
    0x3E: Scaled("power_factor", -1.0),
    0x46: Scaled("frequency_hz"),
    0x48: Scaled("energy_imported_wh", 1e-3),
    0x4A: Scaled("energy_exported_wh", 1e-3),
    0x4C: Scaled("reactive_energy_imported_varh", 1e-3),
    0x4E: Scaled("reactive_energy_exported_varh", 1e-3),
    0xCE: Scaled("voltage_ll_v"),
    0x156: Weighted((("energy_imported_wh", 1e-3), ("energy_exported_wh", 1e-3))),
    0x158: Weighted((("reactive_energy_imported_varh", 1e-3), ("reactive_energy_exported_varh", 1e-3))),
}


def registers(has: Quantities) -> list[Register]:
    return [register for address, source in _SHOWN.items() for register in has.bind(address, ">f4", source)]
