"""What /metrics tells: named after Prometheus's rules, described on a page, and asked for rightly by the dashboard."""

from __future__ import annotations

import json
import re
import runpy
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dnp3_bench import Master as Dnp3Master
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from py1815.application import FunctionCode
from rest_client import Rest

from pilotfarm.api.app import create_app
from pilotfarm.api.metrics_list import METRICS
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.serving.histogram import Histogram
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

DOCS = Path(__file__).resolve().parents[3] / "docs"
PROCESS = {
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
}
LABELS = {"version", "kind", "state", "feeder", "protocol"}


def families(rest: Rest) -> dict[str, Family]:
    return {each.name: each for each in text_string_to_metric_families(rest("GET", "/metrics").text)}


def numbers(rest: Rest) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(rest).values()
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def recorded(tiny: SiteLayout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """A farm with a ledger that has had a request of each protocol, and refused one of each."""
    pilot = Pilot(tiny, ManualClock())
    ledger = Ledger(tmp_path_factory.mktemp("ledger"), pilot.farm, pilot.clock)
    pilot.observe(ledger)
    pilot.step(1.0)
    for protocol in asked:
        asked[protocol](place_of(pilot, protocol))
    yield Rest(pilot, create_app(pilot, ledger=ledger))
    ledger.close()


def place_of(pilot: Pilot, protocol: str) -> Place:
    return next(
        place
        for place in pilot.images.places
        if place.layout.protocol == protocol and any(each.seat.device.id == "battery-001" for each in place.placed)
    )


def ask_modbus(place: Place) -> None:
    """Two reads (the second is looked up), one of no register and a function there is not."""
    unit = place.placed[0].seat.address
    engine = place.station.connect("192.0.2.1:1", 0.0)
    for number, message in enumerate(
        (b"\3" + struct.pack(">HH", 40_000, 2),) * 2 + (b"\3" + struct.pack(">HH", 5, 1), b"\x63\0\0\0\0")
    ):
        engine.receive(struct.pack(">HHHB", number, 0, len(message) + 1, unit) + message, 0.0)
    assert len(engine.take_output()) == 2 * 13 + 2 * 9


def ask_iec104(place: Place) -> None:
    """An interrogation, a type there is not, and a command to an object that is not there."""
    address = place.placed[0].seat.address
    engine = place.station.connect("192.0.2.1:1", 0.0)
    engine.receive(bytes((0x68, 4, STARTDT_ACT, 0, 0, 0)), 0.0)
    for sent, (kind, body) in enumerate(((100, b"\0\0\0\x14"), (127, b"\0\0\0\0"), (45, b"\1\0\0\1"))):
        asdu = struct.pack("<BBBBH", kind, 1, 6, 0, address) + body
        engine.receive(bytes((0x68, 4 + len(asdu))) + struct.pack("<HH", sent << 1, 0) + asdu, 0.0)
    assert engine.take_output()


def ask_dnp3(place: Place) -> None:
    """Class 0, a group there is not, a function there is not, and a control of a point that is not there."""
    master = Dnp3Master(place.station, outstation=place.placed[0].seat.address)  # type: ignore[arg-type]
    master.ask(FunctionCode.READ, bytes([60, 1, 6]))
    master.ask(FunctionCode.READ, bytes([77, 1, 6]))
    master.ask(FunctionCode.SAVE_CONFIGURATION)
    crob = bytes([12, 1, 0x28, 1, 0]) + struct.pack("<H", 4711) + bytes([3, 1]) + struct.pack("<II", 100, 100) + b"\0"
    master.ask(FunctionCode.DIRECT_OPERATE, crob)


asked: dict[str, Callable[[Place], None]] = {"modbus": ask_modbus, "iec104": ask_iec104, "dnp3": ask_dnp3}


def test_requests_and_negative_answers_are_counted_by_protocol_in_its_own_words(recorded: Rest) -> None:
    found = numbers(recorded)
    requests = {name: found["pilotfarm_requests_total", name] for name in asked}
    assert requests == {"modbus": 4.0, "iec104": 3.0, "dnp3": 4.0}
    refused = {key[1:]: value for key, value in found.items() if key[0] == "pilotfarm_request_exceptions_total"}
    assert refused == {
        ("illegal_data_address", "modbus"): 1.0,
        ("illegal_function", "modbus"): 1.0,
        ("unknown_type", "iec104"): 1.0,
        ("unknown_object", "iec104"): 1.0,
        ("object_unknown", "dnp3"): 1.0,
        ("function_not_supported", "dnp3"): 1.0,
        ("control_not_supported", "dnp3"): 1.0,
        ("parameter_error", "dnp3"): 1.0,  # of the same answer
    }


def test_every_metric_is_told_as_it_is_described_and_no_other(recorded: Rest) -> None:
    told = families(recorded)
    assert {name for name in told if not name.startswith("process_")} == set(METRICS)
    for name, metric in METRICS.items():
        family = told[name]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample


def test_names_follow_prometheus() -> None:
    """A unit is a base unit and stands last, what counts up does not say so itself, and a label names no device."""
    for metric in METRICS.values():
        assert re.fullmatch(r"pilotfarm_[a-z][a-z0-9_]*", metric.name), metric
        assert not re.search(r"_(total|count|sum|bucket|ms|milliseconds|kb|kw|percent)$", metric.name), metric
        assert metric.kind != "histogram" or metric.name.endswith("_seconds"), metric
        assert set(metric.labels) <= LABELS, metric
        assert metric.text
        assert not metric.text.endswith("."), metric


def test_no_label_names_a_device_or_a_master(recorded: Rest) -> None:
    values = {value for family in families(recorded).values() for s in family.samples for value in s.labels.values()}
    assert values.isdisjoint(recorded.pilot.farm.population.devices)
    assert not any("192.0.2.1" in value for value in values)


def test_a_histogram_is_cumulative_and_a_bound_belongs_to_its_bucket(tiny: SiteLayout) -> None:
    counted = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 3.0):
        counted.take(value)
    assert (counted.counts, counted.total) == ([2, 1, 1], 3.65)
    pilot = Pilot(tiny, ManualClock())
    pilot.runner.durations = counted
    found = numbers(Rest(pilot, create_app(pilot)))
    name = "pilotfarm_step_duration_seconds"
    assert [found[f"{name}_bucket", le] for le in ("0.1", "1.0", "+Inf")] == [2.0, 3.0, 4.0]
    assert (found[f"{name}_count",], found[f"{name}_sum",]) == (4.0, 3.65)


