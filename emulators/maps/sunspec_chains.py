"""The SunSpec models pilotfarm serves, bound to the catalogue's quantities.

Models 103, 120-124, 160, 70x and 80x count power to the grid as positive, as we do; model 203 is a meter
and counts power drawn as positive, and is turned here.

What a standard model has and no device of ours does (reversion times, ramps, curves) reads as not
implemented and cannot be written; a reversion or ramp time can be written 0, which is what it is.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec_models import Bound, Model, Pair
from pilotfarm.emulators.plans.modbus import Span
from pilotfarm.emulators.wire.derived import Cases, Flags, Product, SignedPowerFactor, Weighted
from pilotfarm.emulators.wire.sinks import Choice, Pulse
from pilotfarm.emulators.wire.sources import Lookup, Scaled, Source

_RATED: Final = ("rated_power_w", "rated_charge_power_w", "rated_apparent_power_va")
_EVER: Final = float("inf")


def power(limit: int = 32_767, ratings: tuple[str, ...] = _RATED) -> Span:
    """Powers: room for a fifth more than the largest rating; 40 kW (a house connection) where there is none."""
    return Span(ratings, 1.2, 40_000.0, limit)


def current(limit: int = 32_767, ratings: tuple[str, ...] = _RATED) -> Span:
    """Currents, down to 0.01 A: the sum of three phases at 200 V, twice over."""
    return Span(ratings, 2.0 / 200.0, 300.0, limit, finest=-2)


def energy(rating: str = "rated_energy_wh") -> Span:
    return Span((rating,), 1.1, 100_000.0, 65_534)


def _all_phases(stem: str, unit: str, gain: float = 1.0) -> Weighted:
    return Weighted(tuple((f"{stem}_l{phase}_{unit}", gain) for phase in (1, 2, 3)))


_CURRENT: Final = _all_phases("current", "a")
_VOLTAGE: Final = _all_phases("voltage", "v", 1.0 / 3.0)
_RUN: Final = Pair(Scaled("running"), Choice(((0, "stop", 1.0), (1, "start", 1.0))))
_ZERO_ONLY: Final = Pair(None, Choice(((0, "", 0.0),)))
_UNDER: Final = tuple(f"undervoltage_l{phase}_alarm" for phase in (1, 2, 3))
_OVER: Final = tuple(f"overvoltage_l{phase}_alarm" for phase in (1, 2, 3))
_ALARMS: Final = Flags(
    (
        (4, ("power_failure_alarm",)),
        (5, ("cover_open_alarm",)),
        (7, ("temperature_high_alarm",)),
        (10, _OVER),
        (11, _UNDER),
        (13, ("temperature_low_alarm",)),
    )
)
_DER_ALARMS: Final = Flags(
    (*_ALARMS.of_bit, (16, ("general_alarm", "fault_trip", "identification_failed", "sesp_link_lost")))
)


# ------------------------------------------------------------------------------- inverters, older

INVERTER_103: Final = Model(
    103,
    fixed={"V_SF": -1, "Hz_SF": -2, "PF_SF": -2, "WH_SF": 0, "DCA_SF": -1, "DCV_SF": -1, "Tmp_SF": -1, "Evt2": 0},
    spans={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "VAr_SF": power(), "DCW_SF": power()},
    points={
        "A": _CURRENT,
        "AphA": "current_l1_a",
        "AphB": "current_l2_a",
        "AphC": "current_l3_a",
        "PhVphA": "voltage_l1_v",
        "PhVphB": "voltage_l2_v",
        "PhVphC": "voltage_l3_v",
        "W": "active_power_w",
        "Hz": "frequency_hz",
        "VA": "apparent_power_va",
        "VAr": "reactive_power_var",
        "PF": ("power_factor", 100.0),
        "WH": "energy_exported_wh",
        "DCA": "dc_current_a",
        "DCV": "dc_voltage_v",
        "DCW": "charge_rate_w",
        "TmpCab": "temperature_degc",
        "St": Cases((("fault_trip", 1, 1, 7), ("running", 0, 0, 1)), 4),
        "Evt1": _ALARMS,
    },
)


def nameplate_120(der_type: int) -> Model:
    """DER type 4 is PV, 82 PV with storage: the nearest that 120 has to a battery."""
    return Model(
        120,
        fixed={"DERTyp": der_type, "VArRtg_SF": 0, "ARtg_SF": 0, "PFRtg_SF": -2},
        spans={
            "WRtg_SF": power(65_534),
            "VARtg_SF": power(65_534),
            "WHRtg_SF": energy(),
            "MaxChaRte_SF": power(65_534),
            "MaxDisChaRte_SF": power(65_534),
        },
        points={
            "WRtg": "rated_power_w",
            "VARtg": "rated_apparent_power_va",
            "WHRtg": "rated_energy_wh",
            "MaxChaRte": "rated_charge_power_w",
            "MaxDisChaRte": "rated_power_w",
        },
    )


SETTINGS_121: Final = Model(
    121,
    fixed={"VRef_SF": -1, "VRefOfs_SF": -1, "VRefOfs": 0},
    spans={"WMax_SF": power(65_534), "VAMax_SF": power(65_534)},
    points={"WMax": "rated_power_w", "VRef": "nominal_voltage_v", "VAMax": "rated_apparent_power_va"},
)

_CONNECTION: Final = Flags(((0, ("online",)), (1, ("available",)), (2, ("running",))))


def status_122(storage: bool) -> Model:
    return Model(
        122,
        fixed={"PVConn": 0, "StorConn": 0},
        spans={"WAval_SF": power(65_534)},
        points={
            "StorConn" if storage else "PVConn": _CONNECTION,
            "ECPConn": Scaled("grid_switch_closed"),
            "ActWh": "energy_exported_wh",
            "WAval": "discharge_power_available_w" if storage else "available_power_w",
        },
    )


CONTROLS_123: Final = Model(
    123,
    fixed={
        "Conn_WinTms": 0,
        "Conn_RvrtTms": 0,
        "WMaxLimPct_WinTms": 0,
        "WMaxLimPct_RvrtTms": 0,
        "WMaxLimPct_RmpTms": 0,
        "OutPFSet_WinTms": 0,
        "OutPFSet_RvrtTms": 0,
        "OutPFSet_RmpTms": 0,
        "VArPct_Ena": 0,
        "WMaxLimPct_SF": -2,
        "OutPFSet_SF": -3,
    },
    points={
        "Conn_WinTms": _ZERO_ONLY,
        "Conn_RvrtTms": _ZERO_ONLY,
        "WMaxLimPct_WinTms": _ZERO_ONLY,
        "WMaxLimPct_RvrtTms": _ZERO_ONLY,
        "WMaxLimPct_RmpTms": _ZERO_ONLY,
        "OutPFSet_WinTms": _ZERO_ONLY,
        "OutPFSet_RvrtTms": _ZERO_ONLY,
        "OutPFSet_RmpTms": _ZERO_ONLY,
        "VArPct_Ena": _ZERO_ONLY,
        "Conn": "grid_switch",
        "WMaxLimPct": ("active_power_limit_frac", 100.0),
        "WMaxLim_Ena": "active_power_limit_enabled",
        "OutPFSet": "power_factor_setpoint",
        "OutPFSet_Ena": "power_factor_setpoint_enabled",
    },
)

_CHARGE_STATUS: Final = Cases(
    (
        ("running", 0, 0, 1),
        ("charge_rate_w", 1.0, _EVER, 3),
        ("charge_rate_w", -_EVER, -1.0, 4),
        ("soc_low_alarm", 1, 1, 2),
        ("soc_high_alarm", 1, 1, 5),
    ),
    6,
)

STORAGE_124: Final = Model(
    124,
    fixed={"WChaGra": 100, "WDisChaGra": 100, "StorCtl_Mod": 0, "ChaGriSet": 1}
    | {"WChaDisChaGra_SF": 0, "MinRsvPct_SF": -2, "ChaState_SF": -2, "InBatV_SF": -1, "InOutWRte_SF": -2},
    spans={"WChaMax_SF": power(65_534)},
    points={
        "WChaMax": "rated_charge_power_w",
        "MinRsvPct": ("soc_min_frac", 100.0),
        "ChaState": ("soc_frac", 100.0),
        "InBatV": "dc_voltage_v",
        "ChaSt": _CHARGE_STATUS,
    },
)

STRINGS_160: Final = Model(
    160,
    fixed={"DCA_SF": -1, "DCV_SF": -1, "N": 1, "Evt": 0, "module.ID": 1, "module.IDStr": "string 1"},
    spans={"DCW_SF": power(65_534)},
    points={"module.DCA": "dc_current_a", "module.DCV": "dc_voltage_v"},
)


# --------------------------------------------------------------------------------------- DER, 70x


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
    spans={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "Var_SF": power()},
    points={
        "St": Scaled("running"),
        "InvSt": Cases((("fault_trip", 1, 1, 6), ("running", 0, 0, 0)), 3),
        "ConnSt": Scaled("grid_switch_closed"),
        "Alrm": _DER_ALARMS,
        "W": "active_power_w",
        "VA": "apparent_power_va",
        "Var": "reactive_power_var",
        "PF": "power_factor",
        "A": _CURRENT,
        "LLV": "voltage_ll_v",
        "LNV": _VOLTAGE,
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
    spans={"W_SF": power(65_534), "VA_SF": power(65_534)},
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

ENTER_SERVICE_703: Final = Model(703, fixed={"V_SF": -1, "Hz_SF": -3}, points={"ES": _RUN})

CONTROLS_704: Final = Model(
    704,
    fixed={
        "PFWInjRvrtTms": 0,
        "WMaxLimPctRvrtTms": 0,
        "WSetMod": 1,
        "WSetRvrtTms": 0,
        "VarSetMod": 4,
        "VarSetPri": 0,
        "VarSetRvrtTms": 0,
        "PF_SF": -3,
        "WMaxLimPct_SF": -2,
        "WSet_SF": 0,
        "WSetPct_SF": -2,
        "VarSet_SF": 0,
        "VarSetPct_SF": -2,
    },
    points={
        "PFWInjEna": "power_factor_setpoint_enabled",
        "PFWInjRvrtTms": _ZERO_ONLY,
        "WMaxLimPctEna": "active_power_limit_enabled",
        "WMaxLimPct": ("active_power_limit_frac", 100.0),
        "WMaxLimPctRvrtTms": _ZERO_ONLY,
        "WSetEna": "active_power_setpoint_enabled",
        "WSetMod": Pair(None, Choice(((1, "", 0.0),))),
        "WSet": "active_power_setpoint_w",
        "WSetRvrtTms": _ZERO_ONLY,
        "VarSetEna": "reactive_power_setpoint_enabled",
        "VarSetMod": Pair(None, Choice(((4, "", 0.0),))),
        "VarSetPri": _ZERO_ONLY,
        "VarSet": "reactive_power_setpoint_var",
        "VarSetRvrtTms": _ZERO_ONLY,
        "PFWInj.PF": Pair(
            SignedPowerFactor("power_factor_setpoint"), SignedPowerFactor("power_factor_setpoint"), ">u4", partly=True
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
    return Model(713, fixed={"Pct_SF": -2}, spans={"WH_SF": energy()}, points=points)


PORT_714: Final = Model(
    714,
    fixed={"PrtAlrms": 0, "NPrt": 1, "DCA_SF": -1, "DCV_SF": -1, "DCWH_SF": 0, "Tmp_SF": -1}
    | {"Prt.PrtTyp": 2, "Prt.ID": 1, "Prt.IDStr": "EV", "Prt.DCAlrm": 0},
    spans={"DCW_SF": power()},
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
        "OpCtl": _RUN,
    },
)


# ------------------------------------------------------------------------------------ battery, 80x

_SWITCH: Final = Lookup("grid_switch", (2.0, 1.0))
_CHARGE_MAX: Final = power(65_534)

BATTERY_802: Final = Model(
    802,
    fixed={"AHRtg_SF": 0, "SoC_SF": -2, "DoD_SF": -2, "SoH_SF": -2, "V_SF": -1, "CellV_SF": -3, "A_SF": -1}
    | {"AMax_SF": -1, "SoCMax": 10_000, "SoCMin": 0, "CtrlHb": 0, "AlmRst": 0, "Typ": 4}
    | {"Evt2": 0, "EvtVnd1": 0, "EvtVnd2": 0},
    spans={"WHRtg_SF": energy(), "WChaDisChaMax_SF": _CHARGE_MAX, "W_SF": power()},
    points={
        "WHRtg": "rated_energy_wh",
        "WChaRteMax": "rated_charge_power_w",
        "WDisChaRteMax": "rated_power_w",
        "SocRsvMax": ("soc_max_frac", 100.0),
        "SoCRsvMin": ("soc_min_frac", 100.0),
        "SoC": ("soc_frac", 100.0),
        "SoH": ("soh_frac", 100.0),
        "NCyc": "cycle_count",
        "ChaSt": _CHARGE_STATUS,
        "LocRemCtl": Scaled("local_mode"),
        "CtrlHb": Pair(None, Pulse("sesp_heartbeat", any_value=True)),
        "AlmRst": Pair(None, Pulse("alarm_reset")),
        "State": Cases((("fault_trip", 1, 1, 99), ("grid_switch_closed", 0, 0, 1), ("running", 0, 0, 4)), 3),
        "Evt1": Flags(
            (
                (0, ("sesp_link_lost", "identification_failed")),
                (1, ("temperature_high_alarm",)),
                (3, ("temperature_low_alarm",)),
                (13, ("soc_low_alarm",)),
                (15, ("soc_high_alarm",)),
                (25, ("fault_trip",)),
            )
        ),
        "V": "dc_voltage_v",
        "A": "dc_current_a",
        "W": "charge_rate_w",
        "SetOp": Pair(_SWITCH, _SWITCH),
        "SetInvState": Pair(Lookup("running", (1.0, 3.0)), Choice(((1, "stop", 1.0), (3, "start", 1.0)))),
    },
)

BATTERY_803: Final = Model(
    803,
    fixed={"NStr": 1, "NStrCon": 1, "CellV_SF": -3, "ModTmp_SF": -1, "A_SF": -1, "SoH_SF": -2, "SoC_SF": -2, "V_SF": -1}
    | {"string.StrNMod": 1, "string.StrSt": 3, "string.StrEvt1": 0},
    points={
        "ModTmpMax": "temperature_max_degc",
        "ModTmpMin": "temperature_degc",
        "ModTmpAvg": "temperature_degc",
        "StrVAvg": "dc_voltage_v",
        "StrAAvg": "dc_current_a",
        "string.StrSoC": ("soc_frac", 100.0),
        "string.StrSoH": ("soh_frac", 100.0),
        "string.StrA": "dc_current_a",
        "string.StrModTmpMax": "temperature_max_degc",
        "string.StrModTmpMin": "temperature_degc",
        "string.StrModTmpAvg": "temperature_degc",
    },
)

STORED: Final = Product(("real_capacity_wh", "soc_frac"))
"""Energy in the battery now: present capacity times state of charge."""


# ------------------------------------------------------------------------------------------ weather

IRRADIANCE_302: Final = Model(
    302,
    points={
        "repeating.GHI": "irradiance_horizontal_w_per_m2",
        "repeating.POAI": "irradiance_plane_w_per_m2",
    },
)
MODULE_303: Final = Model(303, points={"temp.TmpBOM": "module_temperature_degc"})
WEATHER_307: Final = Model(
    307,
    points={
        "TmpAmb": "outside_temperature_degc",
        "RH": ("humidity_frac", 100.0),
        "Pres": ("pressure_pa", 0.01),
        "WndSpd": "wind_speed_m_per_s",
        "WndDir": "wind_direction_deg",
    },
)


# -------------------------------------------------------------------------------------------- meter


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
    spans={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "VAR_SF": power()},
    points={
        "A": _CURRENT,
        "PhV": _VOLTAGE,
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
                (3, _UNDER),
                (4, ("low_power_factor_alarm",)),
                (5, ("overcurrent_alarm",)),
                (6, _OVER),
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
