"""The sites of a soak: one as a pilot has it, and one that is years ahead by the end."""

from __future__ import annotations

from typing import Final

from pilotfarm import profiles

FAR_STEP_S: Final = 900.0
_START: Final = "2038-01-15T08:00:00"
"""2**31 s since 1970 are over four days later; summer time, two years' ends and the leap day of 2040 follow."""
_RATINGS: Final = {
    "battery": "{rated_power_w: 200_000, rated_energy_wh: 400_000}",
    "pv_generator": "{rated_power_w: 10_000_000}",
    "smart_meter": "{annual_energy_wh: 1_000_000_000, main_fuse_a: 1_000}",
    "prosumer": "{main_fuse_a: 1_000, pv_rated_power_w: 500_000}",
}


def far_ahead() -> str:
    """The built-in site tiny with ratings so large that a year of energy passes 2**32 Wh."""
    text = profiles.site("tiny").read_text(encoding="utf-8")
    for kind, ratings in _RATINGS.items():
        text = _replaced(text, f"    kind: {kind}\n", f"    kind: {kind}\n    ratings: {ratings}\n")
    return _replaced(text, "start: 2026-06-15T08:00:00", f"start: {_START}")


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"tiny has not one {old!r}"
    return text.replace(old, new)
