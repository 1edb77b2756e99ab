"""When a fault grips its devices and lets go of them: ramps, spreads, counts, and one that is only tried."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_site import SITE

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import counts
from pilotfarm.emulators.contracts.way import Bites
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.fault import Course, Fault
from pilotfarm.emulators.links.filters import Counted, inward, outward
from pilotfarm.emulators.links.frames import FrameLink
from pilotfarm.emulators.links.pipe import Pipe
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

METERS = "  meters: {kind: smart_meter, count: 200, feeder: east, endpoints: [{protocol: modbus}]}\n"
POWER = {"quantity": "active_power_w"}


@pytest.fixture
def many(make_layout: Callable[..., SiteLayout]) -> Farm:
    return Farm(make_layout(METERS))


def gripped(farm: Farm) -> set[int]:
    return {row for _, row in farm.faults.on_the_way()}


# ---------------------------------------------------------------------------------- ramp and spread


def test_a_course_takes_and_leaves_every_device_at_a_time_of_its_own() -> None:
    keys = np.arange(1, 4_001, dtype=np.uint64)
    course = Course(duration_s=100.0, ramp_s=40.0, spread_s=20.0)
    share = {at: course.gripped(keys, 7, at).mean() for at in (0.0, 10.0, 20.0, 40.0, 99.9, 100.0, 105.0, 115.0, 120.0)}
    assert share[0.0] == 0.0
    assert share[10.0] == pytest.approx(0.25, abs=0.03)
    assert share[20.0] == pytest.approx(0.5, abs=0.03)
    assert share[40.0] == share[99.9] == 1.0
    assert share[105.0] == pytest.approx(0.75, abs=0.03)
    assert share[115.0] == pytest.approx(0.25, abs=0.03)
    assert share[120.0] == 0.0
    assert not np.array_equal(course.gripped(keys, 7, 20.0), course.gripped(keys, 8, 20.0))
    assert not np.array_equal(course.gripped(keys, 7, 20.0), ~course.gripped(keys, 7, 110.0))
    assert Course().gripped(keys, 7, 0.0).all()
    assert Course(duration_s=5.0).gripped(keys, 7, 4.9).all()


@pytest.mark.parametrize("kind", ["offline", "latency", "silence"])
def test_devices_are_taken_one_after_the_other_and_come_back_so(many: Farm, kind: str) -> None:
    fault = many.faults.add(kind, parameters=registry.fault(kind).example, duration_s=30.0, ramp_s=10.0, spread_s=10.0)
    sizes, sets, states = [], [], []
    for _ in range(45):
        many.step(1.0)
        sets.append(gripped(many))
        sizes.append(len(sets[-1]))
        states.append(fault.state)
    assert len(fault.hit) == 200
    assert sizes[10:30] == [200] * 20
    assert sizes[40:] == [0] * 5
    assert sizes[:11] == sorted(sizes[:11])
    assert sizes[30:41] == sorted(sizes[30:41], reverse=True)
    assert all(sizes[n] < sizes[n + 1] for n in range(10))
    assert all(one <= other for one, other in pairwise(sets[:11]))
    assert states == ["active"] * 40 + ["ended"] * 5


def test_one_that_is_cleared_leaves_all_devices_at_once(many: Farm) -> None:
    fault = many.faults.add("offline", duration_s=5.0, spread_s=100.0)
    for _ in range(8):
        many.step(1.0)
    assert 0 < len(gripped(many)) < 200
    many.faults.clear(fault.id)
    many.step(1.0)
    assert gripped(many) == set()


def test_one_that_is_cleared_moves_nobody_any_more(many: Farm) -> None:
    fault = many.faults.add("offline", ramp_s=20.0)
    for _ in range(5):
        many.step(1.0)
    many.faults.clear(fault.id)
    many.step(1.0)
    revision = many.faults.revision
    many.step(10.0)
    assert many.faults.revision == revision


@pytest.mark.parametrize("ramp_s", [0.0, 3.0])
@pytest.mark.parametrize(("duration_s", "spread_s"), [(None, 0.0), (3.0, 0.0), (6.0, 2.0), (6.0, 0.0)])
def test_a_course_rests_where_no_device_is_taken_or_left(
    ramp_s: float, duration_s: float | None, spread_s: float
) -> None:
    course = Course(duration_s, ramp_s, spread_s)
    keys = np.arange(1, 2_001, dtype=np.uint64)
    for since_s, until_s in pairwise(np.arange(-1.0, 12.0, 0.5).tolist()):
        moves = not np.array_equal(course.gripped(keys, 7, since_s), course.gripped(keys, 7, until_s))
        assert not (course.rests(since_s, until_s) and moves)
    assert course.rests(ramp_s, (duration_s or 100.0) - 0.001)
    assert not course.rests(ramp_s - 0.001, ramp_s)


def test_who_moves_alone_moves_the_revision(many: Farm) -> None:
    many.faults.add("offline", duration_s=5.0, ramp_s=2.0)
    revisions = []
    for _ in range(8):
        many.step(1.0)
        revisions.append(many.faults.revision)
    # It begins, takes devices in two more steps, and ends; a step that moves nobody is none.
    assert len(set(revisions)) == 4
    assert revisions[2] == revisions[4]


@pytest.mark.parametrize(
    ("kind", "parameters", "whole"),
    [("bias", {"offset": 1_000.0}, 1_000.0), ("bias", {"factor": 1.0, "offset": -50.0}, -50.0)],
)
def test_a_wrong_value_goes_evenly_from_right_to_wrong(
    many: Farm, kind: str, parameters: dict[str, float], whole: float
) -> None:
    many.faults.add(kind, POWER, parameters=parameters, ramp_s=4.0)
    device = many.device("meters-001")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0, 1.0):
        many.step(1.0)
        assert device.value("active_power_w") - device.true_value("active_power_w") == pytest.approx(share * whole)


def test_what_stands_still_by_a_ramp_leaves_what_is_below_it_in_sight(many: Farm) -> None:
    many.faults.add("bias", POWER, parameters={"offset": 100.0})
    many.faults.add("stuck", POWER, parameters={"value": -9_000.0}, ramp_s=2.0)
    many.faults.add("bias", POWER, parameters={"offset": 7.0}, ramp_s=2.0)
    device = many.device("meters-001")
    for share in (0.0, 0.5, 1.0):
        many.step(1.0)
        below = device.true_value("active_power_w") + 100.0
        stuck = (1.0 - share) * below + share * -9_000.0
        assert device.value("active_power_w") == pytest.approx(stuck + share * 7.0)


def test_two_ramps_of_one_kind_add(many: Farm) -> None:
    many.faults.add("bias", POWER, parameters={"offset": 100.0}, ramp_s=2.0)
    many.faults.add("bias", POWER, parameters={"offset": 10.0}, ramp_s=4.0)
    many.faults.add("bias", POWER, parameters={"offset": 1.0})
    device = many.device("meters-001")
    for whole in (1.0, 53.5, 106.0, 108.5, 111.0):
        many.step(1.0)
        assert device.value("active_power_w") - device.true_value("active_power_w") == pytest.approx(whole - 0.0)


def test_a_clock_goes_evenly_from_right_to_wrong(many: Farm) -> None:
    many.faults.add("clock-step", {"device": "meters-001"}, parameters={"step_s": 8.0}, ramp_s=4.0)
    for off_s in (0.0, 2.0, 4.0, 6.0, 8.0, 8.0):
        many.step(1.0)
        assert many.device("meters-001").clock.off_s(many.unix_s) == pytest.approx(off_s)


@pytest.mark.parametrize("ramp_s", [0.0, 8.0])
def test_a_sag_grows_evenly_and_an_outage_is_whole_at_once(farm: Farm, ramp_s: float) -> None:
    device = farm.device("meters-001")
    whole_v = device.true_value("voltage_l1_v")
    sag = farm.faults.add("voltage-sag", parameters={"voltage_pu": 0.6}, ramp_s=ramp_s)
    found = []
    for _ in range(12):
        farm.step(1.0)
        found.append(device.true_value("voltage_l1_v") / whole_v)
    shares = [min(n / ramp_s, 1.0) if ramp_s else 1.0 for n in range(12)]
    assert found == pytest.approx([1.0 - 0.4 * share for share in shares], abs=0.01)
    farm.faults.clear(sag.id)
    farm.faults.add("outage", ramp_s=ramp_s)
    for _ in range(2):
        farm.step(1.0)
    assert device.true_value("voltage_l1_v") == 0.0


# ------------------------------------------------------------------------------------------ count


class Refusing:
    """Answers every question in the device's place, and spoils every second answer."""

    told = 0

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return (None, b"no") if message == b"ask" else (message, None)

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        self.told += 1
        return message + b"!" if self.told % 2 else message


