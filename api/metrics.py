"""What Prometheus scrapes: read from the farm at each scrape, kept nowhere.

Names and units follow Prometheus (base units, ``_total`` for what counts up). Labels are bounded by what a site file
names: never a device, never a peer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import version
from itertools import accumulate
from typing import Any, Final, TypeAlias, cast

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from pilotfarm.api.events import EventStream
from pilotfarm.api.metrics_list import METRICS, OF_FEEDER, OF_SERVER, Metric
from pilotfarm.emulators.contracts.protocol import KeepsEvents
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.serving.connection import Counters as ServerCounters
from pilotfarm.emulators.serving.descriptors import SHORTAGE
from pilotfarm.emulators.serving.histogram import Histogram
from pilotfarm.emulators.serving.pilot import Pilot

Labelled: TypeAlias = Mapping[Any, float | Histogram]
"""Values by their labels, in the order of ``Metric.labels``."""
Values: TypeAlias = Iterator[tuple[str, float | Histogram | Labelled]]


def registry_of(pilot: Pilot, events: EventStream, ledger: Ledger | None) -> CollectorRegistry:
    """Make a registry with everything a running pilot counts."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FarmCollector(pilot, events, ledger))
    ProcessCollector(registry=registry)
    return registry


class _FarmCollector(Collector):
    def __init__(self, pilot: Pilot, events: EventStream, ledger: Ledger | None) -> None:
        self._pilot = pilot
        self._events = events
        self._ledger = ledger

    def collect(self) -> Iterator[Family]:
        for values in (self._site(), self._feeders(), self._pace(), self._server(), self._stations(), self._stream()):
            for name, value in values:
                yield _family(METRICS[name], value)

    def _site(self) -> Values:
        farm = self._pilot.farm
        yield "pilotfarm_build_info", {(version("pilotfarm"),): 1.0}
        sizes: Counter[tuple[str, ...]] = Counter()
        for group in farm.groups.values():
            sizes[group.spec.kind,] += group.size
        yield "pilotfarm_devices", sizes
        states = Counter(fault.state for fault in farm.faults)
        yield "pilotfarm_faults", {(state,): states[state] for state in ("pending", "active")}

    def _feeders(self) -> Values:
        network = self._pilot.farm.network
        yield "pilotfarm_power_flows", network.solves
        yield "pilotfarm_power_flow_failures", {(state.name,): state.failures for state in network}
        for attribute, name in OF_FEEDER.items():
            yield name, {(state.name,): getattr(state, attribute) for state in network}

    def _pace(self) -> Values:
        farm, runner = self._pilot.farm, self._pilot.runner
        yield "pilotfarm_steps", farm.steps
        yield "pilotfarm_late_steps", runner.late_steps
        yield "pilotfarm_worst_late_seconds", runner.worst_late_s
        yield "pilotfarm_step_duration_seconds", runner.durations
        yield "pilotfarm_step_lateness_seconds", runner.latenesses
        yield "pilotfarm_site_time_seconds", farm.unix_s
        yield "pilotfarm_speed", runner.speed
        yield "pilotfarm_paused", float(runner.paused)
        yield "pilotfarm_commands_queued", len(farm.commands)
        yield "pilotfarm_commands_untraced", farm.tracer.unwatched

    def _server(self) -> Values:
        server = self._pilot.server
        yield "pilotfarm_listening", server.listening
        for attribute, name in OF_SERVER.items():
            counted = {(protocol,): getattr(counters, attribute) for protocol, counters in server.counters.items()}
            yield name, counted
        yield "pilotfarm_accept_pauses", SHORTAGE.pauses

    def _stations(self) -> Values:
        """What masters asked, and the events that stations keep for them."""
        requests: Counter[tuple[str, ...]] = Counter()
        refusals: Counter[tuple[str, ...]] = Counter()
        waiting: Counter[tuple[str, ...]] = Counter()
        lost: Counter[tuple[str, ...]] = Counter()
        for place in self._pilot.images.places:
            protocol, traffic = place.layout.protocol, place.station.traffic
            requests[protocol,] += traffic.requests
            for kind, number in traffic.refusals.items():
                refusals[protocol, kind] += number
            if isinstance(place.station, KeepsEvents):
                waiting[protocol,] += place.station.waiting_events
                lost[protocol,] += place.station.lost_events
        yield "pilotfarm_requests", requests
        yield "pilotfarm_request_exceptions", refusals
        yield "pilotfarm_events_waiting", waiting
        yield "pilotfarm_events_lost", lost

    def _stream(self) -> Values:
        yield "pilotfarm_event_subscribers", self._events.subscribers
        yield "pilotfarm_events_dropped", self._events.dropped
        if self._ledger is not None:
            yield "pilotfarm_ledger_rows_written", self._ledger.writer.rows_written
            yield "pilotfarm_ledger_rows_dropped", self._ledger.writer.rows_dropped
            yield "pilotfarm_ledger_write_errors", self._ledger.writer.errors


_FAMILIES: Final[Mapping[str, Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def _family(metric: Metric, value: float | Histogram | Labelled) -> Family:
    made = _FAMILIES[metric.kind](metric.name, metric.text, labels=metric.labels)
    for labels, each in (value if isinstance(value, Mapping) else {(): value}).items():
        made.add_metric(labels, **_shown(each))
    return cast(Family, made)


def _shown(value: float | Histogram) -> dict[str, object]:
    if not isinstance(value, Histogram):
        return {"value": value}
    bounds = [*map(repr, value.bounds), "+Inf"]
    return {"buckets": list(zip(bounds, accumulate(value.counts), strict=True)), "sum_value": value.total}


assert set(OF_SERVER) | {"reads"} == {field.name for field in fields(ServerCounters)}, "a counter is not shown"
