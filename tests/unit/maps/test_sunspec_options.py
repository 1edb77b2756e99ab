"""What a site file may say of SunSpec: where its models begin, how long the first is, and what a vain write meets."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from modbus_bench import Bench
from sunspec_bench import models, points

from pilotfarm.emulators import registry
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.plans.chains import Chains, Overlap, placed
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.listing import Wanted, point_rows

GROUP = "  all: {{kind: {kind}, count: 1, feeder: east, endpoints: [{{protocol: modbus, map: {map}{options}}}]}}\n"
REFUSED = b"\x90\x02"


def image(bench: Bench, base: int) -> bytes:
    (window,) = (w for w in bench.plan.units[0].windows if w.data.startswith(b"SunS"))
    length = len(window.data) // 2
    return b"".join(bench.registers(base + at, min(125, length - at)) for at in range(0, length, 125))


@pytest.mark.parametrize("common", [65, 66])
@pytest.mark.parametrize("base", [0, 40_000, 50_000])
@pytest.mark.parametrize("kind", ["battery", "pv_generator", "smart_meter"])
def test_models_are_found_at_their_base_with_a_first_one_of_its_length(kind: str, base: int, common: int) -> None:
    bench, plain = Bench(kind, sunspec_base=base, sunspec_common=common), Bench(kind)
    found, usual = image(bench, base), image(plain, 40_000)
    assert struct.unpack(">HH", found[4:8]) == (1, common)
    assert [model.model_id for _, model in models(found)] == [model.model_id for _, model in models(usual)]
    assert found[140 - 2 * (66 - common) :] == usual[140:]
    if base != 40_000:
        assert bench.ask(struct.pack(">BHH", 3, 40_000, 2)) == b"\x83\x02"
    serial = next(point for point in points(found) if point.key == "1.SN")
    assert serial.data.rstrip(b"\0").decode() == bench.device.id
    assert next(point for point in points(found) if point.key == "1.DA").value == 1


@pytest.mark.parametrize("base", [0, 40_000, 50_000])
def test_a_point_is_written_where_it_stands(base: int) -> None:
    bench = Bench("battery", sunspec_base=base, sunspec_common=65)
    point = next(point for point in points(image(bench, base)) if point.key == "704.WSet")
    assert len(bench.write(base + point.address, (-1_500).to_bytes(4, "big", signed=True))) == 5
    assert bench.device.told == [{"active_power_setpoint_w": -1_500.0}]


def test_a_client_with_fixed_addresses_finds_a_device_with_65_registers_at_40069() -> None:
    bench = Bench("pv_generator", sunspec_common=65)
    assert struct.unpack(">HH", bench.registers(40_069, 2)) == (103, 50)


def test_a_meter_whose_models_begin_at_0_is_no_eastron_meter() -> None:
    bench = Bench("smart_meter", sunspec_base=0)
    assert bench.registers(0, 2) == b"SunS"


def test_models_do_not_lie_over_registers_of_another_map() -> None:
    plan = registry.point_map("charx").plan(registry.device("ev_charger"))
    with pytest.raises(Overlap, match="at 0 would lie over registers 100 to 167"):
        placed(plan, Chains(0, 66))
    assert placed(plan, Chains(50_000, 66)).carried() == plan.carried()


@pytest.mark.parametrize("kind", ["battery", "pv_generator", "smart_meter"])
def test_models_alone_have_all_that_a_device_has(kind: str) -> None:
    plan = registry.maps_for("modbus", kind)[0].plan(registry.device(kind))
    assert placed(plan, Chains(0, 65)).carried() == plan.carried() == plan.quantities


def test_a_site_file_that_asks_for_it_is_told(make_layout: Callable[..., SiteLayout]) -> None:
    with pytest.raises(ConfigError, match=r"endpoints\[0\].options.*would lie over"):
        make_layout(GROUP.format(kind="ev_charger", map="charx", options=", options: {sunspec_base: 0}"))
    with pytest.raises(ConfigError, match=r"sunspec_base"):
        make_layout(GROUP.format(kind="battery", map="sunspec", options=", options: {sunspec_base: 30000}"))


def test_the_point_list_has_the_addresses_of_the_options(make_layout: Callable[..., SiteLayout]) -> None:
    def at(options: str) -> set[str]:
        layout = make_layout(GROUP.format(kind="battery", map="sunspec", options=options))
        rows = point_rows(layout)
        return {row["address"] for row in rows if row["quantity"] == "soc_frac" and row["access"] == "r"}

    usual = {int(address.split()[1]) for address in at("")}
    short = {int(address.split()[1]) for address in at(", options: {sunspec_base: 0, sunspec_common: 65}")}
    assert usual
    assert short == {address - 40_001 for address in usual}


def test_a_station_gives_its_options_to_the_points_of_its_devices(make_layout: Callable[..., SiteLayout]) -> None:
    groups = "  all: {kind: battery, count: 2, feeder: east, endpoints: [{protocol: modbus, station: gateway}]}\n"
    stations = "stations:\n  gateway: {protocol: modbus, options: {sunspec_base: 50000}}\n"
    addresses = [
        row["address"]
        for row in point_rows(make_layout(groups, stations=stations), Wanted("all-001"))
        if row["address"].startswith("register")
    ]
    assert addresses
    assert all(int(address.split()[1]) > 50_000 for address in addresses)


# ------------------------------------------------------------------------ writes to what is not there


def test_a_write_to_a_point_that_is_not_there_is_refused_or_ignored_by_option() -> None:
    """SunSpec: exception 2 by Device Information Model 1.1; older devices take it and forget it."""
    strict, lenient = Bench("battery"), Bench("battery", unimplemented_writes="ignore")
    found = points(image(strict, 40_000))
    gone = [p for p in found if not p.is_implemented and 40_000 + p.address in strict.plan.units[0].unimplemented]
    assert len(gone) > 100
    for point in gone:
        address, data = 40_000 + point.address, bytes(len(point.data))
        assert strict.write(address, data) == REFUSED, point.key
        assert len(lenient.write(address, data)) == 5, point.key
        assert lenient.registers(address, len(data) // 2) == point.data, "it is forgotten"
    assert lenient.device.told == []


def test_what_can_only_be_read_is_refused_all_the_same() -> None:
    bench = Bench("battery", unimplemented_writes="ignore")
    takes = bench.plan.units[0].writable
    for point in points(image(bench, 40_000)):
        if point.is_implemented and 40_000 + point.address not in takes:
            assert bench.write(40_000 + point.address, point.data) == REFUSED, point.key


def test_a_block_with_holes_is_taken_for_what_it_has() -> None:
    bench = Bench("battery", unimplemented_writes="ignore")
    found = {point.key: point for point in points(image(bench, 40_000))}
    assert not found["121.VMax"].is_implemented
    data = (2_310).to_bytes(2, "big") + bytes(2) + bytes(2)  # VRef, VRefOfs, VMax
    at = 40_000 + found["121.VRef"].address
    assert len(bench.write(at, data)) == 5
    assert bench.device.told == [{"voltage_setpoint_v": 231.0}]
    assert Bench("battery").write(at, data) == REFUSED


def test_outside_of_the_models_nothing_is_ignored() -> None:
    bench = Bench("smart_meter", unimplemented_writes="ignore")
    assert bench.write(39_999, b"\0\0") == REFUSED
    assert bench.write(40_000, b"\0\0") == REFUSED