def test_a_filter_bites_when_a_message_is_another_one_and_lets_all_pass_when_it_is_spent() -> None:
    bites = Bites(max=3)
    filters = (Counted(Refusing(), bites),)
    assert inward(filters, b"hello", 0.0) == (b"hello", None)
    assert bites.count == 0
    assert inward(filters, b"ask", 0.0) == (None, b"no")
    assert bites.count == 1
    assert [outward(filters, b"x", 0.0) for _ in range(5)] == [b"x!", b"x", b"x!", b"x", b"x"]
    assert (bites.count, bites.spent) == (3, True)
    assert inward(filters, b"ask", 0.0) == (b"ask", None)
    assert bites.count == 3


class Engine:
    """Says back what it hears."""

    closed = False

    def __init__(self) -> None:
        self.said = b""

    def receive(self, data: bytes, now_s: float) -> None:
        self.said += data

    def advance(self, now_s: float) -> None: ...

    def deadline_s(self) -> float | None:
        return None

    def take_output(self) -> bytes:
        said, self.said = self.said, b""
        return said

    def hang_up(self, now_s: float) -> None: ...


class Shouting(FrameLink):
    """Puts frames of one octet in capitals, either way."""

    def inward(self, frame: bytes) -> bytes:
        return frame.replace(b"a", b"A")

    def outward(self, frame: bytes) -> bytes:
        return frame.replace(b"b", b"B")


