"""Many measurement faults at once: what is reported is what they make of the truth one after the other."""

from __future__ import annotations

import math
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

NAMES = ("active_power_w", "voltage_l1_v", "voltage_l2_v", "energy_imported_wh")
GROUPS = """\
  meters: {kind: smart_meter, count: 4, feeder: west, endpoints: []}
  storage: {kind: battery, count: 2, feeder: east, endpoints: []}
"""
QUALITIES = {"good": 0, "invalid": Quality.INVALID, "questionable": Quality.NOT_TOPICAL, "overflow": Quality.OVERFLOW}

number = st.floats(-1e6, 1e6, allow_nan=False)
quality = st.sampled_from(["good", "invalid", "questionable"])
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
drift = st.tuples(
    st.just("drift"), target, st.fixed_dictionaries({"rate_per_h": number.filter(bool), "quality": quality})
)
quantised = st.tuples(
    st.just("quantised"), target, st.fixed_dictionaries({"step": st.sampled_from([0.5, 10.0]), "quality": quality})
)
turned = st.tuples(st.just("sign-turned"), target, st.fixed_dictionaries({"quality": quality}))
missing = st.tuples(st.just("missing"), target, st.just({"quality": "invalid"}))
beyond = st.tuples(
    st.just("out-of-range"), target, st.fixed_dictionaries({"value": number, "quality": quality | st.just("overflow")})
)
swapped = st.tuples(st.just("phases-swapped"), target, st.fixed_dictionaries({"quality": quality}))
fault = st.one_of(stuck, bias, drift, quantised, turned, missing, beyond, swapped)
SIGNED = "active_power_w"
PHASES = {"voltage_l1_v": "voltage_l2_v", "voltage_l2_v": "voltage_l1_v"}


def seen_through(fault: Any, note: float, name: str, values: dict[str, float], elapsed_s: float) -> float:
    """What is reported of a quantity that a fault grips, from what was reported before it."""
    kind, _, given = fault
    value = values[name]
    match kind:
        case "stuck":
            return note if given["value"] is None else given["value"]
        case "bias":
            return value * given["factor"] + given["offset"]
        case "drift":
            return value + given["rate_per_h"] * elapsed_s / 3600.0
        case "quantised":
            return value if math.isnan(value) else round(value / given["step"]) * given["step"]
        case "sign-turned":
            return -value
        case "missing":
            return math.nan
        case "out-of-range":
            return given["value"]
        case _:
            return values[PHASES[name]]


def grips(fault: Any, device: str, name: str) -> bool:
    kind, where, _ = fault
    names = [name, PHASES.get(name, name)] if kind == "phases-swapped" else [name]
    able = {"sign-turned": [SIGNED], "phases-swapped": [*PHASES]}.get(kind, NAMES)
    return (
        fnmatchcase(device, where["device"])
        and name in able
        and any(fnmatchcase(each, where["quantity"]) for each in names)
    )


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> SiteLayout:
    path = tmp_path_factory.mktemp("site") / "few.yaml"
    path.write_text(SITE.format(seed=1, groups=GROUPS), encoding="utf-8")
    return load(str(path))


@settings(max_examples=80, deadline=None)
@given(faults=st.lists(fault, min_size=1, max_size=9), pause_s=st.sampled_from([0.0, 900.0]))
def test_what_is_reported_is_the_truth_seen_through_every_fault_in_turn(
    layout: SiteLayout, faults: list[Any], pause_s: float
) -> None:
    """They begin all at once or one after the other, and what was reported then is noted."""
    farm = Farm(layout)
    farm.step(1.0)
    begun: list[tuple[Any, float, dict[tuple[str, str], float]]] = []
    for each in faults:
        kind, where, given = each
        if not any(grips(each, device.id, name) for device in farm for name in NAMES):
            continue  # nobody could have it
        notes = {(device.id, name): device.value(name) for device in farm for name in NAMES}
        farm.faults.add(kind, where, parameters=given)
        begun.append((each, farm.time_s + (pause_s or 60.0), notes))
        if pause_s:
            farm.step(pause_s)
    for _ in range(2):
        farm.step(60.0)
        for device in farm:
            values, marks = {name: device.true_value(name) for name in NAMES}, dict.fromkeys(NAMES, 0)
            for each, start_s, notes in begun:
                gripped = [name for name in NAMES if grips(each, device.id, name)]
                moved = PHASES if each[0] == "phases-swapped" else {}
                marks |= {name: marks[moved.get(name, name)] | QUALITIES[each[2]["quality"]] for name in gripped}
                elapsed_s = farm.time_s - start_s
                values |= {n: seen_through(each, notes[device.id, n], n, values, elapsed_s) for n in gripped}
            for name in NAMES:
                assert device.value(name) == pytest.approx(values[name], rel=1e-9, abs=1e-6, nan_ok=True)
                assert device.quality(name) == marks[name]


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


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("noise", {"std": 1.0}),
        ("drift", {"rate_per_h": 1.0}),
        ("sign-turned", {}),
        ("missing", {}),
        ("out-of-range", {}),
        ("quality", {}),
        ("phase-missing", {}),
    ],
)
def test_faults_of_most_kinds_on_the_same_cells_are_one_call(
    make_layout: Callable[..., SiteLayout], calls: list[int], kind: str, parameters: dict[str, float]
) -> None:
    farm = Farm(make_layout(GROUPS))
    for _ in range(20):
        farm.faults.add(
            kind, {"group": "meters", **({} if kind == "phase-missing" else {"quantity": "*"})}, parameters=parameters
        )
    farm.step(1.0)
    assert len(calls) == 1


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
