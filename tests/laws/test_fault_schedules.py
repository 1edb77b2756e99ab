"""Any faults at any times: once they have ended or are cleared, the farm is one that never had them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_images import read

from pilotfarm import profiles
from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import DeviceFault, GridFault, MeasurementFault, Override, counts, spreads
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.fault import ENDED
from pilotfarm.emulators.serving.images import Viewpoint
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load

TINY = str(Path(profiles.__path__[0]) / "sites" / "tiny.yaml")
STEPS = 8
AFTER = 3
"""Steps after the last fault: what a step has left of one is gone in the next."""

seconds = st.integers(0, STEPS).map(float)
places = st.sampled_from(
    [
        {},
        {"device": "*-001"},
        {"kind": ["battery", "smart_meter"]},
        {"phase": "L1"},
        {"protocol": "iec104"},
        {"pick": 2},
    ]
)


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """Some fault that a farm may be asked for; whether it can have it is for the farm to say."""
    spec = registry.fault(draw(st.sampled_from(list(registry.FAULTS))))
    measures = isinstance(spec, MeasurementFault)
    wish: dict[str, Any] = {
        "kind": spec.kind,
        "target": {} if isinstance(spec, GridFault) and spec.everywhere else dict(draw(places)),
        "mode": draw(st.sampled_from(spec.modes)) if spec.modes else None,
        "parameters": dict(spec.example),
        "start_s": 1.0 + draw(seconds),
        "duration_s": draw(st.none() | st.integers(1, STEPS).map(float)),
    }
    if measures and (not spec.by_phase or draw(st.booleans())):
        wish["target"]["quantity"] = draw(st.sampled_from(["active_power_w", "*_v", "*", "energy_*"]))
    if not isinstance(spec, DeviceFault):
        wish["ramp_s"] = draw(seconds)
    if spreads(spec) and wish["duration_s"] is not None:
        wish["spread_s"] = draw(seconds)
    if counts(spec):
        wish["count"] = draw(st.none() | st.integers(1, 3))
    return wish


def moves_physics(kind: str) -> bool:
    return isinstance(registry.fault(kind), DeviceFault | GridFault | Override)


@cache
def calm() -> dict[Viewpoint, list[bytes]]:
    """What masters read of a farm that never had a fault."""
    pilot = Pilot(load(TINY))
    for _ in range(STEPS + AFTER):
        pilot.step(1.0)
    return read(pilot.images)


def put(farm: Farm, wish: dict[str, Any]) -> bool:
    """Put a fault on the farm if it can have it."""
    try:
        farm.faults.add(**wish)
    except ConfigError:
        return False
    return True


@settings(max_examples=12, phases=[Phase.generate], deadline=None)
@given(st.lists(wishes(), min_size=1, max_size=6), st.integers(0, STEPS))
def test_a_farm_whose_faults_are_over_is_one_that_never_had_them(asked: list[dict[str, Any]], cleared_at: int) -> None:
    pilot = Pilot(load(TINY))
    farm = pilot.farm
    taken = [wish for wish in asked if put(farm, wish)]
    for step in range(STEPS):
        if step == cleared_at:
            for fault in [each for each in farm.faults if each.state != ENDED][:1]:
                farm.faults.clear(fault.id)
        pilot.step(1.0)
        read(pilot.images)
    farm.faults.clear_all()
    for _ in range(AFTER):
        pilot.step(1.0)
    assert {fault.state for fault in farm.faults} <= {ENDED}
    for place in pilot.images.places:
        assert not place.station.filtered
        assert all(each.seat.reachable and each.seat.filters == () for each in place.placed)
    for listener in pilot.server._listeners:
        assert (listener.admission, listener.links) == (Admission.OPEN, {})
    for group in farm.groups.values():
        assert group.reported is group.columns
        assert group.quality == {}
        assert {row for row, clock in group.clocks.items() if clock.off_s(farm.unix_s)} == set()
    assert farm.world.changes == {}
    assert (farm.faults.lost_generation_w, farm.faults.frequency_offset_hz) == (0.0, 0.0)
    if not any(moves_physics(wish["kind"]) for wish in taken):
        assert read(pilot.images) == calm()
