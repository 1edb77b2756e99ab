"""Many measurement faults at once: what is reported is what they make of the truth one after the other."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import SITE

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.fault import Cells
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm import reports
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

NAMES = ("active_power_w", "voltage_l1_v", "energy_imported_wh")
GROUPS = """\
  meters: {kind: smart_meter, count: 4, feeder: west, endpoints: []}
  storage: {kind: battery, count: 2, feeder: east, endpoints: []}
"""
QUALITIES = {"good": 0, "invalid": Quality.INVALID, "questionable": Quality.NOT_TOPICAL}

number = st.floats(-1e6, 1e6, allow_nan=False)
quality = st.sampled_from(sorted(QUALITIES))
target = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["*", "meters-*", "*-001", "meters-00[12]", "storage-002"]),
        "quantity": st.sampled_from(["*_w", "voltage_*", "energy_imported_wh", "*"]),
    }
)
stuck = st.tuples(st.just("stuck"), target, st.fixed_dictionaries({"value": st.none() | number, "quality": quality}))
bias = st.tuples(
    st.just("bias"),
    target,
    st.fixed_dictionaries({"factor": st.sampled_from([-1.0, 0.5, 2.0, 1.25]), "offset": number, "quality": quality}),
)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> SiteLayout:
    path = tmp_path_factory.mktemp("site") / "few.yaml"
    path.write_text(SITE.format(seed=1, groups=GROUPS), encoding="utf-8")
    return load(str(path))


@settings(max_examples=60, deadline=None)
@given(faults=st.lists(st.one_of(stuck, bias), min_size=1, max_size=9))
def test_what_is_reported_is_the_truth_seen_through_every_fault_in_turn(
    layout: SiteLayout, faults: list[tuple]
) -> None:  # type: ignore[type-arg]
    farm = Farm(layout)
    farm.step(1.0)
    notes = {(device.id, name): device.value(name) for device in farm for name in NAMES}
    for kind, where, parameters in faults:
        farm.faults.add(kind, where, parameters=parameters)
    for _ in range(2):
        farm.step(60.0)
        for device in farm:
            for name in NAMES:
                value, marks = device.true_value(name), 0
                for kind, where, parameters in faults:
                    if not (fnmatchcase(device.id, where["device"]) and fnmatchcase(name, where["quantity"])):
                        continue
                    if kind == "bias":
                        value = value * parameters["factor"] + parameters["offset"]
                    else:
                        value = notes[device.id, name] if parameters["value"] is None else parameters["value"]
                    marks |= QUALITIES[parameters["quality"]]
                assert device.value(name) == pytest.approx(value, rel=1e-9, abs=1e-6)
                assert device.quality(name) == marks


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many cells each call of a kind's function is given."""
    sizes: list[int] = []

    def noted(true: Floats, *others: Any) -> Cells:
        sizes.append(len(true))
        return Cells(true, *others)

    monkeypatch.setattr(reports, "Cells", noted)
    return sizes


def test_hundreds_of_faults_of_a_kind_on_the_same_cells_are_one_call(
    make_layout: Callable[..., SiteLayout], calls: list[int]
) -> None:
    farm = Farm(make_layout(GROUPS))
    farm.step(1.0)
    for n in range(400):
        farm.faults.add("bias", {"quantity": "*_w"}, parameters={"offset": 1.0})
        farm.faults.add("stuck", {"quantity": "voltage_*"}, parameters={"value": float(n)})
    farm.step(1.0)
    assert len(calls) == 4  # two groups, two kinds
    meter = farm.device("meters-001")
    assert meter.value("active_power_w") == pytest.approx(meter.true_value("active_power_w") + 400.0)
    assert meter.value("voltage_l1_v") == 399.0


def test_faults_of_a_kind_on_different_devices_are_one_call(
    make_layout: Callable[..., SiteLayout], calls: list[int]
) -> None:
    farm = Farm(make_layout(GROUPS))
    for n in range(1, 5):
        farm.faults.add("stuck", {"device": f"meters-00{n}", "quantity": "active_power_w"}, parameters={"value": n})
    farm.step(1.0)
    assert calls == [4]
    assert [farm.device(f"meters-00{n}").value("active_power_w") for n in range(1, 5)] == [1.0, 2.0, 3.0, 4.0]


def test_what_a_later_fault_replaces_is_not_worked_out_and_keeps_its_quality(
    make_layout: Callable[..., SiteLayout], calls: list[int]
) -> None:
    farm = Farm(make_layout(GROUPS))
    bias = farm.faults.add(
        "bias", {"group": "meters", "quantity": "active_power_w"}, parameters={"offset": 1.0, "quality": "invalid"}
    )
    farm.faults.add("stuck", {"group": "meters", "quantity": "active_power_w"}, parameters={"value": 5.0})
    farm.step(1.0)
    meter = farm.device("meters-001")
    assert calls == [4]
    assert (meter.value("active_power_w"), meter.quality("active_power_w")) == (5.0, Quality.INVALID)
    farm.faults.clear(bias.id)
    farm.step(1.0)
    assert (meter.value("active_power_w"), meter.quality("active_power_w")) == (5.0, Quality.GOOD)
