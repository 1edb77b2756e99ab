"""Checks of IEEE 1815.2 that py1815's makers wrote for their master, against an outstation of every kind."""

from __future__ import annotations

from math import ceil
from types import SimpleNamespace
from typing import Any

import pytest
from der_profile import point_map, told
from py1815.master.bench import Verdict
from py1815.master.evaluate import Report, evaluate_loopback
from py1815.master.loopback import Loopback

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.serving.images import Images, Place
from pilotfarm.emulators.site import load

KINDS = {"battery": 6, "pv": 6, "charger": 6, "meter": 0, "home": 6}
"""Groups of the site tiny, and how many modes each supports."""
NOT_FOR_US = {"PROFILE-001", "CURVE-001", "CURVE-001.2", "CURVE-002", "CURVE-002.2", "CURVE-003", "CURVE-003.2"}
"""No Device Profile document is given, and no master may write curves."""
UNDER_WAY = ("BI12", "BI13", "BI15", "BI21", "BI22")
EVENTS = {"CONFIRM-001", "CONFIRM-002", "CONFIRM-003"}
"""They need an event to happen while they wait; what happens at a quiet device is not the point here."""


class Wire:
    """A connection's engine in the shape of a session, for a master in the same process."""

    def __init__(self, place: Place) -> None:
        self._engine: Any = place.station.connect("master", 0.0)
        self.now_s = 0.0
        self.facts = SimpleNamespace(outstation_address=place.layout.seats[0].address, master_address=1)

    def receive(self, data: bytes) -> bytes:
        self._engine.receive(data, self.now_s)
        return self.initiate()

    def initiate(self) -> bytes:
        output: bytes = self._engine.take_output()
        return output


class Bench:
    """The device of a group of the site tiny, its outstation, and time."""

    def __init__(self, group: str) -> None:
        self.farm = Farm(load("tiny"))
        self.images = Images(self.farm)
        (place,) = (
            each
            for each in self.images.places
            if each.layout.protocol == "dnp3" and each.layout.seats[0].group == group
        )
        self.place = place
        self.wire = Wire(place)
        self.device = self.farm.device(self.farm.layout.group(group).devices[0])
        self.advance(3.0)

    def advance(self, seconds: float) -> None:
        for _ in range(ceil(seconds)):
            self.farm.step(1.0)
        self.images.refresh()
        self.wire.now_s += seconds

    def worked_out(self) -> dict[str, float]:
        """What the outstation says where no single quantity says it."""
        table: Any = self.place.placed[0].image.table
        row, found = table.row(0), {}
        for section in table.sections.values():
            for place, point in enumerate(section.points):
                if point.meaning:
                    octets = bytes(section.cut(row, place, place + 1))
                    analog = point.type is PointType.ANALOG_INPUT
                    found[point.address] = float(int.from_bytes(octets[1:], "little") if analog else octets[0] >> 7)
        return found

    def evaluated(self) -> Report:
        master: Any = Loopback(self.wire)  # type: ignore[arg-type]
        return evaluate_loopback(master, point_map(), commanding=True, deviating=True, advance=self.advance)


@pytest.mark.parametrize("group", KINDS)
def test_no_check_fails_and_only_curves_and_a_document_are_not_there_to_be_checked(group: str) -> None:
    bench = Bench(group)
    report = bench.evaluated()
    assert [result.describe() for result in report.results if result.verdict is Verdict.FAILED] == []
    verdicts = {result.id: result.verdict for result in report.results}
    missing = {name for name, verdict in verdicts.items() if verdict is not Verdict.PASSED}
    assert NOT_FOR_US <= missing <= NOT_FOR_US | EVENTS
    modes = [result for result in report.results if result.title.endswith("supported")]
    assert len(modes) == 21
    assert sum(not result.title.endswith("not supported") for result in modes) == KINDS[group]
    refusals = [note for result in report.results for note in result.notes if "is usual" in note]
    assert refusals == [], "a refusal in another word than the profile's"
    assert bench.device.value("running") == 1.0, "left as it was found"
    assert bench.device.value("start_permitted") == bench.device.value("stop_permitted") == 1.0


@pytest.mark.parametrize("group", KINDS)
@pytest.mark.parametrize("stopped", [False, True])
def test_what_is_worked_out_is_what_the_quantities_say(group: str, stopped: bool) -> None:
    bench = Bench(group)
    if stopped:
        bench.device.submit({"stop": 1.0}, "test", "me", 0.0)
        bench.advance(2.0)
    assert bench.worked_out() == told(bench.device.readings())


@pytest.mark.parametrize("group", KINDS)
def test_a_stop_and_a_start_are_seen_under_way_until_the_step_that_takes_them(group: str) -> None:
    bench = Bench(group)
    seen = []
    for command in ("stop", "start"):
        bench.device.submit({command: 1.0}, "test", "me", 0.0)
        seen.append({name for name in UNDER_WAY if bench.worked_out()[name]})
        bench.advance(1.0)
        seen.append({name for name in UNDER_WAY if bench.worked_out()[name]})
    assert seen == [{"BI13"}, {"BI15", "BI21"}, {"BI12", "BI15", "BI21"}, set()]
