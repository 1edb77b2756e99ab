"""What the three grid codes ask for: volt-var, volt-watt and P(f); and a battery that trips and comes back.

The curves pass the points of EN 50549-1, VDE-AR-N 4105 and IEEE 1547-2018 (category B, frequencies scaled to 50 Hz);
volt-var, volt-watt and their lag are compared with OpenDER in ``tests/oracles``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics import grid_code, inverter, protection

SECONDS: Final = 900
DIP_PU: Final = 0.6
STYLES: Final = dict(zip(grid_code.NAMES, ("-", "--", "-."), strict=True))
"""Two of the codes agree nearly everywhere: dashes let both be seen."""


def _curves(folder: Path) -> None:
    figure, (var, watt, hertz) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    voltage, frequency = np.linspace(0.88, 1.14, 521), np.linspace(47.5, 51.5, 401)
    for name, style in STYLES.items():
        code = grid_code.code(name)
        var.plot(voltage, 100.0 * inverter.volt_var(voltage, np.ones_like(voltage), code), style, label=name)
        watt.plot(voltage, 100.0 * (1.0 - inverter.volt_watt(voltage, code)), style, label=name)
        answer = [100.0 * float(inverter.droop(float(each), np.array([50.0]), code)[0]) for each in frequency]
        hertz.plot(frequency, answer, style, label=name)
    var.set(xlabel="voltage, pu", ylabel="reactive power, % of rated VA")
    watt.set(xlabel="voltage, pu", ylabel="most active power, % of rating")
    hertz.set(xlabel="frequency, Hz", ylabel="change of active power, % of rating")
    var.legend()
    figure.savefig(folder / "grid_codes.png", dpi=110)
    plt.close(figure)


def _trip(name: str) -> tuple[Floats, float, float]:
    """Return the power allowed by second after a dip to 60 % for 12 s from 10 s on; when it trips, when it is back."""
    code, state = grid_code.code(name), protection.in_service(1)
    allowed = np.zeros(SECONDS)
    tripped_s = back_s = 0.0
    for second in range(SECONDS):
        voltage = np.array([DIP_PU if 10 <= second < 22 else 1.0])
        off = state.tripped[0] > 0.0
        state = protection.watched(state, voltage, voltage, 1.0, code, 1.0)
        if state.tripped[0] > 0.0 and not off:
            tripped_s = second - 10.0 + 1.0
        if off and state.tripped[0] == 0.0:
            back_s = second - 22.0 + 1.0
        allowed[second] = 0.0 if state.tripped[0] > 0.0 else state.ramp_frac[0]
    return allowed, tripped_s, back_s


def draw(folder: Path) -> dict[str, float]:
    """Draw ``grid_codes.png`` and ``trip.png``; return what the text quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    _curves(folder)
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    quoted: dict[str, float] = {}
    for name, style in STYLES.items():
        allowed, tripped_s, back_s = _trip(name)
        axis.plot(np.arange(SECONDS), 100.0 * allowed, style, label=name)
        quoted[f"{name}_trips_after_s"], quoted[f"{name}_back_after_s"] = tripped_s, back_s
    axis.set(xlabel="seconds; the voltage is at 60 % from 10 s to 22 s", ylabel="most active power, % of rating")
    axis.legend()
    figure.savefig(folder / "trip.png", dpi=110)
    plt.close(figure)
    return quoted
