"""SunSpec models 701 to 715: a distributed energy resource after IEEE 1547-2018.

Power to the grid is positive, as inside. What a model has and no device of ours does (reversion times, ramps,
curves) reads as not implemented and cannot be written; a reversion or ramp time can be written 0, which is what
it is.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Bound, Model, Pair
from pilotfarm.emulators.maps.sunspec.points import (
    ALARMS,
    CURRENT,
    RUN,
    VOLTAGE,
    ZERO_ONLY,
    current,
    energy,
    power,
)
from pilotfarm.emulators.wire.derived import Cases, Flags, SignedPowerFactor
from pilotfarm.emulators.wire.sinks import Choice, Pulse
from pilotfarm.emulators.wire.sources import Scaled, Source

DER_ALARMS: Final = Flags(
    (*ALARMS.of_bit, (16, ("general_alarm", "fault_trip", "identification_failed", "sesp_link_lost")))
)


def _phase_701(phase: int) -> dict[str, str]:
    return {
        f"WL{phase}": f"active_power_l{phase}_w",
        f"VarL{phase}": f"reactive_power_l{phase}_var",
        f"AL{phase}": f"current_l{phase}_a",
        f"VL{phase}": f"voltage_l{phase}_v",
    }


MEASURED_701: Final = Model(
    701,
    fixed={"ACType": 2, "DERMode": 1, "V_SF": -1, "Hz_SF": -3, "PF_SF": -3, "TotWh_SF": 0, "TotVarh_SF": 0}
    | {"Tmp_SF": -1},
    scale_factors={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "Var_SF": power()},
    points={
        "St": Scaled("running"),
        "InvSt": Cases((("fault_trip", 1, 1, 6), ("running", 0, 0, 0)), 3),
        "ConnSt": Scaled("grid_switch_closed"),
        "Alrm": DER_ALARMS,
        "W": "active_power_w",
        "VA": "apparent_power_va",
        "Var": "reactive_power_var",
        "PF": "power_factor",
        "A": CURRENT,
        "LLV": "voltage_ll_v",
        "LNV": VOLTAGE,
        "Hz": "frequency_hz",
        "TotWhInj": "energy_exported_wh",
        "TotWhAbs": "energy_imported_wh",
        "TotVarhInj": "reactive_energy_exported_varh",
        "TotVarhAbs": "reactive_energy_imported_varh",
        "TmpAmb": "outside_temperature_degc",
        "TmpCab": "temperature_degc",
        **_phase_701(1),
        **_phase_701(2),
        **_phase_701(3),
    },
)

CAPACITY_702: Final = Model(
    702,
    fixed={"V_SF": -1, "PF_SF": -3, "CtrlModes": 0b1111},
    scale_factors={"W_SF": power(65_534), "VA_SF": power(65_534)},
    points={
        "WMaxRtg": "rated_power_w",
        "VAMaxRtg": "rated_apparent_power_va",
        "WChaRteMaxRtg": "rated_charge_power_w",
        "WDisChaRteMaxRtg": "rated_power_w",
        "VNomRtg": "nominal_voltage_v",
        "WMax": "rated_power_w",
        "VAMax": "rated_apparent_power_va",
        "WChaRteMax": "rated_charge_power_w",
        "WDisChaRteMax": "rated_power_w",
        "VNom": "nominal_voltage_v",
    },
)

ENTER_SERVICE_703: Final = Model(703, fixed={"V_SF": -1, "Hz_SF": -3}, points={"ES": RUN})

CONTROLS_704: Final = Model(
    704,
    fixed={
        "WSetMod": 1,
        "VarSetMod": 4,
        "VarSetPri": 0,
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
        "WSetMod": Pair(None, Choice(((1, "", 0.0),))),
        "WSet": "active_power_setpoint_w",
        "WSetRvrt": "active_power_setpoint_reverted_w",
        "WSetEnaRvrt": "active_power_setpoint_reverted_enabled",
        "WSetRvrtTms": "active_power_setpoint_reversion_s",
        "WSetRvrtRem": "active_power_setpoint_reversion_remaining_s",
        "VarSetEna": "reactive_power_setpoint_enabled",
        "VarSetMod": Pair(None, Choice(((4, "", 0.0),))),
        "VarSetPri": ZERO_ONLY,
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
        "ControllerHb": Pair(None, Pulse("sesp_heartbeat", any_value=True)),
        "AlarmReset": Pair(None, Pulse("alarm_reset")),
        "OpCtl": RUN,
    },
)
