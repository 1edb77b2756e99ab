"""SunSpec models 302, 303 and 307: irradiance, module temperature and weather."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Model

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
