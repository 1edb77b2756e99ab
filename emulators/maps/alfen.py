"""Alfen Eve registers beside the CHARX map: socket 1 at 300-425 and 1200-1215, the station at unit 200.

Power into the vehicle is positive. The set-point at 1210 is the same current limit as CHARX 1301; its
validity (1208) is the silence after which the SESP counts as lost, then the safe current (1212) holds.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.binding import Quantities, text
from pilotfarm.emulators.plans.modbus import Identity, Register, Unit, Window
from pilotfarm.emulators.wire.derived import Weighted
from pilotfarm.emulators.wire.sources import Scaled, Source

STATION_UNIT: Final = 200
METER_WINDOW: Final = Window(300, bytes(2 * 126))

_PHASES: Final = (1, 2, 3)

_FLOATS: Final[dict[int, Source]] = {
    **{306 + 2 * k: Scaled(f"voltage_l{phase}_v") for k, phase in enumerate(_PHASES)},
    **{320 + 2 * k: Scaled(f"current_l{phase}_a") for k, phase in enumerate(_PHASES)},
    326: Weighted(tuple((f"current_l{phase}_a", 1.0) for phase in _PHASES)),
    334: Scaled("power_factor", -1.0),
    336: Scaled("frequency_hz"),
    **{338 + 2 * k: Scaled(f"active_power_l{phase}_w", -1.0) for k, phase in enumerate(_PHASES)},
    344: Scaled("active_power_w", -1.0),
    352: Scaled("apparent_power_va"),
    **{354 + 2 * k: Scaled(f"reactive_power_l{phase}_var", -1.0) for k, phase in enumerate(_PHASES)},
    360: Scaled("reactive_power_var", -1.0),
    1206: Scaled("current_limit_in_force_a"),
    1212: Scaled("fallback_current_a"),
}

_DOUBLES: Final[dict[int, Source]] = {
    374: Scaled("energy_imported_wh"),
    390: Scaled("energy_exported_wh"),
    422: Scaled("reactive_energy_imported_varh"),
}


def socket(has: Quantities, state: Source) -> list[Register]:
    """Registers of socket 1; ``state`` gives the two ASCII letters of the vehicle's state."""
    limit = Scaled("current_limit_a")
    return [
        *(register for address, source in _FLOATS.items() for register in has.bind(address, ">f4", source)),
        *(register for address, source in _DOUBLES.items() for register in has.bind(address, ">f8", source)),
        *has.bind(1200, ">u2", Scaled("available")),
        *has.bind(1201, ">u2", state),
        *has.bind(1208, ">u4", Scaled("sesp_timeout_s")),
        *has.bind(1210, ">f4", limit, limit),
    ]


def station(has: Quantities, identity: Identity) -> Unit:
    """The station's own unit: product identification, and the current it may draw."""
    product = bytearray(2 * 79)
    product[0:34] = text(f"{identity.vendor} {identity.model}", 17)
    product[34:44] = text(identity.vendor, 5)
    product[44:46] = (1).to_bytes(2, "big")
    product[46:80] = text(identity.revision, 17)
    product[80:114] = text(identity.product_code, 17)
    sockets = bytes(2 * 5) + (1).to_bytes(2, "big")
    windows = (Window(100, bytes(product)), Window(1100, sockets), Window(1400, bytes(2 * 32)))
    return Unit(
        None,
        windows,
        tuple(has.bind(1100, ">f4", Scaled("rated_current_a"))),
        identity,
        aliases=(STATION_UNIT,),
        serials=((157, 11),),
    )
