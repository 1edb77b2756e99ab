"""SunSpec model 203, 201 for single-phase meters: power drawn counts as positive, and is turned here."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Bound, Model
from pilotfarm.emulators.maps.sunspec.points import (
    CURRENT,
    EVER,
    LINE_VOLTAGE,
    OVERVOLTAGE,
    SEEN_PU,
    UNDERVOLTAGE,
    VOLTAGE,
    apparent,
    current,
    factor,
    line_to_line,
    phase,
)
from pilotfarm.emulators.plans.modbus import ScaleFactor
from pilotfarm.emulators.wire.derived import DrawnFactor, Flags, Marks
from pilotfarm.emulators.wire.sources import Source


def _power(*quantities: str) -> ScaleFactor:
    """A meter's scale factors follow what it measures: 1 W, and coarser only while that does not fit the register."""
    return ScaleFactor((), 1.0, 1.0, follows=quantities)


def _by_phase(stem: str, unit: str) -> tuple[str, ...]:
    return (f"{stem}_{unit}", *(f"{stem}_l{number}_{unit}" for number in (1, 2, 3)))


def _phase_203(number: int) -> dict[str, Bound]:
    letter = "ABC"[number - 1]
    return {
        f"Aph{letter}": phase(number, "current", "a"),
        f"PhVph{letter}": phase(number, "voltage", "v"),
        f"Wph{letter}": phase(number, "active_power", "w", -1.0),
        f"VAph{letter}": apparent(number),
        f"VARph{letter}": phase(number, "reactive_power", "var", -1.0),
        f"PFph{letter}": factor(number, -1.0, 100.0),
        f"TotWhExpPh{letter}": phase(number, "energy_exported", "wh"),
        f"TotWhImpPh{letter}": phase(number, "energy_imported", "wh"),
        f"TotVArhImpQ1Ph{letter}": phase(number, "reactive_energy_imported", "varh"),
        f"TotVArhExpQ4Ph{letter}": phase(number, "reactive_energy_exported", "varh"),
    }


_ALARMS: Final = Flags(
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
)
_SEEN: Final = Marks(
    (
        (2, "voltage_ll_v", 0.0, 50.0),
        (3, SEEN_PU, 0.0, 0.9),
        (6, SEEN_PU, 1.1, EVER),
        (20, "grid_switch_closed", 0.0, 0.0),
        (22, "sesp_link_lost", 1.0, 1.0),
        (23, "identification_failed", 1.0, 1.0),
        (24, "fault_trip", 1.0, 1.0),
    )
)
"""Events of what has no alarms of its own for them."""


def _model(events: Source) -> Model:
    return Model(
        203,
        single=201,
        fixed={"V_SF": -1, "Hz_SF": -2, "PF_SF": -2, "TotWh_SF": 0, "TotVAh_SF": 0, "TotVArh_SF": 0},
        scale_factors={
            "A_SF": current(),
            "W_SF": _power(*_by_phase("active_power", "w")),
            "VA_SF": _power("apparent_power_va", *_by_phase("active_power", "w"), *_by_phase("reactive_power", "var")),
            "VAR_SF": _power(*_by_phase("reactive_power", "var")),
        },
        points={
            "A": CURRENT,
            "PhV": VOLTAGE,
            "PPV": LINE_VOLTAGE,
            "PhVphAB": line_to_line(1, 2),
            "PhVphBC": line_to_line(2, 3),
            "PhVphCA": line_to_line(3, 1),
            "Hz": "frequency_hz",
            "W": ("active_power_w", -1.0),
            "VA": "apparent_power_va",
            "VAR": ("reactive_power_var", -1.0),
            "PF": DrawnFactor(100.0),
            "TotWhExp": "energy_exported_wh",
            "TotWhImp": "energy_imported_wh",
            # Reactive energy is registered by direction alone: drawn in quadrant 1, delivered in 4.
            "TotVArhImpQ1": "reactive_energy_imported_varh",
            "TotVArhExpQ4": "reactive_energy_exported_varh",
            "Evt": events,
            **_phase_203(1),
            **_phase_203(2),
            **_phase_203(3),
        },
    )


METER_203: Final = _model(_ALARMS)
GATEWAY_203: Final = _model(_SEEN)
