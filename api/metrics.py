"""What Prometheus scrapes: read from the farm at each scrape, kept nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pilotfarm.api.events import EventStream
from pilotfarm.emulators.contracts.protocol import KeepsEvents
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.serving.connection import Counters as ServerCounters
from pilotfarm.emulators.serving.descriptors import SHORTAGE
from pilotfarm.emulators.serving.pilot import Pilot

_OF_SERVER: Final = {
    "accepted": "Connections taken",
    "refused": "Connections refused because the station had as many as it may",
    "no_room": "Connections refused because the farm may have no more files open",
    "gave_way": "Connections closed to make room for a newer one, being the longest unused",
    "cut": "Connections cut by a fault",
    "stalled": "Connections cut because the peer did not read",
    "closed_by_engine": "Connections ended by the protocol",
    "bytes_in": "Bytes received",
    "bytes_out": "Bytes sent",
}

_OF_FEEDER: Final = (
    ("power_w", "power_watts", "Power towards the medium voltage"),
    ("losses_w", "losses_watts", "Losses of transformers and cables"),
    ("loading_frac", "loading_ratio", "Load of the fullest transformer over its rating"),
    ("lowest_voltage_v", "lowest_volts", "Lowest voltage, line to neutral"),
    ("highest_voltage_v", "highest_volts", "Highest voltage, line to neutral"),
)


def registry_of(pilot: Pilot, events: EventStream, ledger: Ledger | None) -> CollectorRegistry:
    """Make a registry with everything a running pilot counts."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FarmCollector(pilot, events, ledger))
    return registry


class _FarmCollector(Collector):
    def __init__(self, pilot: Pilot, events: EventStream, ledger: Ledger | None) -> None:
        self._pilot = pilot
        self._events = events
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        yield from self._devices()
        yield from self._feeders()
        yield from self._pace()
        yield from self._server()
        yield from self._kept()
        yield from self._stream()
        if self._ledger is not None:
            yield from _written(self._ledger)

    def _devices(self) -> Iterator[Metric]:
        farm = self._pilot.farm
        devices = GaugeMetricFamily("pilotfarm_devices", "Devices of the site", labels=["kind"])
        sizes: Counter[str] = Counter()
        for group in farm.groups.values():
            sizes[group.spec.kind] += group.size
        for kind, size in sizes.items():
            devices.add_metric([kind], size)
        yield devices
        faults = GaugeMetricFamily("pilotfarm_faults", "Faults by state", labels=["state"])
        states = Counter(fault.state for fault in farm.faults)
        for state in ("pending", "active"):
            faults.add_metric([state], states[state])
        yield faults

    def _feeders(self) -> Iterator[Metric]:
        network = self._pilot.farm.network
        yield CounterMetricFamily("pilotfarm_power_flows", "Power flows that converged", network.solves)
        failures = CounterMetricFamily(
            "pilotfarm_power_flow_failures", "Power flows that did not converge", labels=["feeder"]
        )
        gauges = {
            name: GaugeMetricFamily(f"pilotfarm_feeder_{unit}", text, labels=["feeder"])
            for name, unit, text in _OF_FEEDER
        }
        for state in network:
            failures.add_metric([state.name], state.failures)
            for name, gauge in gauges.items():
                gauge.add_metric([state.name], getattr(state, name))
        yield failures
        yield from gauges.values()

    def _pace(self) -> Iterator[Metric]:
        farm, runner = self._pilot.farm, self._pilot.runner
        yield CounterMetricFamily("pilotfarm_steps", "Steps taken", farm.steps)
        yield CounterMetricFamily("pilotfarm_late_steps", "Steps that began late", runner.late_steps)
        yield GaugeMetricFamily("pilotfarm_worst_late_seconds", "Worst lateness of a step", runner.worst_late_s)
        yield GaugeMetricFamily("pilotfarm_step_seconds", "How long the last step took", runner.last_step_took_s)
        yield GaugeMetricFamily("pilotfarm_site_time_seconds", "Site time since 1970-01-01 UTC", farm.unix_s)
        yield GaugeMetricFamily("pilotfarm_speed", "Site seconds a wall second", runner.speed)
        yield GaugeMetricFamily("pilotfarm_paused", "Whether the clock stands", float(runner.paused))
        yield GaugeMetricFamily("pilotfarm_commands_queued", "Commands that wait for the next step", len(farm.commands))
        unwatched = "Commands whose effect is not traced because too many were"
        yield CounterMetricFamily("pilotfarm_commands_untraced", unwatched, farm.tracer.unwatched)

    def _server(self) -> Iterator[Metric]:
        listeners = self._pilot.server
        yield GaugeMetricFamily("pilotfarm_listening", "Addresses the farm listens at", listeners.listening)
        is_open = GaugeMetricFamily("pilotfarm_connections_open", "Connections open now", labels=["protocol"])
        for protocol, counters in listeners.counters.items():
            is_open.add_metric([protocol], counters.open)
        yield is_open
        for name, text in _OF_SERVER.items():
            unit = name if name.startswith("bytes") else f"connections_{name}"
            family = CounterMetricFamily(f"pilotfarm_{unit}", text, labels=["protocol"])
            for protocol, counters in listeners.counters.items():
                family.add_metric([protocol], getattr(counters, name))
            yield family
        pauses = "Times that an address stopped accepting for want of descriptors or memory"
        yield CounterMetricFamily("pilotfarm_accept_pauses", pauses, SHORTAGE.pauses)

    def _kept(self) -> Iterator[Metric]:
        """Events that stations keep for their masters."""
        waiting: Counter[str] = Counter()
        lost: Counter[str] = Counter()
        for place in self._pilot.images.places:
            if isinstance(place.station, KeepsEvents):
                waiting[place.layout.protocol] += place.station.waiting_events
                lost[place.layout.protocol] += place.station.lost_events
        for family, counted in (
            (
                GaugeMetricFamily("pilotfarm_events_waiting", "Events for masters to be told", labels=["protocol"]),
                waiting,
            ),
            (
                CounterMetricFamily("pilotfarm_events_lost", "Events masters came too late for", labels=["protocol"]),
                lost,
            ),
        ):
            for protocol, number in counted.items():
                family.add_metric([protocol], number)
            yield family

    def _stream(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("pilotfarm_event_subscribers", "Readers of the event stream", self._events.subscribers)
        lost = "Events that readers of the stream were too slow for"
        yield CounterMetricFamily("pilotfarm_events_dropped", lost, self._events.dropped)


def _written(ledger: Ledger) -> Iterator[Metric]:
    yield CounterMetricFamily("pilotfarm_ledger_rows_written", "Rows written to the ledger", ledger.rows_written)
    yield CounterMetricFamily("pilotfarm_ledger_rows_dropped", "Rows the ledger had no room for", ledger.rows_dropped)
    yield CounterMetricFamily("pilotfarm_ledger_write_errors", "Failed writes of the ledger", ledger.write_errors)


assert set(_OF_SERVER) | {"open"} == {field.name for field in fields(ServerCounters)}, "a counter is not shown"