def test_the_page_lists_every_metric() -> None:
    made = runpy.run_path(str(DOCS / "metrics.py"))
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert text == made["page"](text), "python docs/metrics.py writes it"


# ------------------------------------------------------------------------------------------- dashboard

BOARD = json.loads((DOCS / "grafana" / "pilotfarm.json").read_text(encoding="utf-8"))
FUNCTIONS = {"sum", "max", "min", "rate", "deriv", "histogram_quantile", "by", "le", "increase"}


def queries() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", [])]


def series(rest: Rest) -> dict[str, set[str]]:
    """Every series name there is, with the labels it has or may have; Prometheus adds the instance."""
    known: dict[str, set[str]] = {}
    for family in families(rest).values():
        described = METRICS.get(family.name)
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for suffix in suffixes:
            labels = {"instance", *(described.labels if described else ())}
            known[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return known


def misnamed(expression: str, known: dict[str, set[str]]) -> list[str]:
    """Metrics and labels of an expression that nobody tells."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    by = {label.strip() for group in re.findall(r"by \(([^)]*)\)", bare) for label in group.split(",")}
    matched = {label for group in re.findall(r"\{([^}]*)\}", bare) for label in re.findall(r"(\w+)\s*[=!]", group)}
    plain = re.sub(r"\{[^}]*\}|by \([^)]*\)", "", bare)
    names = set(re.findall(r"[a-zA-Z_]\w*", plain)) - FUNCTIONS
    labels = set.intersection(*(known.get(name, set()) for name in names)) if names else set()
    return sorted(names - set(known)) + sorted((by | matched) - labels)


def test_every_query_of_the_dashboard_names_what_is_told(recorded: Rest) -> None:
    known = series(recorded)
    assert {each for query in queries() if (each := ", ".join(misnamed(query, known)))} == set()
    told = {name for query in queries() for name in known if re.search(rf"\b{name}\b", query)}
    shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in told}
    assert set(METRICS) - shown == {"pilotfarm_build_info"}, "a metric that is on no panel"


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("rate(pilotfarm_requests[1m])", ["pilotfarm_requests"]),
        ("sum by (device) (rate(pilotfarm_requests_total[1m]))", ["device"]),
        ('pilotfarm_steps_total{protocol="modbus"}', ["protocol"]),
        ("histogram_quantile(0.5, sum by (le) (rate(pilotfarm_step_duration_seconds[1m])))", ["le", "pilotfarm_step"]),
    ],
)
def test_a_query_that_names_what_is_not_told_is_found(recorded: Rest, expression: str, wrong: list[str]) -> None:
    found = misnamed(expression, series(recorded))
    assert all(any(each.startswith(name) for each in found) for name in wrong), found


def test_the_dashboard_is_as_its_script_makes_it_and_asks_for_its_farm() -> None:
    assert runpy.run_path(str(DOCS / "grafana" / "dashboard.py"))["dashboard"]() == BOARD
    (farm,) = (each for each in BOARD["templating"]["list"] if each["name"] == "instance")
    assert farm["definition"] == "label_values(pilotfarm_build_info, instance)"
    places: list[Any] = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)), "two panels in one place"
    assert max(x for x, _ in cells) < 24
