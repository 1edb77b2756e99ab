"""Clocks that are off, and not a step too long."""

from __future__ import annotations

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.protocols.iec60870.asdu import time_tag
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("drifting",):
        monkeypatch.setitem(registry.FAULTS, name, f"example_faults:{name.upper()}")


def run(farm: Farm, steps: int) -> None:
    for _ in range(steps):
        farm.step(1.0)


class Ear:
    """Keeps the times of what it hears."""

    def __init__(self) -> None:
        self.tags: list[bytes] = []
        self.times_ms: list[int] = []

    def changed(self, address: int, type_id: int, objects: dict[int, bytes]) -> None:
        self.tags += [data[-7:] for data in objects.values()]

    def stepped(self, unix_s: float) -> None: ...
    def analog_moved(self, point: object, value: int, flags: int, unix_ms: int) -> None:
        self.times_ms.append(unix_ms)

    def binary_moved(self, point: object, state: bool, flags: int, unix_ms: int) -> None:
        self.times_ms.append(unix_ms)


def test_a_clock_that_is_off_shows_in_the_time_tags_of_its_device_and_in_nothing_else() -> None:
    pilot = Pilot(load("tiny"))
    pilot.farm.faults.add(
        "drifting", {"group": "pv"}, parameters={"offset_s": 100.0, "drift_s_per_s": 0.5}, duration_s=5000
    )
    ears: dict[tuple[str, str, int], Ear] = {}
    for (group, name, viewpoint, *_), image in pilot.images:
        if hasattr(image.table, "listen"):
            ears[group, name, viewpoint] = ear = Ear()
            image.table.listen(0, ear, *([1] if name == "iec104" else []))
    for elapsed_s in (0.0, 900.0):
        pilot.step(900.0)
        now_s = pilot.farm.unix_s
        for (group, name, viewpoint), ear in ears.items():
            off_s = 100.0 + 0.5 * elapsed_s if group == "pv" and not viewpoint else 0.0
            if name == "iec104":
                assert set(ear.tags) == {time_tag(now_s + off_s)}, (group, viewpoint)
            else:
                assert set(ear.times_ms) == {round(1000.0 * (now_s + off_s))}, group
            ear.tags, ear.times_ms = [], []
    for _ in range(5):
        pilot.step(900.0)
    assert all(group.clocks == {} for group in pilot.farm.population)


@pytest.mark.parametrize("station", [False, True])
@pytest.mark.parametrize(("given", "behind_s"), [({}, [0.0, 900.0, 0.0]), ({"lag_s": 50.0}, [50.0, 50.0, 0.0])])
def test_a_stale_time_tag_stands_still_or_lags_while_the_clock_goes_right(
    given: dict[str, float], behind_s: list[float], station: bool
) -> None:
    """An RTU tags what it is told of all its devices by its own clock, which a target names as a station."""
    pilot = Pilot(load("tiny"))
    target = {"station": "rtu"} if station else {"group": "pv"}
    pilot.farm.faults.add("stale-time-tag", target, parameters=given, duration_s=1_800.0)
    ears: dict[tuple[str, str, int], Ear] = {}
    tables = {key[:3]: image.table for key, image in pilot.images if hasattr(image.table, "listen")}
    for key, table in tables.items():
        ears[key] = Ear()
        table.listen(0, ears[key], *([1] if key[1] == "iec104" else []))  # type: ignore[attr-defined]
    for lag_s in behind_s:
        pilot.step(900.0)
        now_s = pilot.farm.unix_s
        for (group, name, viewpoint), ear in ears.items():
            stale = bool(viewpoint) if station else group == "pv" and not viewpoint
            said_s = now_s - (lag_s if stale else 0.0)
            told: set[object] = {*(ear.tags if name == "iec104" else ear.times_ms)}
            assert told == {time_tag(said_s) if name == "iec104" else round(1000.0 * said_s)}, (group, name)
            assert tables[group, name, viewpoint].time_at(0) == now_s  # type: ignore[attr-defined]
            ear.tags, ear.times_ms = [], []
    assert all(group.clocks == {} for group in pilot.farm.population)


def test_without_such_a_fault_no_column_is_set_and_no_clock_is_off(farm: Farm) -> None:
    written = []
    farm.pools.put = lambda *column: written.append(column)  # type: ignore[method-assign]
    run(farm, 3)
    assert not written
    assert all(group.clocks == {} for group in farm.population)


def test_images_of_a_fresh_farm_have_no_clock_off() -> None:
    assert all(image.group.clocks == {} for _, image in Images(Farm(load("tiny"))))


def test_what_two_faults_do_to_a_clock_adds_up(farm: Farm) -> None:
    for offset_s in (5.0, -2.0):
        farm.faults.add("drifting", {"device": "storage-002"}, parameters={"offset_s": offset_s})
    run(farm, 1)
    (clock,) = farm.groups["storage"].clocks.values()
    assert clock is farm.device("storage-002").clock
    assert clock.off_s(farm.unix_s) == 3.0
