"""What SunSpec models of several families have in common: scale factors by size, alarms, sums over the phases."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.maps.sunspec.chain import Pair
from pilotfarm.emulators.plans.modbus import ScaleFactor
from pilotfarm.emulators.wire.derived import Cases, Flags, Weighted
from pilotfarm.emulators.wire.sinks import Choice
from pilotfarm.emulators.wire.sources import Scaled

_RATED: Final = ("rated_power_w", "rated_charge_power_w", "rated_apparent_power_va")
EVER: Final = float("inf")


def power(limit: int = 32_767, ratings: tuple[str, ...] = _RATED) -> ScaleFactor:
    """Powers: room for a fifth more than the largest rating; 40 kW (a house connection) where there is none."""
    return ScaleFactor(ratings, 1.2, 40_000.0, limit)


def current(limit: int = 32_767, ratings: tuple[str, ...] = _RATED) -> ScaleFactor:
    """Currents, down to 0.01 A: the sum of three phases at 200 V, twice over."""
    return ScaleFactor(ratings, 2.0 / 200.0, 300.0, limit, finest=-2)


def energy(rating: str = "rated_energy_wh") -> ScaleFactor:
    return ScaleFactor((rating,), 1.1, 100_000.0, 65_534)


def _all_phases(stem: str, unit: str, gain: float = 1.0) -> Weighted:
    return Weighted(tuple((f"{stem}_l{phase}_{unit}", gain) for phase in (1, 2, 3)))


CURRENT: Final = _all_phases("current", "a")
VOLTAGE: Final = _all_phases("voltage", "v", 1.0 / 3.0)
RUN: Final = Pair(Scaled("started"), Choice(((0, "stop", 1.0), (1, "start", 1.0))))
ZERO_ONLY: Final = Pair(None, Choice(((0, "", 0.0),)))
UNDERVOLTAGE: Final = tuple(f"undervoltage_l{phase}_alarm" for phase in (1, 2, 3))
OVERVOLTAGE: Final = tuple(f"overvoltage_l{phase}_alarm" for phase in (1, 2, 3))
ALARMS: Final = Flags(
    (
        (4, ("power_failure_alarm",)),
        (5, ("cover_open_alarm",)),
        (7, ("temperature_high_alarm",)),
        (10, OVERVOLTAGE),
        (11, UNDERVOLTAGE),
        (13, ("temperature_low_alarm",)),
    )
)

CHARGE_STATUS: Final = Cases(
    (
        ("running", 0, 0, 1),
        ("charge_rate_w", 1.0, EVER, 3),
        ("charge_rate_w", -EVER, -1.0, 4),
        ("soc_low_alarm", 1, 1, 2),
        ("soc_high_alarm", 1, 1, 5),
    ),
    6,
)
