"""Deadbands in the site file: what they come to on both protocols, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.plans.deadband import Reporting
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.listing import Wanted, point_rows

Make = Callable[..., SiteLayout]
PROTOCOLS = ("iec104", "dnp3")
RATED_VA = 3 * 230.0 * 63.0


def meters(*endpoints: str) -> str:
    return f"  meters: {{kind: smart_meter, count: 2, feeder: west, endpoints: [{', '.join(endpoints)}]}}\n"


def widths(layout: SiteLayout, protocol: str) -> dict[str, float]:
    """The deadbands of the first meter, as its point list has them."""
    rows = point_rows(layout, Wanted(layout.groups[0].devices[0], protocols=frozenset({protocol})))
    return {row["quantity"]: row["deadband"] for row in rows if row["deadband"] is not None}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_deadband_is_a_width_or_a_share_and_the_rest_stays(make_layout: Make, protocol: str) -> None:
    usual = widths(make_layout(meters(f"{{protocol: {protocol}}}")), protocol)
    assert usual["active_power_w"] == pytest.approx(0.01 * RATED_VA)
    assert usual["current_l1_a"] == pytest.approx(0.01 * 63.0)
    written = "active_power_w: 50, reactive_power_var: 0.1 %, 'voltage_l?_v': 0.1 %, voltage_l2_v: 3, 'current_*': 0.5%"
    layout = make_layout(meters(f"{{protocol: {protocol}, deadbands: {{{written}, frequency_hz: 0}}}}"))
    changed = widths(layout, protocol)
    current_a = changed.pop("current_l1_a")
    assert current_a == pytest.approx(0.005 * 63.0)
    expected = {
        "active_power_w": 50.0,
        "reactive_power_var": 0.001 * RATED_VA,
        **{f"voltage_l{at}_v": 0.23 for at in "13l"},
        "voltage_l2_v": 3.0,
        "current_l2_a": current_a,
        "current_l3_a": current_a,
        "frequency_hz": 0.0,
    }
    assert changed == pytest.approx({**{name: usual[name] for name in changed}, **expected})
    assert layout.groups[0].served[0].deadbands


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("served", [True, False])
def test_it_decides_what_is_told(make_layout: Make, protocol: str, served: bool) -> None:
    """A table of the group hears of 60 W with a deadband of 50 W, and not without: 1 % of the fuse is 435 W."""
    written = "deadbands: {active_power_w: 50}"
    layout = make_layout(meters(f"{{protocol: {protocol}{', ' + written if served else ''}}}"))
    images = Images(farm := Farm(layout))
    ((key, image),) = list(images)
    assert bool(key[4]) is served
    told: list[Any] = []

    class Ear:
        def changed(self, address: int, type_id: int, objects: dict[int, bytes]) -> None:
            told.extend(objects)

        def stepped(self, unix_s: float) -> None: ...

        def analog_moved(self, point: Any, value: int, flags: int, unix_ms: int) -> None:
            told.append(point.quantity)

        def binary_moved(self, *_: Any) -> None: ...

    table: Any = image.table
    table.listen(0, Ear(), *([1] if protocol == "iec104" else []))
    columns, power = farm.groups["meters"].reported, farm.groups["meters"].reported["active_power_w"]
    for watts, hears in ((40.0, False), (60.0, served), (460.0, True)):
        told.clear()
        table.refresh({**columns, "active_power_w": power + watts}, {}, 1e9)
        assert bool(told) is hears, watts
        table.refresh({**columns, "active_power_w": power}, {}, 1e9)


def test_two_ways_to_a_device_each_have_their_own(make_layout: Make) -> None:
    ways = ("{protocol: iec104}", "{protocol: iec104, port: 2405, deadbands: {active_power_w: 5}}")
    layout = make_layout(meters(*ways))
    rows = list(point_rows(layout, Wanted("meters-002", "active_power_w")))
    assert [(row["port"], row["deadband"]) for row in rows] == [(2404, pytest.approx(434.7)), (2406, 5.0)]
    assert [key[4] for key, _ in Images(Farm(layout))] == [(), layout.groups[0].served[1].deadbands]


def test_on_the_wire_a_share_of_one_is_in_per_cent(make_layout: Make) -> None:
    """What IEC 104 sends in per cent has its deadband in the quantity's unit all the same."""
    way = "{protocol: iec104, deadbands: {soc_frac: 0.002}}"
    storage = f"  storage: {{kind: battery, count: 1, feeder: east, endpoints: [{way}]}}\n"
    ((_, image),) = list(Images(Farm(make_layout(storage))))
    table: Any = image.table
    block = next(each for each in table._blocks if each.deadbands.size)
    place = next(k for k, point in enumerate(block.points) if point.source.quantities == ("soc_frac",))
    assert block.deadbands[0, place] == np.float32(0.2)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("soc_frac: 3", "soc_frac: is no quantity of kind smart_meter"),
        ("active_powr_w: 3", "did you mean 'active_power_w'?"),
        ("online: 1", "over iec104 it is reported with every change"),
        ("energy_imported_wh: 3", "over iec104 it is not reported by itself"),
        ("'nobody*': 3", "matches no number"),
        ("active_power_w: -1", "is 0 to 1e+12, not -1"),
        ("active_power_w: .nan", "is 0 to 1e+12, not nan"),
        ("active_power_w: .inf", "is 0 to 1e+12, not inf"),
        ("active_power_w: 1e30", "is 0 to 1e+12, not 1e+30"),
        ("active_power_w: true", "is a number in W, or a share of the rating such as 0.5 %, not True"),
        ("active_power_w: 0.5 kW", "is a number in W, or a share of the rating such as 0.5 %, not '0.5 kW'"),
        ("active_power_w: -0.5 %", "is a number in W"),
        ("active_power_w: [5]", "is a number in W"),
        ("active_power_w: 101 %", "is at most 100 %, not 101 %"),
        ("frequency_hz: 1 %", "has no rating to be a share of; give a number in Hz"),
        ("power_factor: 2", "2 is never passed: power_factor is -1 to 1"),
        ("'*': 5", "matches quantities in"),
        ("'voltage_*': 5, '*_l1_[av]': 5", "matches quantities in V and A; a number is in one unit"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(make_layout: Make, written: str, why: str) -> None:
    way = f"      - protocol: iec104\n        deadbands: {{{written}}}\n"
    group = f"  meters:\n    kind: smart_meter\n    count: 1\n    feeder: west\n    endpoints:\n{way}"
    with pytest.raises(ConfigError) as caught:
        make_layout(group)
    (problem,) = caught.value.problems
    assert why in str(problem)
    text = str(problem).split(":")
    assert text[1].isdigit()
    with open(text[0], encoding="utf-8") as file:
        assert "deadbands" in file.readlines()[int(text[1]) - 1]


def test_modbus_has_none(make_layout: Make) -> None:
    with pytest.raises(ConfigError, match="deadbands: modbus reports nothing by itself"):
        make_layout(meters("{protocol: modbus, deadbands: {active_power_w: 5}}"))


def test_zero_is_every_change_whatever_the_unit(make_layout: Make) -> None:
    for written in ("'*': 0", "'*': 0 %"):
        layout = make_layout(meters(f"{{protocol: iec104, deadbands: {{{written}}}}}"))
        assert set(widths(layout, "iec104").values()) == {0.0}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", registry.DEVICES)
def test_a_plan_reported_as_usual_is_the_same_plan(protocol: str, kind: str) -> None:
    spec = registry.device(kind)
    plan = registry.maps_for(protocol, spec.kind)[0].plan(spec)
    assert isinstance(plan, Reporting)
    assert plan.reported_by(tuple(plan.deadbands().items())) == plan
