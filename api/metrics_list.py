"""Every metric by its name, with what it means: what ``metrics`` fills and ``docs/metrics.md`` lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; one that counts has ``_total`` behind its name where it is scraped."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()


_PROTOCOL: Final = ("protocol",)
_FEEDER: Final = ("feeder",)

_ALL: Final = (
    Metric("pilotfarm_build_info", "gauge", "1, with the version of pilotfarm", ("version",)),
    Metric("pilotfarm_devices", "gauge", "Devices of the site", ("kind",)),
    Metric("pilotfarm_faults", "gauge", "Faults by state: pending or active", ("state",)),
    Metric("pilotfarm_power_flows", "counter", "Power flows that converged"),
    Metric("pilotfarm_power_flow_failures", "counter", "Power flows that did not converge", _FEEDER),
    Metric("pilotfarm_feeder_power_watts", "gauge", "Power towards the medium voltage", _FEEDER),
    Metric("pilotfarm_feeder_losses_watts", "gauge", "Losses of transformers and cables", _FEEDER),
    Metric("pilotfarm_feeder_loading_ratio", "gauge", "Load of the fullest transformer over its rating", _FEEDER),
    Metric("pilotfarm_feeder_lowest_volts", "gauge", "Lowest voltage, line to neutral", _FEEDER),
    Metric("pilotfarm_feeder_highest_volts", "gauge", "Highest voltage, line to neutral", _FEEDER),
    Metric("pilotfarm_steps", "counter", "Steps taken"),
    Metric("pilotfarm_late_steps", "counter", "Steps that began half a period, and 50 ms, or more after their due"),
    Metric("pilotfarm_worst_late_seconds", "gauge", "Worst lateness of a step since the start"),
    Metric("pilotfarm_step_duration_seconds", "histogram", "How long a step took, with what masters are told of it"),
    Metric("pilotfarm_step_lateness_seconds", "histogram", "How long after its due a step began; not of steps by hand"),
    Metric("pilotfarm_site_time_seconds", "gauge", "Site time since 1970-01-01 UTC"),
    Metric("pilotfarm_speed", "gauge", "Site seconds a wall second, as asked for"),
    Metric("pilotfarm_paused", "gauge", "Whether the clock stands"),
    Metric("pilotfarm_commands_queued", "gauge", "Commands that wait for the next step"),
    Metric("pilotfarm_commands_untraced", "counter", "Commands whose effect is not traced because too many were"),
    Metric("pilotfarm_listening", "gauge", "Addresses the farm listens at"),
    Metric("pilotfarm_connections_open", "gauge", "Connections of masters open now", _PROTOCOL),
    Metric("pilotfarm_connections_accepted", "counter", "Connections taken", _PROTOCOL),
    Metric(
        "pilotfarm_connections_refused", "counter", "Connections refused because the station had all it may", _PROTOCOL
    ),
    Metric(
        "pilotfarm_connections_no_room",
        "counter",
        "Connections refused because the farm may have no more files open",
        _PROTOCOL,
    ),
    Metric(
        "pilotfarm_connections_gave_way",
        "counter",
        "Connections closed to make room for a newer one, being the longest unused",
        _PROTOCOL,
    ),
    Metric(
        "pilotfarm_accept_pauses", "counter", "Times an address stopped accepting for want of descriptors or memory"
    ),
    Metric("pilotfarm_connections_cut", "counter", "Connections cut by a fault", _PROTOCOL),
    Metric("pilotfarm_connections_stalled", "counter", "Connections cut because the peer did not read", _PROTOCOL),
    Metric("pilotfarm_connections_closed_by_engine", "counter", "Connections ended by the protocol", _PROTOCOL),
    Metric("pilotfarm_received_bytes", "counter", "Bytes received from masters", _PROTOCOL),
    Metric("pilotfarm_sent_bytes", "counter", "Bytes sent to masters", _PROTOCOL),
    Metric(
        "pilotfarm_answer_duration_seconds",
        "histogram",
        "From bytes of a master being read to an answer being handed to the system, of one read in sixteen",
        _PROTOCOL,
    ),
    Metric("pilotfarm_requests", "counter", "Requests of masters", _PROTOCOL),
    Metric(
        "pilotfarm_request_exceptions",
        "counter",
        "Negative answers, and controls refused, in the protocol's own words",
        ("protocol", "kind"),
    ),
    Metric("pilotfarm_events_waiting", "gauge", "Events for masters to be told", _PROTOCOL),
    Metric("pilotfarm_events_lost", "counter", "Events masters came too late for", _PROTOCOL),
    Metric("pilotfarm_event_subscribers", "gauge", "Readers of the event stream of REST"),
    Metric("pilotfarm_events_dropped", "counter", "Events that readers of the stream were too slow for"),
    Metric("pilotfarm_ledger_rows_written", "counter", "Rows written to the ledger"),
    Metric("pilotfarm_ledger_rows_dropped", "counter", "Rows the ledger had no room for"),
    Metric("pilotfarm_ledger_write_errors", "counter", "Failed writes of the ledger"),
)
METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ALL}

OF_FEEDER: Final[Mapping[str, str]] = {
    "power_w": "pilotfarm_feeder_power_watts",
    "losses_w": "pilotfarm_feeder_losses_watts",
    "loading_frac": "pilotfarm_feeder_loading_ratio",
    "lowest_voltage_v": "pilotfarm_feeder_lowest_volts",
    "highest_voltage_v": "pilotfarm_feeder_highest_volts",
}
"""Attribute of a feeder's state -> metric."""

OF_SERVER: Final[Mapping[str, str]] = {
    "open": "pilotfarm_connections_open",
    "accepted": "pilotfarm_connections_accepted",
    "refused": "pilotfarm_connections_refused",
    "no_room": "pilotfarm_connections_no_room",
    "gave_way": "pilotfarm_connections_gave_way",
    "cut": "pilotfarm_connections_cut",
    "stalled": "pilotfarm_connections_stalled",
    "closed_by_engine": "pilotfarm_connections_closed_by_engine",
    "bytes_in": "pilotfarm_received_bytes",
    "bytes_out": "pilotfarm_sent_bytes",
    "answer_times": "pilotfarm_answer_duration_seconds",
}
"""Counter of a protocol's listeners -> metric."""