def test_a_link_of_frames_bites_with_every_frame_that_it_changes() -> None:
    link = Shouting(Engine(), lambda data: 1, 0.0, hears=True)
    link.bites = bites = Bites(max=3)
    link.receive(b"xab", 0.0)
    assert bites.count == 1
    assert link.take_output() == b"xAB"
    assert bites.count == 2
    link.receive(b"aab", 0.0)
    assert link.take_output() == b"Aab"
    assert bites.count == 3


def test_a_link_that_takes_time_bites_with_every_piece_that_it_holds() -> None:
    pipe = delayed()
    pipe.receive(b"abcde", 0.0)
    assert pipe.bites.count == 3
    pipe.let_go(0.0)
    assert pipe.take_output() == b"abcde"
    pipe.receive(b"fgh", 0.0)
    assert pipe.bites.count == 3


def delayed() -> Pipe:
    """A pipe that holds what goes to the master, in pieces of two octets."""
    spec: Any = registry.fault("sliced")
    link = spec.wrap(Engine(), "", spec.parameters(piece_octets=2, gap_s=1.0, direction="to_master"), 1, 0.0)
    assert isinstance(link, Pipe)
    return link


def asked(pilot: Pilot, times: int) -> list[int]:
    """The function codes that a meter answers with to as many reads."""
    engine = pilot.images.places[0].station.connect("a master", 0.0)
    found = []
    for _ in range(times):
        engine.receive(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 40_000, 2), 0.0)
        found.append(engine.take_output()[7])
    return found


def test_a_fault_ends_after_so_many_messages_and_not_one_more(make_layout: Callable[..., SiteLayout]) -> None:
    pilot = Pilot(make_layout(METERS))
    fault = pilot.farm.faults.add("modbus-exception", count=3)
    assert asked(pilot, 2) == [3, 3]
    pilot.step(1.0)
    assert asked(pilot, 2) == [0x83, 0x83]
    pilot.step(1.0)
    assert (fault.state, fault.bites.count) == ("active", 2)
    assert asked(pilot, 3) == [0x83, 3, 3]
    pilot.step(1.0)
    assert (fault.state, fault.bites.count) == ("ended", 3)
    assert pilot.farm.faults.on_the_way() == {}


def test_who_can_be_counted_is_told_by_the_kind(many: Farm) -> None:
    for kind in registry.FAULTS:
        spec = registry.fault(kind)
        if not counts(spec):
            with pytest.raises(ConfigError, match=r"count: .* does not act on single messages"):
                many.faults.add(kind, POWER, parameters=spec.example, count=5)
    assert counts(registry.fault("silence"))
    assert counts(registry.fault("modbus-answer"))
    assert not counts(registry.fault("latency"))
    assert not counts(registry.fault("offline"))
    assert not counts(registry.fault("iec104-flood"))


