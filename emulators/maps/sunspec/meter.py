"""SunSpec model 203: a three-phase meter. It counts power drawn as positive, and is turned here."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Model
from pilotfarm.emulators.maps.sunspec.points import (
    CURRENT,
    OVERVOLTAGE,
    UNDERVOLTAGE,
    VOLTAGE,
    current,
    power,
)
from pilotfarm.emulators.wire.derived import Flags


def _phase_203(phase: int) -> dict[str, str | tuple[str, float]]:
    letter = "ABC"[phase - 1]
    return {
        f"Aph{letter}": f"current_l{phase}_a",
        f"PhVph{letter}": f"voltage_l{phase}_v",
        f"Wph{letter}": (f"active_power_l{phase}_w", -1.0),
        f"VARph{letter}": (f"reactive_power_l{phase}_var", -1.0),
    }


METER_203: Final = Model(
    203,
    fixed={"V_SF": -1, "Hz_SF": -2, "PF_SF": -2, "TotWh_SF": 0, "TotVAh_SF": 0, "TotVArh_SF": 0},
    scale_factors={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "VAR_SF": power()},
    points={
        "A": CURRENT,
        "PhV": VOLTAGE,
        "PPV": "voltage_ll_v",
        "Hz": "frequency_hz",
        "W": ("active_power_w", -1.0),
        "VA": "apparent_power_va",
        "VAR": ("reactive_power_var", -1.0),
        "PF": ("power_factor", -100.0),
        "TotWhExp": "energy_exported_wh",
        "TotWhImp": "energy_imported_wh",
        # Reactive energy is registered by direction alone: drawn in quadrant 1, delivered in 4.
        "TotVArhImpQ1": "reactive_energy_imported_varh",
        "TotVArhExpQ4": "reactive_energy_exported_varh",
        "Evt": Flags(
            (
                (2, ("power_failure_alarm",)),
                (3, UNDERVOLTAGE),
                (4, ("low_power_factor_alarm",)),
                (5, ("overcurrent_alarm",)),
                (6, OVERVOLTAGE),
                (16, ("cover_open_alarm",)),
                (17, ("magnetic_field_alarm",)),
                (18, ("clock_invalid_alarm",)),
                (19, ("battery_low_alarm",)),
                (20, ("relay_open",)),
                (21, ("communication_lost_alarm",)),
                (22, ("sesp_link_lost",)),
                (23, ("identification_failed",)),
                (24, ("fault_trip",)),
            )
        ),
        **_phase_203(1),
        **_phase_203(2),
        **_phase_203(3),
    },
)
