"""What a site file comes to: addresses, ratings, times, and the sites that are built in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml

from pilotfarm import profiles
from pilotfarm.emulators import registry, site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.site import Addressing
from pilotfarm.emulators.site.distributions import VALUE, sample, support
from pilotfarm.emulators.site.layout import SerialEndpoint, SiteLayout
from pilotfarm.emulators.site.listing import endpoint_rows
from pilotfarm.profiles import draws, requirements

HEAD = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
feeders:
  near: {nominal_voltage_v: 240, resistance_ohm: 0.1, reactance_ohm: 0.05}
"""
GROUPS = """\
groups:
  homes:
    kind: smart_meter
    count: 3
    ratings: {annual_energy_wh: {uniform: [1_000_000, 9_000_000]}}
    endpoints: [{protocol: modbus}, {protocol: dnp3}, {protocol: iec104, station: rtu}]
  flats:
    kind: smart_meter
    count: 2
    ratings: {main_fuse_a: 40}
    endpoints: [{protocol: iec104, station: rtu}]
stations:
  rtu: {protocol: iec104}
"""


def load(tmp_path: Path, text: str, addressing: Addressing | None = None, **overrides) -> SiteLayout:
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    return site.load(str(file), addressing, **overrides)


def places(layout: SiteLayout) -> list[tuple[str, int]]:
    return [(endpoint.host, endpoint.port) for endpoint in (station.endpoint for station in layout.stations)]


# --------------------------------------------------------------------------------- built-in sites


@pytest.mark.parametrize("name", profiles.names())
def test_a_built_in_site_loads_and_its_addresses_are_all_different(name):
    layout = site.load(name)
    assert layout.name == name
    assert layout.title
    assert len(set(places(layout))) == len(layout.stations)
    seats = [(station.name, seat.address) for station in layout.stations for seat in station.seats if station.name]
    assert len(set(seats)) == len(seats)
    assert all(IPv4Address(host).is_loopback and port >= 1024 for host, port in places(layout))


@pytest.mark.parametrize("name", profiles.names())
def test_every_device_of_a_built_in_site_can_be_reached(name):
    layout = site.load(name)
    assert {row["device"] for row in endpoint_rows(layout)} == {
        device for group in layout.groups for device in group.devices
    }


@pytest.mark.parametrize("name", profiles.names())
def test_a_built_in_site_fits_on_ports_of_one_address(name):
    layout = site.load(name, Addressing(ports_from=20_000))
    assert sorted(places(layout)) == [("127.0.0.1", 20_000 + i) for i in range(len(layout.stations))]


@pytest.fixture(scope="module")
def schema():
    made = site.json_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return made


