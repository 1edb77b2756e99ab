"""Grid codes: what a standard asks of an inverter in voltage, frequency and time, read from ``profiles/grid_codes``.

A column holds a code as its place in ``NAMES``. Devices of one code, the usual case, calculate with plain
numbers and mixed ones with arrays ``(n,)``; the results are the same to the last bit. Voltages are per unit
of the nominal voltage, frequencies per unit of the nominal frequency, times in seconds.

References
----------
.. [1] EN 50549-1:2019; VDE-AR-N 4105:2018-11; IEEE Std 1547-2018. The standards are paid for; each file says
   which public source confirms a number, and which are still to be checked against the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from math import inf
from typing import Any, Final, TypeAlias

import numpy as np
import yaml

from pilotfarm.emulators.columns.arrays import Floats, anywhere, is_nothing

Setting: TypeAlias = float | Floats

NAMES: Final = ("en-50549-1", "vde-ar-n-4105", "ieee-1547-2018-b")
"""The codes a site file may name; the first is the default."""


@dataclass(frozen=True, slots=True)
class GridCode:
    """Settings of one code, or a row of settings a device. A function the code does not have never acts."""

    volt_var_v1: Setting
    volt_var_v2: Setting
    volt_var_v3: Setting
    volt_var_v4: Setting
    volt_var_q1: Setting
    volt_var_q4: Setting
    volt_var_response_s: Setting
    volt_watt_v1: Setting
    volt_watt_v2: Setting
    volt_watt_p2: Setting
    volt_watt_response_s: Setting
    droop_over: Setting
    """From which frequency power falls, as a distance from the reference."""
    droop_under: Setting
    droop: Setting
    droop_over_momentary: Setting
    """1.0 where a generator gives up shares of what it delivered when that began, 0.0 where of its rating."""
    droop_response_s: Setting
    over_voltage_1: Setting
    over_voltage_1_s: Setting
    over_voltage_2: Setting
    over_voltage_2_s: Setting
    under_voltage_1: Setting
    under_voltage_1_s: Setting
    under_voltage_2: Setting
    under_voltage_2_s: Setting
    over_frequency_1: Setting
    over_frequency_1_s: Setting
    over_frequency_2: Setting
    over_frequency_2_s: Setting
    under_frequency_1: Setting
    under_frequency_1_s: Setting
    under_frequency_2: Setting
    under_frequency_2_s: Setting
    mean_over_voltage: Setting
    reconnect_voltage_low: Setting
    reconnect_voltage_high: Setting
    reconnect_frequency_low: Setting
    reconnect_frequency_high: Setting
    reconnect_s: Setting
    reconnect_ramp_per_s: Setting
    reactive_max: Setting
    reactive_per_active: Setting
    reactive_at_rest: Setting


UNBOUND: Final = 1e6
"""A reactive capability that does not depend on the active power; finite, for it is multiplied by 0 W."""
_NO_VOLT_WATT: Final = {"voltage_pu": [100.0, 101.0], "active_frac": [1.0, 1.0], "response_s": 0.0}
_SETTINGS: Final = tuple(field.name for field in fields(GridCode))


@cache
def code(name: str) -> GridCode:
    """Read a code of ``NAMES``."""
    raw = yaml.safe_load((files("pilotfarm.profiles") / "grid_codes" / f"{name}.yaml").read_text(encoding="utf-8"))
    nominal = float(raw["nominal_frequency_hz"])
    var, droop, again, reactive = raw["volt_var"], raw["droop"], raw["reconnect"], raw["reactive"]
    watt = raw.get("volt_watt", _NO_VOLT_WATT)
    v1, v2, v3, v4 = map(float, var["voltage_pu"])
    values = {
        "volt_var_v1": v1,
        "volt_var_v2": v2,
        "volt_var_v3": v3,
        "volt_var_v4": v4,
        "volt_var_q1": float(var["reactive_frac"][0]),
        "volt_var_q4": float(var["reactive_frac"][3]),
        "volt_var_response_s": float(var["response_s"]),
        "volt_watt_v1": float(watt["voltage_pu"][0]),
        "volt_watt_v2": float(watt["voltage_pu"][1]),
        "volt_watt_p2": float(watt["active_frac"][1]),
        "volt_watt_response_s": float(watt["response_s"]),
        "droop_over": float(droop["over_hz"]) / nominal - 1.0,
        "droop_under": 1.0 - float(droop["under_hz"]) / nominal,
        "droop": float(droop["per_unit"]),
        "droop_over_momentary": float(droop["over_of"] == "momentary"),
        "droop_response_s": float(droop["response_s"]),
        **_stages(raw["trip"], nominal),
        "mean_over_voltage": float(raw["trip"].get("mean_over_voltage_pu", inf)),
        "reconnect_voltage_low": float(again["voltage_pu"][0]),
        "reconnect_voltage_high": float(again["voltage_pu"][1]),
        "reconnect_frequency_low": float(again["frequency_hz"][0]) / nominal,
        "reconnect_frequency_high": float(again["frequency_hz"][1]) / nominal,
        "reconnect_s": float(again["delay_s"]),
        "reconnect_ramp_per_s": float(again["ramp_frac_per_s"]),
        "reactive_max": float(reactive["max_frac"]),
        "reactive_per_active": float(reactive.get("per_active", UNBOUND)),
        "reactive_at_rest": float(reactive.get("at_rest_frac", UNBOUND)),
    }
    return GridCode(**values)


def _stages(trip: Mapping[str, Any], nominal_hz: float) -> dict[str, float]:
    """Name the two stages of each protection; one a code has not got never acts."""
    found: dict[str, float] = {}
    for name, side, base in (
        ("over_voltage", inf, 1.0),
        ("under_voltage", -inf, 1.0),
        ("over_frequency", inf, nominal_hz),
        ("under_frequency", -inf, nominal_hz),
    ):
        stages: Sequence[Sequence[float]] = trip[name if base == 1.0 else f"{name}_hz"]
        for number in (1, 2):
            limit, time_s = stages[number - 1] if number <= len(stages) else (side, inf)
            found[f"{name}_{number}"] = float(limit) / base
            found[f"{name}_{number}_s"] = float(time_s)
        outward = 1.0 if side > 0.0 else -1.0
        assert outward * found[f"{name}_1"] < outward * found[f"{name}_2"], "the second limit lies beyond the first"
    return found


@cache
def _table() -> GridCode:
    codes = [code(name) for name in NAMES]
    return GridCode(**{name: np.array([getattr(each, name) for each in codes]) for name in _SETTINGS})


def of(column: Floats) -> GridCode:
    """Return the settings of devices by their column of codes ``(n,)``: numbers if all are alike, else arrays."""
    first = column[0]
    if is_nothing(column) or not anywhere(column != first):
        return code(NAMES[int(first)])
    places, table = column.astype(np.intp), _table()
    return GridCode(**{name: getattr(table, name)[places] for name in _SETTINGS})
