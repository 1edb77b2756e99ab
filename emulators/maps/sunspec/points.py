"""What SunSpec models of several families have in common: scale factors by size, alarms, sums over the phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan, sqrt
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.maps.sunspec.chain import Pair
from pilotfarm.emulators.plans.modbus import ScaleFactor
from pilotfarm.emulators.wire.derived import Cases, Product, ReadOnly, Share, Weighted
from pilotfarm.emulators.wire.electrical import Apparent, LineToLine, PowerFactor
from pilotfarm.emulators.wire.sinks import Choice, Kept, ShareTaken
from pilotfarm.emulators.wire.sources import Scaled
from pilotfarm.emulators.wire.wiring import ByWiring, on_phases, own_phase

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


def charge(rating: str = "rated_energy_wh") -> ScaleFactor:
    """Charges, down to 0.1 Ah: the energy at 12 V."""
    return ScaleFactor((rating,), 1.1 / 12.0, 10_000.0, 65_534, finest=-1)


def phase(number: int, stem: str, unit: str, gain: float = 1.0) -> ByWiring:
    """A quantity of a device's own phase."""
    shown = on_phases(lambda of_feeder: Scaled(f"{stem}_l{of_feeder}_{unit}", gain))
    return own_phase(number, shown, nan)


def share(quantity: str, over: str, under: str = "") -> Pair:
    """A set-point in hundredths of a per cent of what a device may deliver, or draw where ``under`` is given."""
    shown = Share(quantity, over, under or over, 1e4)
    return Pair(shown, ShareTaken(shown))


def apparent(number: int) -> ByWiring:
    """Apparent power of a device's own phase."""
    return own_phase(number, on_phases(lambda each: Apparent(*_powers(each))), nan)


def factor(number: int, sign: float, gain: float = 1.0) -> ByWiring:
    """Power factor of a device's own phase; ``sign`` is that of power to the grid."""
    return own_phase(number, on_phases(lambda each: PowerFactor(*_powers(each), sign, gain)), nan)


def line_to_line(one: int, other: int) -> ByWiring:
    return ByWiring(LineToLine(f"voltage_l{one}_v", f"voltage_l{other}_v"), nan)


def _powers(number: int) -> tuple[str, str]:
    return f"active_power_l{number}_w", f"reactive_power_l{number}_var"


def _all_phases(stem: str, unit: str, gain: float = 1.0) -> Weighted:
    return Weighted(tuple((f"{stem}_l{number}_{unit}", gain) for number in (1, 2, 3)))


CURRENT: Final = _all_phases("current", "a")
VOLTAGE: Final = ByWiring(
    _all_phases("voltage", "v", 1.0 / 3.0), on_phases(lambda number: Scaled(f"voltage_l{number}_v"))
)
LINE_VOLTAGE: Final = ByWiring(Scaled("voltage_ll_v"), nan)
CURRENT_RATED: Final = Product(("rated_apparent_power_va",), over="nominal_voltage_v")
"""Of all phases together, at nominal voltage."""
CHARGE_RATED: Final = Product(("rated_energy_wh",), over="nominal_dc_voltage_v")
DC_POWER: Final = Product(("dc_voltage_v", "dc_current_a"))
RUN: Final = Pair(Scaled("started"), Choice(((0, "stop", 1.0), (1, "start", 1.0))))
ZERO_ONLY: Final = Pair(None, Choice(((0, "", 0.0),)))
"""0 for ever: it takes 0, which is what it is."""
HEARTBEAT: Final = Pair(None, Kept(range(2**32), "sesp_heartbeat"))
UNDERVOLTAGE: Final = tuple(f"undervoltage_l{number}_alarm" for number in (1, 2, 3))
OVERVOLTAGE: Final = tuple(f"overvoltage_l{number}_alarm" for number in (1, 2, 3))

SEEN_PU: Final = Product(("voltage_ll_v",), 1.0 / sqrt(3.0), over="nominal_voltage_v")
_STOPPED: Final = Weighted((("available", 1.0), ("fault_trip", 1.0)))
ALARM_BITS: Final = (
    (2, "grid_switch_closed", 0.0, 0.0),
    (4, "fault_trip", 1.0, 1.0),
    (4, SEEN_PU, 0.0, 0.2),
    (6, _STOPPED, 0.0, 0.0),
    (7, "temperature_high_alarm", 1.0, 1.0),
    (8, "frequency_hz", 51.5, EVER),
    (9, "frequency_hz", 0.0, 47.5),
    (10, SEEN_PU, 1.1, EVER),
    (11, SEEN_PU, 0.0, 0.9),
    (13, "temperature_low_alarm", 1.0, 1.0),
)
"""Bits that 103.Evt1 and 701.Alrm share: switch open; off by a trip or without mains; stopped by hand; hot; frequency
beyond EN 50549-1 (47.5 to 51.5 Hz) and voltage beyond EN 50160 (10 %); cold."""


@dataclass(frozen=True, slots=True)
class Throttled(ReadOnly):
    """1 where a limit or a set-point holds the power below what there is, or where the limit holds a storage."""

    quantities: tuple[str, ...]

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        active = columns["active_power_w"]
        if "available_power_w" in self.quantities:
            return (columns["available_power_w"] - active > _HELD_W) * columns["running"]
        limit = columns["active_power_limit_frac"] * columns["active_power_max_w"]
        return (active > _HELD_W) * (active > limit - _HELD_W) * columns["active_power_limit_enabled"]


_HELD_W: Final = 1.0
CURTAILED: Final = Throttled(("available_power_w", "active_power_w", "running"))
LIMITED: Final = Throttled(
    ("active_power_w", "active_power_limit_frac", "active_power_max_w", "active_power_limit_enabled")
)


def operating_state(off: int, sleeping: int, runs: int, throttled: int, fault: int) -> Cases:
    """An inverter's state, by the numbers that a model has for it; PV without sun sleeps."""
    return Cases(
        (
            ("fault_trip", 1, 1, fault),
            ("running", 0, 0, off),
            (CURTAILED, 1, 1, throttled),
            ("available_power_w", 0, 0, sleeping),
            ("available_power_w", 0, EVER, runs),
            (LIMITED, 1, 1, throttled),
        ),
        runs,
    )


@dataclass(frozen=True, slots=True)
class RatedFactor(ReadOnly):
    """The power factor at rated apparent and rated reactive power, times ``gain``."""

    gain: float
    quantities: tuple[str, ...] = ("rated_reactive_power_var", "rated_apparent_power_va")

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        reactive, rated = (columns[name] for name in self.quantities)
        share = np.divide(reactive, rated, out=np.zeros_like(rated), where=rated > 0.0)
        return np.asarray(np.sqrt(np.maximum(1.0 - share * share, 0.0)) * self.gain)


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
