"""SunSpec models 802 and 803: a battery and its strings of cells. All cells are alike."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Model, OneOf, Pair
from pilotfarm.emulators.maps.sunspec.points import (
    CHARGE_RATED,
    CHARGE_STATUS,
    HEARTBEAT,
    charge,
    energy,
    power,
)
from pilotfarm.emulators.wire.derived import Cases, Flags, Product
from pilotfarm.emulators.wire.sinks import Choice, Pulse
from pilotfarm.emulators.wire.sources import Lookup, Scaled

_SWITCH: Final = Lookup("grid_switch", (2.0, 1.0))
_CONNECTS: Final = Choice(((1, "start", 1.0), (2, "stop", 1.0)))
"""Of a storage without a switch of its own."""
_CHARGE_MAX: Final = power(65_534)

BATTERY_802: Final = Model(
    802,
    fixed={"SoC_SF": -2, "DoD_SF": -2, "SoH_SF": -2, "V_SF": -1, "CellV_SF": -3, "A_SF": -1}
    | {"AMax_SF": -1, "SoCMax": 10_000, "SoCMin": 0, "CtrlHb": 0, "AlmRst": 0, "Typ": 4}
    | {"Evt2": 0, "EvtVnd1": 0, "EvtVnd2": 0},
    scale_factors={"AHRtg_SF": charge(), "WHRtg_SF": energy(), "WChaDisChaMax_SF": _CHARGE_MAX, "W_SF": power()},
    points={
        "AHRtg": CHARGE_RATED,
        "WHRtg": "rated_energy_wh",
        "WChaRteMax": "rated_charge_power_w",
        "WDisChaRteMax": "rated_power_w",
        "SocRsvMax": ("soc_max_frac", 100.0),
        "SoCRsvMin": ("soc_min_frac", 100.0),
        "SoC": ("soc_frac", 100.0),
        "SoH": ("soh_frac", 100.0),
        "NCyc": "cycle_count",
        "ChaSt": CHARGE_STATUS,
        "LocRemCtl": Scaled("local_mode"),
        "CtrlHb": HEARTBEAT,
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
        "CellVMax": "cell_voltage_v",
        "CellVMin": "cell_voltage_v",
        "CellVAvg": "cell_voltage_v",
        "A": "dc_current_a",
        "W": "charge_rate_w",
        "SetOp": OneOf((Pair(_SWITCH, _SWITCH), Pair(Lookup("started", (2.0, 1.0)), _CONNECTS))),
        "SetInvState": Pair(Lookup("started", (1.0, 3.0)), Choice(((1, "stop", 1.0), (3, "start", 1.0)))),
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
        "StrVMax": "dc_voltage_v",
        "StrVMin": "dc_voltage_v",
        "StrVAvg": "dc_voltage_v",
        "StrAAvg": "dc_current_a",
        "string.StrSoC": ("soc_frac", 100.0),
        "string.StrSoH": ("soh_frac", 100.0),
        "string.StrA": "dc_current_a",
        "string.StrCellVMax": "cell_voltage_v",
        "string.StrCellVMin": "cell_voltage_v",
        "string.StrCellVAvg": "cell_voltage_v",
        "string.StrModTmpMax": "temperature_max_degc",
        "string.StrModTmpMin": "temperature_degc",
        "string.StrModTmpAvg": "temperature_degc",
    },
)

STORED: Final = Product(("real_capacity_wh", "soc_frac"))
"""Energy in the battery now: present capacity times state of charge."""