# ------------------------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("kind", "course", "text"),
    [
        ("offline", {"ramp_s": -1.0}, "ramp_s: must be 0 or a positive number"),
        ("offline", {"ramp_s": float("nan")}, "ramp_s: must be 0 or a positive number"),
        ("offline", {"duration_s": 5.0, "spread_s": float("inf")}, "spread_s: must be 0 or a positive number"),
        ("offline", {"spread_s": 5.0}, "spread_s: needs a duration_s"),
        ("silence", {"count": 0}, "count: must be 1 or more"),
        ("bias", {"duration_s": 5.0, "spread_s": 5.0}, "spread_s: a bias fault ends at once"),
    ],
)
def test_a_course_that_cannot_be_is_refused(many: Farm, kind: str, course: dict[str, Any], text: str) -> None:
    target = POWER if kind == "bias" else {}
    with pytest.raises(ConfigError) as refused:
        many.faults.add(kind, target, **course)
    assert text in str(refused.value)
    assert list(many.faults) == []


# ------------------------------------------------------------------------------------------ dry run


def test_one_that_is_tried_names_whom_the_next_would_hit_and_is_nowhere(many: Farm) -> None:
    def ask(**more: bool) -> Fault:
        return many.faults.add("offline", {"pick": "10 %"}, duration_s=5.0, **more)

    tried = ask(dry_run=True)
    assert list(many.faults) == []
    many.step(1.0)
    assert gripped(many) == set()
    assert ask(dry_run=True).hit == tried.hit == ask().hit
    assert ask(dry_run=True).hit != tried.hit
    with pytest.raises(ConfigError, match="ofline is not known"):
        many.faults.add("ofline", dry_run=True)


# ------------------------------------------------------------------------------------ branch and phase

STREET = """\
  homes: {kind: smart_meter, count: 60, feeder: street, ratings: {phases: 1}}
  shops: {kind: smart_meter, count: 5, feeder: street}
  barns: {kind: smart_meter, count: 3, feeder: east}
"""


@pytest.fixture
def street(tmp_path: Path) -> Farm:
    """Sixty homes of one phase and five shops of three in a street of three branches, and barns without any."""
    path = tmp_path / "street.yaml"
    site = SITE.replace("groups:", "  street: {{branches: 3}}\ngroups:")
    path.write_text(site.format(seed=1, groups=STREET), encoding="utf-8")
    return Farm(load(str(path)))


def test_every_device_of_a_network_is_on_one_branch(street: Farm) -> None:
    found = [set(street.faults.add("offline", {"branch": f"street/{n}"}, dry_run=True).hit) for n in (1, 2, 3)]
    assert sum(map(len, found)) == len(set().union(*found)) == 65
    assert all(len(each) > 10 for each in found)
    both = street.faults.add("offline", {"branch": ["street/1", "street/3"]}, dry_run=True).hit
    assert set(both) == found[0] | found[2]
    opened = street.faults.add("outage", {"branch": "street/2"}, "branch")
    assert set(opened.hit) == found[1]


def test_a_device_of_one_phase_is_on_that_and_one_of_three_on_all(street: Farm) -> None:
    feeder = {"feeder": "street"}
    found = [set(street.faults.add("offline", {**feeder, "phase": f"L{n}"}, dry_run=True).hit) for n in (1, 2, 3)]
    shops = {f"shops-00{n}" for n in range(1, 6)}
    assert found[0] & found[1] == found[0] & found[2] == found[1] & found[2] == shops
    assert len(set().union(*found)) == 65
    homes = street.groups["homes"]
    for number, each in enumerate(found):
        assert {f"homes-{row + 1:03}" for row in np.flatnonzero(homes.columns["phase"] == number)} == each - shops
        assert len(each) > 10


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"branch": "street/4"}, "target.branch: street/4 is not known; known are street/1"),
        ({"branch": "street/0"}, "target.branch: street/0 is not known"),
        ({"branch": "east/1"}, "target.branch: east/1 is not known"),
        ({"phase": "L4"}, "target.phase: L4 is not known; known are L1, L2, L3"),
        ({"phase": "L2", "group": "barns", "branch": "street/1"}, "no device matches the target"),
    ],
)
def test_a_branch_or_phase_that_is_not_there_is_refused(street: Farm, target: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        street.faults.add("offline", target)
    assert text in str(refused.value)
