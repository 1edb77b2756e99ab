"""SunSpec models 103 to 160: inverter, nameplate, settings, status, controls and strings.

Power to the grid is positive, as inside.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Model
from pilotfarm.emulators.maps.sunspec.points import (
    ALARMS,
    CURRENT,
    ZERO_ONLY,
    current,
    energy,
    power,
)
from pilotfarm.emulators.wire.derived import Cases, Flags
from pilotfarm.emulators.wire.sources import Scaled

INVERTER_103: Final = Model(
    103,
    fixed={"V_SF": -1, "Hz_SF": -2, "PF_SF": -2, "WH_SF": 0, "DCA_SF": -1, "DCV_SF": -1, "Tmp_SF": -1, "Evt2": 0},
    scale_factors={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "VAr_SF": power(), "DCW_SF": power()},
    points={
        "A": CURRENT,
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
        "Evt1": ALARMS,
    },
)


def nameplate_120(der_type: int) -> Model:
    """DER type 4 is PV, 82 PV with storage: the nearest that 120 has to a battery."""
    return Model(
        120,
        fixed={"DERTyp": der_type, "VArRtg_SF": 0, "ARtg_SF": 0, "PFRtg_SF": -2},
        scale_factors={
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
    scale_factors={"WMax_SF": power(65_534), "VAMax_SF": power(65_534)},
    points={"WMax": "rated_power_w", "VRef": "nominal_voltage_v", "VAMax": "rated_apparent_power_va"},
)

_CONNECTION: Final = Flags(((0, ("online",)), (1, ("available",)), (2, ("running",))))


def status_122(storage: bool) -> Model:
    return Model(
        122,
        fixed={"PVConn": 0, "StorConn": 0},
        scale_factors={"WAval_SF": power(65_534)},
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
        "VArPct_Ena": 0,
        "WMaxLimPct_SF": -2,
        "OutPFSet_SF": -3,
    },
    points={
        "Conn_WinTms": "grid_switch_window_s",
        "Conn_RvrtTms": "grid_switch_reversion_s",
        "WMaxLimPct_WinTms": "active_power_limit_window_s",
        "WMaxLimPct_RvrtTms": "active_power_limit_reversion_s",
        "WMaxLimPct_RmpTms": "active_power_limit_ramp_s",
        "OutPFSet_WinTms": "power_factor_setpoint_window_s",
        "OutPFSet_RvrtTms": "power_factor_setpoint_reversion_s",
        "OutPFSet_RmpTms": "power_factor_setpoint_ramp_s",
        "VArPct_Ena": ZERO_ONLY,
        "Conn": "grid_switch",
        "WMaxLimPct": ("active_power_limit_frac", 100.0),
        "WMaxLim_Ena": "active_power_limit_enabled",
        "OutPFSet": "power_factor_setpoint",
        "OutPFSet_Ena": "power_factor_setpoint_enabled",
    },
)

STRINGS_160: Final = Model(
    160,
    fixed={"DCA_SF": -1, "DCV_SF": -1, "N": 1, "Evt": 0, "module.ID": 1, "module.IDStr": "string 1"},
    scale_factors={"DCW_SF": power(65_534)},
    points={"module.DCA": "dc_current_a", "module.DCV": "dc_voltage_v"},
)
