"""SunSpec models 103 to 160: inverter, nameplate, settings, status, controls and strings.

Power to the grid is positive, as inside.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Model, OneOf, Pair
from pilotfarm.emulators.maps.sunspec.points import (
    ALARM_BITS,
    CHARGE_RATED,
    CURRENT,
    CURRENT_RATED,
    DC_POWER,
    RUN,
    ZERO_ONLY,
    RatedFactor,
    charge,
    current,
    energy,
    line_to_line,
    operating_state,
    phase,
    power,
    share,
)
from pilotfarm.emulators.wire.derived import Flags, Magnitude, Marks
from pilotfarm.emulators.wire.sinks import Kept
from pilotfarm.emulators.wire.sources import Scaled


def inverter_103(storage: bool) -> Model:
    """101 for single-phase devices. A storage's DC current has a sign and its register none: that of DCW says which."""
    return Model(
        103,
        single=101,
        fixed={"V_SF": -1, "Hz_SF": -2, "PF_SF": -2, "WH_SF": 0, "DCA_SF": -1, "DCV_SF": -1, "Tmp_SF": -1, "Evt2": 0},
        scale_factors={"A_SF": current(), "W_SF": power(), "VA_SF": power(), "VAr_SF": power(), "DCW_SF": power()},
        points={
            "A": CURRENT,
            **{f"Aph{letter}": phase(number, "current", "a") for number, letter in enumerate("ABC", 1)},
            **{f"PhVph{letter}": phase(number, "voltage", "v") for number, letter in enumerate("ABC", 1)},
            "PPVphAB": line_to_line(1, 2),
            "PPVphBC": line_to_line(2, 3),
            "PPVphCA": line_to_line(3, 1),
            "W": "active_power_w",
            "Hz": "frequency_hz",
            "VA": "apparent_power_va",
            "VAr": "reactive_power_var",
            "PF": ("power_factor", 100.0),
            "WH": "energy_exported_wh",
            "DCA": Magnitude("dc_current_a") if storage else "dc_current_a",
            "DCV": "dc_voltage_v",
            "DCW": "charge_rate_w" if storage else DC_POWER,
            "TmpCab": "temperature_degc" if storage else "cabinet_temperature_degc",
            "St": operating_state(off=1, sleeping=2, runs=4, throttled=5, fault=7),
            "Evt1": Marks(ALARM_BITS),
        },
    )


def nameplate_120(storage: bool) -> Model:
    """DER type 4 is PV, 82 PV with storage: the nearest that 120 has to a battery. Power factors by EEI's signs.

    What does not draw power has no quadrants 2 and 3: no vars there, a power factor of 1.
    """
    quadrants = {
        f"{name}Q{number}": bound
        for number, delivers, sign in ((1, True, 1.0), (2, False, 1.0), (3, False, -1.0), (4, True, -1.0))
        if delivers or storage
        for name, bound in (
            ("VArRtg", ("rated_reactive_power_var", sign)),
            ("PFRtg", RatedFactor(-sign if delivers else sign)),
        )
    }
    absent = {} if storage else {"VArRtgQ2": 0, "VArRtgQ3": 0, "PFRtgQ2": 1_000, "PFRtgQ3": 1_000}
    return Model(
        120,
        fixed={"DERTyp": 82 if storage else 4, "PFRtg_SF": -3, **absent},
        scale_factors={
            "WRtg_SF": power(65_534),
            "VARtg_SF": power(65_534),
            "VArRtg_SF": power(),
            "ARtg_SF": current(65_534),
            "WHRtg_SF": energy(),
            "AhrRtg_SF": charge(),
            "MaxChaRte_SF": power(65_534),
            "MaxDisChaRte_SF": power(65_534),
        },
        points={
            "WRtg": "rated_power_w",
            "VARtg": "rated_apparent_power_va",
            **quadrants,
            "ARtg": CURRENT_RATED,
            "WHRtg": "rated_energy_wh",
            "AhrRtg": CHARGE_RATED,
            **({"MaxChaRte": "rated_charge_power_w", "MaxDisChaRte": "rated_power_w"} if storage else {}),
        },
    )


SETTINGS_121: Final = Model(
    121,
    fixed={"VRef_SF": -1, "VRefOfs_SF": -1, "VRefOfs": 0},
    scale_factors={"WMax_SF": power(65_534)},
    points={"WMax": "active_power_max_w", "VRef": "voltage_setpoint_v", "VRefOfs": ZERO_ONLY},
)
"""VRefOfs is 0: devices stand at their connection point."""

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


_AT_ONCE: Final = Pair(None, Kept((0,)))
"""A resource starts and stops at once; the switch, which has times, is its home's."""

CONTROLS_123: Final = Model(
    123,
    fixed={
        "Conn_WinTms": 0,
        "Conn_RvrtTms": 0,
        "VArPct_Mod": 2,
        "WMaxLimPct_SF": -2,
        "OutPFSet_SF": -3,
        "VArPct_SF": -2,
    },
    points={
        "Conn_WinTms": OneOf(("grid_switch_window_s", _AT_ONCE)),
        "Conn_RvrtTms": OneOf(("grid_switch_reversion_s", _AT_ONCE)),
        "WMaxLimPct_WinTms": "active_power_limit_window_s",
        "WMaxLimPct_RvrtTms": "active_power_limit_reversion_s",
        "WMaxLimPct_RmpTms": "active_power_limit_ramp_s",
        "OutPFSet_WinTms": "power_factor_setpoint_window_s",
        "OutPFSet_RvrtTms": "power_factor_setpoint_reversion_s",
        "OutPFSet_RmpTms": "power_factor_setpoint_ramp_s",
        "VArPct_RvrtTms": "reactive_power_setpoint_reversion_s",
        "VArPct_Ena": "reactive_power_setpoint_enabled",
        "VArPct_Mod": Pair(None, Kept((1, 2))),
        "VArWMaxPct": share("reactive_power_setpoint_var", "active_power_max_w"),
        "VArMaxPct": share("reactive_power_setpoint_var", "rated_reactive_power_var"),
        "Conn": OneOf(("grid_switch", RUN)),
        "WMaxLimPct": ("active_power_limit_frac", 100.0),
        "WMaxLim_Ena": "active_power_limit_enabled",
        "OutPFSet": "power_factor_setpoint",
        "OutPFSet_Ena": "power_factor_setpoint_enabled",
    },
)

STRINGS_160: Final = Model(
    160,
    fixed={"DCA_SF": -1, "DCV_SF": -1, "DCWH_SF": 0, "N": 1, "Evt": 0, "module.ID": 1, "module.IDStr": "string 1"},
    scale_factors={"DCW_SF": power(65_534)},
    points={
        "module.DCA": "dc_current_a",
        "module.DCV": "dc_voltage_v",
        "module.DCW": DC_POWER,
        "module.DCWH": "dc_energy_wh",
        "module.DCSt": operating_state(off=1, sleeping=2, runs=4, throttled=5, fault=7),
    },
)
