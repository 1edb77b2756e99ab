"""The figures that the validation page takes from BLAST-Lite (NREL), asked of it again.

BLAST-Lite wants numpy below 2, so it does not fit beside this project: `pip install blast-lite setuptools pytest` in
an environment of its own, and there `pytest --noconftest -c /dev/null tests/oracles/test_blast_oracle.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REFERENCES = Path(__file__).resolve().parents[2] / "docs" / "validation" / "ageing_references.json"
USE, STORAGE = (json.loads(REFERENCES.read_text(encoding="utf-8"))[part]["conditions"] for part in ("use", "storage"))
SAME_CELL = "Lfp_Gr_SonyMurata3Ah_Battery"
HOURS = np.arange(0.0, 24.01, 0.25)

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore"),  # it reaches for trapz and divides by nothing
]


def _aged(model: str, temperature_degc: float, soc_frac: np.ndarray, years: float) -> Any:
    models = pytest.importorskip("blast.models", reason="BLAST-Lite is missing: see the first lines of this file")
    battery = getattr(models, model)()
    series = {"Time_s": HOURS * 3_600.0, "SOC": soc_frac, "Temperature_C": np.full_like(HOURS, temperature_degc)}
    return battery.simulate_battery_life(
        series, threshold_time=years, is_constant_input=True, is_conserve_energy_throughput=False
    )


@pytest.mark.parametrize("case", USE, ids=lambda case: f"{case['temperature_degc']}-{case['lowest_soc_frac']}")
def test_ten_years_of_use_are_blast_lite_s(case: dict[str, Any]) -> None:
    low, high, hours = case["lowest_soc_frac"], case["highest_soc_frac"], case["charge_hours"]
    soc = np.interp(HOURS, [10.0, 10.0 + hours, 18.0, 18.0 + hours], [low, high, high, low])
    for model, stored in case["soh_frac_by_years"].items():
        aged = _aged(model, case["temperature_degc"], soc if hours else np.full_like(HOURS, low), 10.0)
        found = np.interp(np.arange(1, 11), aged.stressors["t_days"] / 365.0, aged.outputs["q"])
        assert found == pytest.approx(stored, abs=1e-4), model


@pytest.mark.parametrize(
    "condition",
    [each for each in STORAGE if each["blast_lite_loss_frac"] is not None],
    ids=lambda each: f"{each['temperature_degc']}-{each['soc_frac']}",
)
def test_storage_is_blast_lite_s(condition: dict[str, Any]) -> None:
    soc = np.full_like(HOURS, condition["soc_frac"])
    aged = _aged(SAME_CELL, condition["temperature_degc"], soc, 885.0 / 365.0)
    assert 1.0 - aged.outputs["q"][-1] == pytest.approx(condition["blast_lite_loss_frac"], abs=1e-4)
