"""Which fault holds where two meet: what docs/faults.md says under that heading, in both orders of their ids.

Measured values have laws of their own (``test_folded_faults``), and so have disturbances of the grid.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

METERS = "  meters: {kind: smart_meter, count: 2, feeder: west, endpoints: [{protocol: modbus}]}\n"
READ = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 40_000, 2)
ANSWER = struct.pack(">HHHBBB", 7, 0, 7, 1, 3, 4) + b"SunS"


@pytest.fixture
def pilot(make_layout: Callable[..., SiteLayout]) -> Pilot:
    return Pilot(make_layout(METERS))


def answered(pilot: Pilot) -> bytes:
    """What the first meter answers to a read, through what faults put around a new connection."""
    engine = pilot.images.places[0].station.connect("a master", 0.0)
    for wrap in pilot.server._listeners[0].links.values():
        engine = wrap(engine, 1, 0.0)
    engine.receive(READ, 0.0)
    engine.advance(0.0)
    return engine.take_output()


def test_clocks_are_off_by_what_all_put_them_off(farm: Farm) -> None:
    for step_s in (30.0, -4.0):
        farm.faults.add("clock-step", {"device": "meters-001"}, parameters={"step_s": step_s})
    farm.step(1.0)
    assert farm.device("meters-001").clock.off_s(farm.unix_s) == pytest.approx(26.0)
    farm.faults.clear(1)
    farm.step(1.0)
    assert farm.device("meters-001").clock.off_s(farm.unix_s) == pytest.approx(-4.0)


@pytest.mark.parametrize("modes", [("refuse", "cut"), ("cut", "refuse")])
def test_of_two_that_admit_nobody_the_stricter_one_holds(pilot: Pilot, modes: tuple[str, str]) -> None:
    cut = [pilot.farm.faults.add("offline", mode=mode) for mode in modes][modes.index("cut")]
    pilot.step(1.0)
    listener = pilot.server._listeners[0]
    assert listener.admission is Admission.RESET > Admission.REFUSE
    pilot.farm.faults.clear(cut.id)
    pilot.step(1.0)
    assert listener.admission is Admission.REFUSE


def test_of_two_links_the_first_is_nearer_to_the_device(pilot: Pilot) -> None:
    faults = pilot.farm.faults
    for mode in ("truncated", "transaction"):
        faults.add("modbus-answer", mode=mode, parameters={"share_frac": 1.0})
    pilot.step(1.0)
    # The first cuts the answer short, and the second waits for the rest of the frame.
    assert answered(pilot) == b""
    faults.clear_all()
    for mode in ("transaction", "truncated"):
        faults.add("modbus-answer", mode=mode, parameters={"share_frac": 1.0})
    pilot.step(1.0)
    assert answered(pilot) == bytes((ANSWER[0] ^ 0x80,)) + ANSWER[1:10]


@pytest.mark.parametrize("exception_first", [True, False])
def test_a_request_meets_the_later_of_two_filters_first(pilot: Pilot, exception_first: bool) -> None:
    kinds = ["modbus-exception", "silence"]
    found = {}
    for kind in kinds if exception_first else kinds[::-1]:
        found[kind] = pilot.farm.faults.add(kind, parameters=registry.fault(kind).example if kind != "silence" else {})
    pilot.step(1.0)
    assert (answered(pilot) == b"") is exception_first
    assert [fault.bites.count for fault in found.values()] == [0, 1]


def test_an_answer_is_kept_by_either_of_two_filters(pilot: Pilot) -> None:
    kept = pilot.farm.faults.add("silence", mode="unanswered")
    passed = pilot.farm.faults.add("silence", mode="unanswered")
    pilot.step(1.0)
    assert answered(pilot) == b""
    assert (kept.bites.count, passed.bites.count) == (1, 0)


def test_a_filter_stands_inside_of_a_link(pilot: Pilot) -> None:
    pilot.farm.faults.add("modbus-answer", mode="transaction", parameters={"share_frac": 1.0})
    pilot.farm.faults.add("modbus-exception")
    pilot.step(1.0)
    told = answered(pilot)
    assert told[0] == 0x80
    assert told[7] == 0x83


def test_what_is_measured_wrong_is_told_wrong_by_a_device_that_fails_to_answer_right(pilot: Pilot) -> None:
    """Measurement comes before protocol: an exception has no value in it, and the ledger's reported one is wrong."""
    pilot.farm.faults.add("modbus-exception")
    pilot.farm.faults.add("stuck", {"quantity": "active_power_w"}, parameters={"value": 5.0})
    pilot.step(1.0)
    assert answered(pilot)[7] == 0x83
    assert pilot.farm.device("meters-001").value("active_power_w") == 5.0


@pytest.mark.parametrize(
    ("modes", "met"),
    [
        (("silent", "silent"), Admission.SILENT),
        (("silent", "refuse"), Admission.REFUSE),
        (("silent", None), Admission.REFUSE_NEW),
        (("cut", None), Admission.REFUSE_NEW),
    ],
)
def test_masters_of_a_gateway_stay_while_one_device_lets_them(
    make_layout: Callable[..., SiteLayout], modes: tuple[str | None, ...], met: Admission
) -> None:
    behind = METERS.replace("{protocol: modbus}", "{protocol: modbus, station: gateway}")
    pilot = Pilot(make_layout(behind, stations="stations: {gateway: {protocol: modbus}}\n"))
    for device, mode in zip(("meters-001", "meters-002"), modes, strict=True):
        pilot.farm.faults.add("offline" if mode else "refused", {"device": device}, mode)
    pilot.step(1.0)
    listener = pilot.server._listeners[0]
    assert listener.admission is met
    assert len(listener.links) == (met is Admission.SILENT)
