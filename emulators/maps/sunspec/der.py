"""SunSpec models 701 to 715: a distributed energy resource after IEEE 1547-2018.

Power to the grid is positive, as inside. What a model has and no device of ours does (reversion times, ramps,
curves) reads as not implemented and cannot be written; a reversion or ramp time can be written 0, which is what
it is. WSet and WSetPct are one set-point in two units: a write to either of them sets it, and WSetMod keeps which of
them the master speaks.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Bound, Model, Pair
from pilotfarm.emulators.maps.sunspec.points import (
    ALARM_BITS,
    CURRENT,
    CURRENT_RATED,
    HEARTBEAT,
    LINE_VOLTAGE,
    RUN,
    VOLTAGE,
    apparent,
    current,
    energy,
    factor,
    line_to_line,
    operating_state,
    phase,
    power,
    share,
)
from pilotfarm.emulators.wire.derived import Cases, Marks, SignedPowerFactor
from pilotfarm.emulators.wire.sinks import Choice, Kept, Pulse
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import ByWiring

DER_ALARMS: Final = Marks((*ALARM_BITS, (16, "general_alarm", 1.0, 1.0)))


def _phase_701(number: int) -> dict[str, Bound]:
    return {
        f"WL{number}": phase(number, "active_power", "w"),
        f"VAL{number}": apparent(number),
        f"VarL{number}": phase(number, "reactive_power", "var"),
        f"PFL{number}": factor(number, 1.0),
        f"AL{number}": phase(number, "current", "a"),
        f"VL{number}": phase(number, "voltage", "v"),
        f"TotWhInjL{number}": phase(number, "energy_exported", "wh"),
        f"TotWhAbsL{number}": phase(number, "energy_imported", "wh"),
        f"TotVarhInjL{number}": phase(number, "reactive_energy_exported", "varh"),
        f"TotVarhAbsL{number}": phase(number, "reactive_energy_imported", "varh"),
    }


def measured_701(cabinet: str = "") -> Model:
    """``cabinet`` is what a kind has that is the temperature of its cabinet."""
    return Model(
        701,
        fixed={"DERMode": 1, "V_SF": -1, "Hz_SF": -3, "PF_SF": -3, "TotWh_SF": 0, "TotVarh_SF": 0, "Tmp_SF": -1},
        scale_factors={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "Var_SF": power()},
        points={
            "ACType": ByWiring(2.0, 0.0),
            "St": Scaled("running"),
            "InvSt": operating_state(off=0, sleeping=1, runs=3, throttled=4, fault=6),
            "ConnSt": Scaled("grid_switch_closed"),
            "Alrm": DER_ALARMS,
            "W": "active_power_w",
            "VA": "apparent_power_va",
            "Var": "reactive_power_var",
            "PF": "power_factor",
            "A": CURRENT,
            "LLV": LINE_VOLTAGE,
            "LNV": VOLTAGE,
            "Hz": "frequency_hz",
            "TotWhInj": "energy_exported_wh",
            "TotWhAbs": "energy_imported_wh",
            "TotVarhInj": "reactive_energy_exported_varh",
            "TotVarhAbs": "reactive_energy_imported_varh",
            "TmpAmb": "outside_temperature_degc",
            **({"TmpCab": cabinet} if cabinet else {}),
            **_phase_701(1),
            **_phase_701(2),
            **_phase_701(3),
            "VL1L2": line_to_line(1, 2),
            "VL2L3": line_to_line(2, 3),
            "VL3L1": line_to_line(3, 1),
        },
    )


CAPACITY_702: Final = Model(
    702,
    fixed={"V_SF": -1, "CtrlModes": 0b1111},
    scale_factors={
        "W_SF": power(65_534),
        "VA_SF": power(65_534),
        "Var_SF": power(65_534),
        "A_SF": current(65_534),
    },
    points={
        "WMaxRtg": "rated_power_w",
        "VAMaxRtg": "rated_apparent_power_va",
        "VarMaxInjRtg": "rated_reactive_power_var",
        "VarMaxAbsRtg": "rated_reactive_power_var",
        "WChaRteMaxRtg": "rated_charge_power_w",
        "WDisChaRteMaxRtg": "rated_power_w",
        "VNomRtg": "nominal_voltage_v",
        "AMaxRtg": CURRENT_RATED,
        "WMax": "active_power_max_w",
    },
)

ENTER_SERVICE_703: Final = Model(703, fixed={"V_SF": -1, "Hz_SF": -3}, points={"ES": RUN})

CONTROLS_704: Final = Model(
    704,
    fixed={
        "WSetMod": 1,
        "VarSetMod": 4,
        "PF_SF": -3,
        "WMaxLimPct_SF": -2,
        "WSet_SF": 0,
        "WSetPct_SF": -2,
        "VarSet_SF": 0,
        "VarSetPct_SF": -2,
    },
    points={
        "PFWInjEna": "power_factor_setpoint_enabled",
        "PFWInjEnaRvrt": "power_factor_setpoint_reverted_enabled",
        "PFWInjRvrtTms": "power_factor_setpoint_reversion_s",
        "PFWInjRvrtRem": "power_factor_setpoint_reversion_remaining_s",
        "WMaxLimPctEna": "active_power_limit_enabled",
        "WMaxLimPct": ("active_power_limit_frac", 100.0),
        "WMaxLimPctRvrt": ("active_power_limit_reverted_frac", 100.0),
        "WMaxLimPctEnaRvrt": "active_power_limit_reverted_enabled",
        "WMaxLimPctRvrtTms": "active_power_limit_reversion_s",
        "WMaxLimPctRvrtRem": "active_power_limit_reversion_remaining_s",
        "WSetEna": "active_power_setpoint_enabled",
        "WSetMod": Pair(None, Kept((0, 1))),
        "WSet": "active_power_setpoint_w",
        "WSetPct": share("active_power_setpoint_w", "active_power_max_w", "rated_charge_power_w"),
        "WSetRvrt": "active_power_setpoint_reverted_w",
        "WSetPctRvrt": share("active_power_setpoint_reverted_w", "active_power_max_w", "rated_charge_power_w"),
        "WSetEnaRvrt": "active_power_setpoint_reverted_enabled",
        "WSetRvrtTms": "active_power_setpoint_reversion_s",
        "WSetRvrtRem": "active_power_setpoint_reversion_remaining_s",
        "VarSetEna": "reactive_power_setpoint_enabled",
        "VarSetMod": Pair(None, Choice(((4, "", 0.0),))),
        "VarSet": "reactive_power_setpoint_var",
        "VarSetRvrt": "reactive_power_setpoint_reverted_var",
        "VarSetEnaRvrt": "reactive_power_setpoint_reverted_enabled",
        "VarSetRvrtTms": "reactive_power_setpoint_reversion_s",
        "VarSetRvrtRem": "reactive_power_setpoint_reversion_remaining_s",
        "PFWInj.PF": Pair(
            SignedPowerFactor("power_factor_setpoint"), SignedPowerFactor("power_factor_setpoint"), ">u4", partly=True
        ),
        "PFWInjRvrt.PF": Pair(
            SignedPowerFactor("power_factor_setpoint_reverted"),
            SignedPowerFactor("power_factor_setpoint_reverted"),
            ">u4",
            partly=True,
        ),
    },
)


def storage_713(soc: str, available: Source | None = None) -> Model:
    points: dict[str, Bound] = {
        "WHRtg": "rated_energy_wh",
        "SoC": (soc, 100.0),
        "SoH": ("soh_frac", 100.0),
        "Sta": Cases((("fault_trip", 1, 1, 2), ("general_alarm", 1, 1, 1)), 0),
    }
    if available is not None:
        points["WHAvail"] = available
    return Model(713, fixed={"Pct_SF": -2}, scale_factors={"WH_SF": energy()}, points=points)


PORT_714: Final = Model(
    714,
    fixed={"PrtAlrms": 0, "NPrt": 1, "DCA_SF": -1, "DCV_SF": -1, "DCWH_SF": 0, "Tmp_SF": -1}
    | {"Prt.PrtTyp": 2, "Prt.ID": 1, "Prt.IDStr": "EV", "Prt.DCAlrm": 0},
    scale_factors={"DCW_SF": power()},
    points={
        "DCW": "active_power_w",
        "Prt.DCW": "active_power_w",
        "Prt.DCSta": Cases((("fault_trip", 1, 1, 3), ("vehicle_connected", 1, 1, 1)), 0),
    },
)

SUPERVISION_715: Final = Model(
    715,
    fixed={"ControllerHb": 0, "AlarmReset": 0},
    points={
        "LocRemCtl": Scaled("local_mode"),
        "ControllerHb": HEARTBEAT,
        "AlarmReset": Pair(None, Pulse("alarm_reset")),
        "OpCtl": RUN,
    },
)
