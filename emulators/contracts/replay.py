"""What a series may say of devices in place of a model: its units, and the values it may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias

from pilotfarm.emulators.columns.arrays import Columns, Floats

Most: TypeAlias = Callable[[Columns], Floats]
"""The largest value that devices can have, from their ratings ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How a number of a file becomes one in the unit used here: ``number * gain + shift``."""

    gain: float = 1.0
    shift: float = 0.0
    of_interval: bool = False
    """It is an energy of each interval, by ``gain`` in Wh; the mean power is meant."""
    of_rating: bool = False
    """It is a share of the largest value that the device can have."""
    currency: str = ""
    """ISO 4217, of a price: its values are in no other unit of money, and bounded by ``reach`` times the bounds."""
    reach: float = 1.0


@dataclass(frozen=True, slots=True)
class Replayable:
    """Something that a series may say, in ``unit`` between ``min`` and ``max``.

    Of a device that has a largest value of its own, it is at most that, and at least ``min_share`` times that.
    """

    unit: str
    units: Mapping[str, Unit]
    doc: str
    min: float = -inf
    max: float = inf
    min_share: float = -1.0


_POWER: Final = {
    "W": Unit(),
    "kW": Unit(1e3),
    "MW": Unit(1e6),
    "Wh": Unit(of_interval=True),
    "kWh": Unit(1e3, of_interval=True),
    "MWh": Unit(1e6, of_interval=True),
}
CURRENCIES: Final = {
    **dict.fromkeys(("EUR", "GBP", "CHF", "USD"), 1.0),
    "AUD": 3.0,
    "CZK": 25.0,
    "DKK": 8.0,
    "HUF": 400.0,
    "NOK": 12.0,
    "PLN": 5.0,
    "RON": 5.0,
    "SEK": 12.0,
}
"""What electricity is paid in, and about how many make a euro or more: for bounds alone, nothing is converted."""
_PRICE: Final = {
    **{f"{name}/MWh": Unit(currency=name, reach=reach) for name, reach in CURRENCIES.items()},
    **{f"{name}/kWh": Unit(1e3, currency=name, reach=reach) for name, reach in CURRENCIES.items()},
    "ct/kWh": Unit(10.0, currency="EUR"),
    "p/kWh": Unit(10.0, currency="GBP"),
}
REPLAYABLE: Final[Mapping[str, Replayable]] = {
    "load": Replayable("W", _POWER, "What the household's appliances draw; minus is power to the grid"),
    "pv_power": Replayable(
        "W",
        {**_POWER, "frac": Unit(of_rating=True), "percent": Unit(0.01, of_rating=True)},
        "What the sun gives at the inverter's AC side, before anybody curtails it",
        min_share=-0.05,  # an inverter's own use at night, which counts as 0
    ),
    "irradiance": Replayable(
        "W/m2",
        {
            "W/m2": Unit(),
            "kW/m2": Unit(1e3),
            "Wh/m2": Unit(of_interval=True),
            "kWh/m2": Unit(1e3, of_interval=True),
        },
        "Global irradiance on the horizontal",
        min=-20.0,  # a pyranometer's offset at night, which counts as 0
        max=2_000.0,
    ),
    "temperature": Replayable(
        "degC",
        {"degC": Unit(), "K": Unit(shift=-273.15), "degF": Unit(5.0 / 9.0, -160.0 / 9.0)},
        "Of the air outside",
        min=-70.0,
        max=60.0,
    ),
    "sessions": Replayable(
        "Wh",
        {"Wh": Unit(), "kWh": Unit(1e3), "MWh": Unit(1e6)},
        "Vehicles at charging points: who comes and leaves when, and takes which energy",
    ),
    "price": Replayable(
        "a MWh",
        _PRICE,
        "Of energy from the grid and to it; below 0 who draws it is paid",
        min=-10_000.0,
        max=10_000.0,
    ),
}
SESSIONS: Final = "sessions"
"""What has a row each and no column."""
PRICE: Final = "price"
OF_THE_SITE: Final = {"weather": ("irradiance", "temperature"), "market": (PRICE,)}
"""What is said of the whole site, by the table that says it; all of it but ``temperature`` also of a group."""
