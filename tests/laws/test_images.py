"""The bytes masters are told are those of the columns as they stand, however they came about."""

from __future__ import annotations

import numpy as np

from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.site import load


def test_bytes_kept_over_many_steps_equal_bytes_made_anew() -> None:
    # Fields whose columns did not move are not encoded again; nothing may be left behind by that.
    farm = Farm(load("tiny"))
    kept = Images(farm)
    for n in range(40):
        if n % 10 == 3:
            farm.device("battery-001").submit(enabled({"active_power_setpoint_w": 100.0 * n}), "test", "me", 0.0)
            farm.device("charger-001").submit({"charge_release": float(n % 20 == 3)}, "test", "me", 0.0)
        if n == 12:
            farm.faults.add("bias", {"quantity": "*_power_w"}, parameters={"factor": 1.5}, duration_s=2_000.0)
        if n == 15:
            farm.faults.add("offline", {"device": "meter-*"}, duration_s=2_000.0)
        farm.step(300.0)
        kept.refresh()
    anew = Images(farm)
    for place, (_, table) in kept._tables.items():
        fresh = anew._tables[place][1]
        ours, theirs = (getattr(each, "rows", None) or each._rows for each in (table, fresh))  # type: ignore[attr-defined]
        assert np.array_equal(ours.data, theirs.data), place
