"""SunSpec model 124: control of a storage, with the meaning that Fronius gives it.

Both rates are shares of WChaMax, which is the larger of the two rated powers until a master moves it. Each is in force
while its bit of StorCtl_Mod is set; a negative one is a minimum the other way. ``devices.battery.limits`` says what
they do.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Model, Pair
from pilotfarm.emulators.maps.sunspec.points import CHARGE_STATUS, power
from pilotfarm.emulators.wire.sinks import Within
from pilotfarm.emulators.wire.sources import Bits

_MODE: Final = Bits(((0, "charge_limit_enabled"), (1, "discharge_limit_enabled")))

STORAGE_124: Final = Model(
    124,
    fixed={"WChaDisChaGra_SF": -1, "MinRsvPct_SF": -2, "ChaState_SF": -2, "InBatV_SF": -1, "InOutWRte_SF": -2},
    scale_factors={"WChaMax_SF": power(65_534)},
    points={
        "WChaMax": "reference_power_w",
        "WChaGra": ("charge_ramp_frac_per_s", 100.0),
        "WDisChaGra": ("discharge_ramp_frac_per_s", 100.0),
        "StorCtl_Mod": Pair(_MODE, Within(_MODE, 0, 3)),
        "MinRsvPct": ("soc_min_frac", 100.0),
        "ChaState": ("soc_frac", 100.0),
        "InBatV": "dc_voltage_v",
        "ChaSt": CHARGE_STATUS,
        "OutWRte": ("discharge_limit_frac", 100.0),
        "InWRte": ("charge_limit_frac", 100.0),
        "InOutWRte_WinTms": "charge_discharge_limits_window_s",
        "InOutWRte_RvrtTms": "charge_discharge_limits_reversion_s",
        "InOutWRte_RmpTms": "charge_discharge_limits_ramp_s",
        "ChaGriSet": "grid_charging_allowed",
    },
)
