"""What a device has accepted is read at once, over every protocol; what it does about it shows after the step."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from test_images import read

from pilotfarm import profiles
from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.commands import given
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.quantities import CATALOGUE, Role, opposites, quantity
from pilotfarm.emulators.serving.images import Images, Viewpoint
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load

TINY = Path(profiles.__path__[0]) / "sites" / "tiny.yaml"


@pytest.fixture
def pilot(tmp_path: Path) -> Pilot:
    return pairs(tmp_path)


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    """A pilot for tests that start and stop its devices, and leave all else as it is."""
    return pairs(tmp_path_factory.mktemp("pairs"))


def pairs(folder: Path) -> Pilot:
    """Two devices of every kind, read over every protocol."""
    site = folder / "pairs.yaml"
    site.write_text(TINY.read_text(encoding="utf-8").replace("count: 1", "count: 2"), encoding="utf-8")
    pilot = Pilot(load(str(site)))
    for _ in range(2):
        pilot.step(1.0)
        read(pilot.images)
    return pilot


def settings(group: Group) -> list[str]:
    return [q.name for q in group.spec.quantities if q.role is Role.SETPOINT]


def another(group: Group, row: int, name: str) -> float:
    """A value that the device may be told and does not have."""
    low, high = group.bounds(name, row)
    low, high = max(low, -1e6), min(high, 1e6)
    now = float(group.reported[name][row])
    if quantity(name).is_binary:
        return 1.0 - now
    other = low + (0.25 if now > 0.5 * (low + high) else 0.75) * (high - low)
    return float(round(other)) if quantity(name).unit == "enum" else other


def made_anew(images: Images, unix_s: float, of: Group | None = None) -> dict[Viewpoint, list[bytes]]:
    """The rows of fresh tables, each made of what its image knows now; those of one group, or all."""
    addresses = {
        each.seat.device.id: each.seat.address
        for place in images.places
        for each in place.placed
        if each.way.station.protocol == "modbus"
    }
    rows = {}
    for key, image in images:
        if of not in (None, image.group):
            continue
        point_map, group = registry.point_map(key[1]), image.group
        table = registry.protocol(point_map.protocol).table(
            point_map.plan(group.spec), group.size, group.columns, key[3]
        )
        columns, quality = (
            (group.reported, group.quality) if image.known is None else (image.known.columns, image.known.quality)
        )
        for row, device in enumerate(group.layout.devices if point_map.protocol == "modbus" else ()):
            table.sign(row, device, addresses[device])  # type: ignore[attr-defined]
        table.refresh(columns, quality, unix_s)
        rows[key] = [bytes(table.row(row)) for row in range(group.size)]  # type: ignore[attr-defined]
    return rows


def test_every_set_point_is_reported_as_accepted_and_as_the_step_leaves_it(pilot: Pilot) -> None:
    farm, told = pilot.farm, {}
    for device in farm:
        for name in settings(device.group):
            value = another(device.group, device.row, name)
            if len(set(device.group.bounds(name, device.row))) == 1:
                continue
            device.submit({name: value}, "test", "me", 0.0)
            assert device.value(name) == device.readings()[name] == device.true_value(name) == value
            assert device.group.columns[name][device.row] != value, name
            told[device, name] = value
    assert len(told) > 120
    pilot.step(1.0)
    for (device, name), value in told.items():
        assert device.value(name) == device.true_value(name) == value


@pytest.mark.parametrize("read_between", [13])
def test_the_bytes_of_every_table_are_those_of_what_is_accepted(pilot: Pilot, read_between: int) -> None:
    farm, images = pilot.farm, pilot.images
    farm.faults.add("bias", {"quantity": "active_power_w"}, parameters={"offset": 7.0, "quality": "invalid"})
    farm.faults.add("stuck", {"quantity": "*_enabled", "group": "pv"}, parameters={"quality": "invalid"})
    farm.faults.add("offline", {"device": "*-001"})
    for n in range(2):
        pilot.step(1.0)
        assert any(image.known is not None and image.known.quality for _, image in images)
        moved = 0
        for device in farm:
            for k, name in enumerate(settings(device.group)):
                before = read(images) if k % read_between == n else None
                device.submit({name: another(device.group, device.row, name)}, "test", "me", 0.0)
                if before is not None:
                    after = read(images)
                    assert after == before | made_anew(images, farm.unix_s, device.group), (device.id, name)
                    moved += after != before
        assert moved > 10
        assert read(images) == made_anew(images, farm.unix_s)
    pilot.step(1.0)
    assert read(images) == made_anew(images, farm.unix_s)


def test_a_device_that_a_station_has_lost_shows_there_what_the_station_last_knew(pilot: Pilot) -> None:
    pilot.farm.faults.add("offline", {"device": "battery-001"})
    pilot.step(1.0)
    known = next(image.known for key, image in pilot.images if key[0] == "battery" and key[2])
    assert known is not None
    for device in ("battery-001", "battery-002"):
        pilot.farm.device(device).submit({"soc_max_frac": 0.77}, "test", "me", 0.0)
    assert known.columns["soc_max_frac"].tolist() == [pytest.approx(0.95), 0.77]


def test_what_a_fault_misreports_shows_after_the_step_as_the_fault_has_it(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    pilot.farm.faults.add("stuck", {"quantity": "soc_max_frac", "device": "battery-001"})
    pilot.step(1.0)
    before = battery.value("soc_max_frac")
    battery.submit({"soc_max_frac": 0.66}, "test", "me", 0.0)
    assert battery.value("soc_max_frac") == before
    pilot.step(1.0)
    assert battery.value("soc_max_frac") == before
    assert battery.true_value("soc_max_frac") == 0.66


# ---------------------------------------------------------------------------------- the last write


COMMANDS = [q for q in CATALOGUE.values() if q.role is Role.COMMAND]


def test_start_and_stop_are_the_commands_that_undo_each_other() -> None:
    assert {q.name: opposites(q) for q in COMMANDS if opposites(q)} == {"start": ("stop",), "stop": ("start",)}
    assert opposites(quantity("storage_stop")) == ("storage_start",)


@pytest.mark.parametrize("kind", ["charger", "battery", "pv", "meter", "home"])
@pytest.mark.parametrize("between", [False, True])
def test_the_last_of_start_and_stop_holds_whatever_came_before_it_in_the_step(
    steered: Pilot, kind: str, between: bool
) -> None:
    device, other = steered.farm.device(f"{kind}-002"), steered.farm.device(f"{kind}-001")
    for orders in product(("start", "stop"), repeat=3):
        for order in orders:
            device.submit({order: 1.0}, "test", "me", 0.0)
            assert device.value("started") == float(order == "start")
            if between:
                steered.step(1.0)
        steered.step(1.0)
        assert device.value("started") == device.value("running") == float(orders[-1] == "start")
        assert other.value("started") == 1.0


def test_a_stop_in_the_same_request_goes_before_a_start(pilot: Pilot) -> None:
    pilot.farm.device("battery-001").submit({"stop": 1.0, "start": 1.0}, "test", "me", 0.0)
    pilot.step(1.0)
    assert pilot.farm.device("battery-001").value("running") == 0.0


def test_a_command_that_is_not_given_takes_none_back(pilot: Pilot) -> None:
    """A contact that closes and opens again within a step."""
    battery = pilot.farm.device("battery-001")
    for value in (1.0, 0.0):
        battery.submit({"stop": value}, "test", "me", 0.0)
    pilot.step(1.0)
    assert battery.value("running") == 0.0
    battery.submit({"start": 0.0}, "test", "me", 0.0)
    assert battery.value("started") == 0.0
    assert given({"stop": 0.0, "grid_switch": 0.0}) == {"grid_switch": 0.0}


def test_a_start_that_the_device_does_not_follow_is_taken_back_by_the_step(tmp_path: Path) -> None:
    site = tmp_path / "refused.yaml"
    text = TINY.read_text(encoding="utf-8").replace(
        "kind: battery\n", "kind: battery\n    ratings: {invalid_credential: 1}\n"
    )
    site.write_text(text, encoding="utf-8")
    pilot = Pilot(load(str(site)))
    battery = pilot.farm.device("battery-001")
    before = read(pilot.images)
    battery.submit({"stop": 1.0}, "test", "me", 0.0)
    assert battery.value("started") == 0.0
    assert read(pilot.images) != before
    pilot.step(1.0)
    assert battery.value("started") == 1.0
    assert read(pilot.images) == made_anew(pilot.images, pilot.farm.unix_s)


def test_ten_thousand_writes_between_two_steps_are_read_back(pilot: Pilot) -> None:
    told, other = pilot.farm.device("battery-001"), pilot.farm.device("battery-002")
    for n in range(10_000):
        told.submit({"active_power_setpoint_w": float(n % 50)}, "test", "me", 0.0)
    assert told.value("active_power_setpoint_w") == 49.0
    assert other.value("active_power_setpoint_w") == 0.0