@pytest.mark.parametrize("name", profiles.names())
def test_a_built_in_site_satisfies_the_schema(name, schema):
    data = yaml.load(profiles.site(name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    data = _typed(data)
    jsonschema.Draft202012Validator(schema).validate(data)


def _typed(value):
    """Numbers and truths out of words, which is all the schema needs of YAML's types here."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def test_tiny_has_one_device_of_each_use_case_over_every_protocol():
    layout = site.load("tiny")
    assert sorted(group.kind for group in layout.groups) == sorted(case.kind for case in requirements.use_cases())
    for group in layout.groups:
        over_tcp = set(registry.PROTOCOLS) - {"iec101"}  # which belongs on a line
        assert {served.protocol for served in group.served} == over_tcp
        assert len(group.devices) == 1


@pytest.mark.parametrize(("wrong", "right"), [("smart_metre", "smart_meter"), ("modbas", "modbus")])
def test_the_schema_refuses_what_the_loader_refuses(wrong, right):
    data = _typed(yaml.load(HEAD + GROUPS, Loader=yaml.BaseLoader))
    validator = jsonschema.Draft202012Validator(site.json_schema())
    assert validator.is_valid(data)
    assert not validator.is_valid(_typed(yaml.load((HEAD + GROUPS).replace(right, wrong), Loader=yaml.BaseLoader)))
    data["groups"]["homes"]["ratings"]["main_fuse"] = 3
    assert not validator.is_valid(data)


# -------------------------------------------------------------------------------------- addresses


def test_every_group_has_a_block_of_loopback_addresses_and_every_protocol_its_port(tmp_path):
    layout = load(tmp_path, HEAD + GROUPS)
    own = [place for place, station in zip(places(layout), layout.stations, strict=True) if not station.name]
    assert own == [(f"127.1.0.{i}", port) for port in (1502, 20_000) for i in (1, 2, 3)]
    assert places(layout)[0] == ("127.0.1.1", 2404)


def test_addresses_of_the_file_are_counted_up(tmp_path):
    text = (HEAD + GROUPS).replace("{protocol: modbus}", "{protocol: modbus, ip: 127.9.0.254, port: 5020}")
    text = text.replace("{protocol: dnp3}", "{protocol: dnp3, port: 7000, address: 33}")
    rows = [row for row in endpoint_rows(load(tmp_path, text)) if row["station"] is None]
    assert [(row["host"], row["port"]) for row in rows] == [
        ("127.9.0.254", 5020),
        ("127.9.0.255", 5020),
        ("127.9.1.0", 5020),
        ("127.0.0.1", 7000),
        ("127.0.0.1", 7001),
        ("127.0.0.1", 7002),
    ]
    assert [row["link_address"] for row in rows[3:]] == [33, 33, 33]


def test_a_network_gives_every_device_one_address_for_all_its_protocols(tmp_path):
    layout = load(tmp_path, HEAD + GROUPS, Addressing(network=IPv4Network("127.8.0.0/29")))
    assert places(layout) == [
        ("127.8.0.1", 2404),
        *((f"127.8.0.{i}", port) for port in (1502, 20_000) for i in (2, 3, 4)),
    ]


def test_a_network_too_small_is_a_problem(tmp_path):
    with pytest.raises(ConfigError, match=r"needs 4 addresses, and 127\.8\.0\.0/30 has 2"):
        load(tmp_path, HEAD + GROUPS, Addressing(network=IPv4Network("127.8.0.0/30")))


def test_ports_that_run_out_are_a_problem(tmp_path):
    with pytest.raises(ConfigError, match="needs 7 ports, and from 65530 there are 6"):
        load(tmp_path, HEAD + GROUPS, Addressing(ports_from=65_530))


def test_common_addresses_count_up_over_the_groups_at_a_station(tmp_path):
    rows = [row for row in endpoint_rows(load(tmp_path, HEAD + GROUPS)) if row["station"] == "rtu"]
    assert [(row["device"], row["common_address"]) for row in rows] == [
        ("homes-001", 1),
        ("homes-002", 2),
        ("homes-003", 3),
        ("flats-001", 4),
        ("flats-002", 5),
    ]


def test_a_prosumer_takes_five_unit_ids_at_a_gateway(tmp_path):
    text = """\
groups:
  homes: {kind: prosumer, count: 2, endpoints: [{protocol: modbus, station: gateway}]}
  meters: {kind: smart_meter, count: 2, endpoints: [{protocol: modbus, station: gateway}]}
stations:
  gateway: {protocol: modbus, host: 127.0.2.1, port: 5020}
"""
    rows = endpoint_rows(load(tmp_path, HEAD + text))
    assert [row["unit"] for row in rows] == [1, 6, 11, 12]
    assert {(row["host"], row["port"], row["station"]) for row in rows} == {("127.0.2.1", 5020, "gateway")}


def test_a_serial_endpoint_is_listed_with_its_line_settings(tmp_path):
    layout = load(tmp_path, HEAD + GROUPS)
    line = SerialEndpoint("/dev/ttyUSB0", 19_200, "even", 8, 1)
    on_line = replace(layout.stations[0], endpoint=line)
    tcp = endpoint_rows(layout)[0]
    serial = endpoint_rows(replace(layout, stations=(on_line, *layout.stations[1:])))[0]
    assert (line.label, layout.stations[0].endpoint.label) == ("/dev/ttyUSB0", "127.0.1.1:2404")
    assert serial["serial"] == {
        "device": "/dev/ttyUSB0",
        "baud_rate": 19_200,
        "parity": "even",
        "data_bits": 8,
        "stop_bits": 1,
    }
    assert set(serial) ^ set(tcp) == {"serial", "host", "port"}


def test_an_endpoint_row_has_the_promised_keys(tmp_path):
    row = endpoint_rows(load(tmp_path, HEAD + GROUPS))[0]
    assert row == {
        "device": "homes-001",
        "kind": "smart_meter",
        "site": "street",
        "protocol": "iec104",
        "map": "iec104",
        "medium": "none",
        "host": "127.0.1.1",
        "port": 2404,
        "common_address": 1,
        "station": "rtu",
    }


def test_off_the_loopback_only_when_the_file_says_so(tmp_path):
    text = (HEAD + GROUPS).replace("{protocol: modbus}", "{protocol: modbus, ip: 10.1.0.1}")
    with pytest.raises(ConfigError, match="off_loopback"):
        load(tmp_path, text)
    assert ("10.1.0.3", 1502) in places(load(tmp_path, text + "off_loopback: true\n"))


# ---------------------------------------------------------------------------------- time and place


def test_a_start_without_an_offset_is_local_time(tmp_path):
    layout = load(tmp_path, HEAD + GROUPS + "start: 2026-01-15T06:00\n")
    assert layout.start.astimezone(UTC) == datetime(2026, 1, 15, 5, 0, tzinfo=UTC)


def test_a_start_with_an_offset_is_that_instant(tmp_path):
    layout = load(tmp_path, HEAD + GROUPS + "start: 2026-01-15T06:00:00Z\n")
    assert layout.start == datetime(2026, 1, 15, 6, 0, tzinfo=UTC)


def test_a_site_without_a_start_has_the_same_one_in_every_run(tmp_path):
    start = load(tmp_path, HEAD + GROUPS).start
    assert start.isoformat() == "2026-06-15T08:00:00+02:00"
    assert start.utcoffset() == timedelta(hours=2)


def test_start_and_seed_of_the_caller_go_first(tmp_path):
    layout = load(tmp_path, HEAD + GROUPS + "seed: 5\n", start="2030-01-01T00:00:00+00:00", seed=0)
    assert layout.start == datetime(2030, 1, 1, tzinfo=UTC)
    assert layout.seed == 0
    assert not np.array_equal(layout.groups[0].keys, load(tmp_path, HEAD + GROUPS).groups[0].keys)
    with pytest.raises(ConfigError, match="start: 'now' is not a date"):
        load(tmp_path, HEAD + GROUPS, start="now")


def test_words_that_older_yaml_takes_for_something_else_stay_words(tmp_path):
    text = (HEAD + GROUPS).replace("name: street", "name: no\ntitle: 12:30:00").replace("near:", "on:")
    layout = load(tmp_path, text.replace("main_fuse_a: 40", "main_fuse_a: 4e1"))
    assert (layout.name, layout.title, list(layout.feeders)) == ("no", "12:30:00", ["on"])
    assert layout.group("flats").ratings["main_fuse_a"].tolist() == [40.0, 40.0]


# ---------------------------------------------------------------------------------------- ratings


def test_every_rating_of_the_kind_has_a_value_for_every_device(tmp_path):
    for group in load(tmp_path, HEAD + GROUPS).groups:
        for rating in registry.device(group.kind).ratings:
            values = group.ratings[rating.name]
            assert values.shape == (len(group.devices),)
            assert np.all((values >= rating.min) & (values <= rating.max)), rating.name


def test_the_nominal_voltage_is_the_feeders_unless_a_group_says_otherwise(tmp_path):
    assert load(tmp_path, HEAD + GROUPS).group("homes").ratings["nominal_voltage_v"].tolist() == [240.0] * 3
    text = (HEAD + GROUPS).replace("main_fuse_a: 40", "nominal_voltage_v: 231")
    assert load(tmp_path, text).group("flats").ratings["nominal_voltage_v"].tolist() == [231.0] * 2


def test_the_same_file_and_seed_give_the_same_ratings(tmp_path):
    one, other = load(tmp_path, HEAD + GROUPS), load(tmp_path, HEAD + GROUPS)
    for a, b in zip(one.groups, other.groups, strict=True):
        assert np.array_equal(a.keys, b.keys)
        assert all(np.array_equal(a.ratings[name], b.ratings[name]) for name in a.ratings)


def test_another_seed_gives_other_ratings(tmp_path):
    one, other = load(tmp_path, HEAD + GROUPS, seed=1), load(tmp_path, HEAD + GROUPS, seed=2)
    name = "annual_energy_wh"
    assert not np.any(one.group("homes").ratings[name] == other.group("homes").ratings[name])


def test_another_group_another_rating_and_more_devices_change_no_rating_of_a_device(tmp_path):
    text = HEAD + GROUPS
    before = load(tmp_path, text).group("homes")
    more = text.replace("groups:\n", "groups:\n  first: {kind: smart_meter, count: 4}\n")
    more = more.replace("count: 3\n    ratings: {", "count: 9\n    ratings: {main_fuse_a: {uniform: [20, 60]}, ")
    after = load(tmp_path, more).group("homes")
    assert len(after.devices) == 9
    for name, values in before.ratings.items():
        if name != "main_fuse_a":
            assert np.array_equal(values, after.ratings[name][:3]), name


DISTRIBUTIONS = [
    {"uniform": [3, 5]},
    {"uniform": [4, 4]},
    {"normal": [10, 4], "min": 0, "max": 12},
    {"normal": [10, 4], "min": 9},
    {"normal": [10, 4]},
    {"lognormal": [1, 0.5], "min": 1, "max": 20},
    {"lognormal": [1, 0.5], "max": 3},
    {"lognormal": [1, 0.5]},
    {"choice": [1, 2, 5]},
    {"choice": [1, 2, 5], "weights": [0, 1, 3]},
    7,
]


@pytest.mark.parametrize("written", DISTRIBUTIONS, ids=str)
def test_a_distribution_stays_within_its_support_and_fills_it(written):
    value = VALUE.validate_python(written)
    keys = draws.keys_of(1, [str(i) for i in range(20_000)])
    values = sample(value, keys, "rating")
    low, high = support(value)
    assert np.all(np.isfinite(values))
    assert np.all((values >= low) & (values <= high))
    if np.isfinite(high - low) and "weights" not in str(written):
        assert values.min() - low <= 0.01 * (high - low) + 1e-9 or "lognormal" in written or "normal" in written
        assert high - values.max() <= 0.2 * (high - low) + 1e-9


def test_moments_are_those_asked_for():
    keys = draws.keys_of(7, [str(i) for i in range(50_000)])

    def drawn(written):
        return sample(VALUE.validate_python(written), keys, "rating")

    # Bounds are five standard errors of the mean of 50,000 draws.
    assert drawn({"uniform": [0, 1]}).mean() == pytest.approx(0.5, abs=5 * 0.289 / 223)
    assert drawn({"normal": [10, 4]}).mean() == pytest.approx(10, abs=5 * 4 / 223)
    assert drawn({"normal": [10, 4]}).std() == pytest.approx(4, rel=0.02)
    assert np.log(drawn({"lognormal": [2, 0.5]})).mean() == pytest.approx(2, abs=5 * 0.5 / 223)
    shares = drawn({"choice": [0, 1], "weights": [1, 3]}).mean()
    assert shares == pytest.approx(0.75, abs=5 * 0.433 / 223)
    # Half of a normal distribution cut off at its mean: mean + sd sqrt(2 / pi).
    assert drawn({"normal": [10, 4], "min": 10}).mean() == pytest.approx(10 + 4 * np.sqrt(2 / np.pi), rel=0.01)


def test_a_choice_with_weight_0_is_never_made():
    keys = draws.keys_of(1, [str(i) for i in range(5_000)])
    value = VALUE.validate_python({"choice": [1, 2, 3], "weights": [0, 1, 0]})
    assert set(sample(value, keys, "rating").tolist()) == {2.0}


def test_the_example_of_the_documentation_loads(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "site-file.md").read_text(encoding="utf-8")
    layout = load(tmp_path, text.partition("```yaml\n")[2].partition("```")[0])
    assert layout.device_count == 120


# ---------------------------------------------------------------------------------------- feeders


def test_a_site_needs_no_knowledge_of_its_grid(tmp_path: Path) -> None:
    layout = load(tmp_path, HEAD[: HEAD.index("feeders:")] + GROUPS)
    (feeder,) = layout.feeders.values()
    assert (feeder.name, feeder.nominal_voltage_v, feeder.source_voltage_v) == ("grid", 230.0, 230.0)
    assert {group.feeder for group in layout.groups} == {"grid"}
    assert (layout.grid.solve_every_s, layout.frequency_area) == (None, "continental")


def test_what_is_written_of_a_feeder_stands_and_the_rest_is_left_to_its_devices(tmp_path: Path) -> None:
    text = HEAD.replace("resistance_ohm: 0.1, reactance_ohm: 0.05", "transformer_kva: 250, cable: AL-48, length_m: 80")
    layout = load(tmp_path, text + "grid: {solve_every_s: 30}\nfrequency: {area: island}\n" + GROUPS)
    feeder = layout.feeders["near"]
    assert (feeder.nominal_voltage_v, feeder.transformer_kva, feeder.cable, feeder.length_m) == (240, 250, "AL-48", 80)
    assert (feeder.resistance_ohm, feeder.transformers, feeder.branches) == (None, None, None)
    assert (layout.grid.solve_every_s, layout.frequency_area) == (30.0, "island")


@pytest.mark.parametrize(
    ("written", "zone"), [("local", "Europe/Oslo"), ("UTC", "UTC"), ("Asia/Kolkata", "Asia/Kolkata")]
)
def test_a_station_has_the_time_zone_of_its_site_where_it_says_local(tmp_path, written, zone):
    options = f"{{protocol: iec104, options: {{time_zone: {written}}}}}"
    layout = load(tmp_path, (HEAD + GROUPS).replace("rtu: {protocol: iec104}", f"rtu: {options}"))
    (rtu,) = [station for station in layout.stations if station.name == "rtu"]
    assert rtu.options.time_zone == zone


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key a site file may have, with its schema; not the conditions that look at one."""
    if isinstance(schema, dict):
        for name, each in schema.get("properties", {}).items():
            yield f"{path}/{name}", each
        for name, each in schema.items():
            yield from properties(each, f"{path}/{name}") if name != "if" else ()
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from properties(each, f"{path}/{number}")


def test_the_schema_describes_every_key_in_more_than_its_name():
    found = dict(properties(site.json_schema()))
    assert len(found) > 250
    for path, each in found.items():
        name = path.rpartition("/")[2]
        text = each.get("description", "")
        assert len(text) > 3, path
        assert text.casefold().replace(" ", "_").strip(".") != name.casefold(), path
