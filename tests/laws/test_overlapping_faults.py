"""Faults that grip the same values, beginning and ending in every order: what is told of each device all the while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import permutations

import pytest

from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site.layout import SiteLayout

Told = dict[tuple[str, str], tuple[float, int]]
"""Device and quantity -> what is reported of it, and its quality."""

GROUPS = """\
  meters: {kind: smart_meter, count: 3, feeder: west, endpoints: [{protocol: modbus}]}
  storage: {kind: battery, count: 1, feeder: east, endpoints: [{protocol: dnp3}]}
"""
OTHERS = ("online", "running", "voltage_l1_v", "energy_imported_wh", "general_alarm", "sesp_timeout_s", "soc_frac")
QUALITIES = {"good": Quality.GOOD, "invalid": Quality.INVALID, "questionable": Quality.NOT_TOPICAL}


@dataclass(frozen=True, eq=False)
class Wrong:
    """A fault to be, with the globs of the devices and quantities it grips."""

    kind: str
    device: str = "*"
    quantity: str = "*"
    parameters: dict[str, float | str] = field(default_factory=dict)

    @property
    def target(self) -> dict[str, str]:
        return {"device": self.device, **({} if self.kind == "offline" else {"quantity": self.quantity})}

    def grips(self, device: str, quantity: str) -> bool:
        return fnmatchcase(device, self.device) and fnmatchcase(quantity, self.quantity)


HELD = Wrong("stuck", "meters-00[12]", "*power_w", {"quality": "invalid"})
SET = Wrong("stuck", "*-001", "*active_power_w", {"value": 42.0})
DOUBLED = Wrong("bias", "*", "*power_*", {"factor": 2.0, "offset": 3.0})
MOVED = Wrong("bias", "meters-001", "*", {"offset": -1.0, "quality": "questionable"})
TWO_GONE = Wrong("offline", "meters-00[13]")
ALL_GONE = Wrong("offline")


Cells = list[tuple[FarmDevice, str]]


def expected(cells: Cells, active: dict[Wrong, Told]) -> Told:
    """What the faults that are active, in the order of their ids, make of the truth.

    Each comes with what was told when it began. A device off the network says to itself what it says to others.
    """
    told: Told = {}
    for device, name in cells:
        value, quality = device.true_value(name), 0
        gripping = [(wrong, notes) for wrong, notes in active.items() if wrong.grips(device.id, name)]
        for wrong, notes in gripping:
            if wrong.kind == "stuck":
                value = float(wrong.parameters.get("value", notes[device.id, name][0]))
            elif wrong.kind == "bias":
                value = value * float(wrong.parameters.get("factor", 1.0)) + float(wrong.parameters["offset"])
            quality |= int(QUALITIES[str(wrong.parameters.get("quality", "good"))])
        told[device.id, name] = value, quality
    return told


def every(farm: Farm) -> Cells:
    """Powers, and some quantities of every other role."""
    return [(device, name) for device in farm for name in device.readings() if "power" in name or name in OTHERS]


def seen(cells: Cells) -> Told:
    return {(device.id, name): (device.value(name), device.quality(name)) for device, name in cells}


@pytest.mark.parametrize(
    "wrongs",
    [(HELD, DOUBLED, TWO_GONE), (MOVED, TWO_GONE, ALL_GONE), (SET, DOUBLED, HELD), (ALL_GONE, MOVED, SET)],
    ids=["held, doubled, gone", "moved, gone twice", "set, doubled, held", "gone, moved, set"],
)
def test_what_is_told_is_the_fold_of_the_active_faults_and_the_truth_once_all_are_over(
    make_layout: Callable[..., SiteLayout], wrongs: tuple[Wrong, ...]
) -> None:
    """Three faults begin and end in each of the 90 orders, one event a step, at the times they were given."""
    farm = Farm(make_layout(GROUPS))
    farm.step(1.0)
    cells = every(farm)
    now = seen(cells)
    for order in sorted(set(permutations((0, 0, 1, 1, 2, 2)))):
        begin_s = farm.time_s
        ids = []
        for number, wrong in enumerate(wrongs):
            begins = order.index(number)
            ends = order.index(number, begins + 1)
            fault = farm.faults.add(
                wrong.kind,
                wrong.target,
                parameters=wrong.parameters,
                start_s=begin_s + 1.0 + begins,
                duration_s=float(ends - begins),
            )
            ids.append(fault.id)
        assert ids == sorted(ids)
        active: dict[Wrong, Told] = {}
        for number in order:
            before = now
            farm.step(1.0)
            now = seen(cells)
            if wrongs[number] in active:
                del active[wrongs[number]]
            else:
                # In the order of their ids, whichever began first.
                active[wrongs[number]] = before
                active = {wrong: active[wrong] for wrong in wrongs if wrong in active}
            assert now == expected(cells, active), order
        assert all(farm.faults.get(number).state == "ended" for number in ids)
        assert now == expected(cells, {})
