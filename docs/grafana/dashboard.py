"""Writes the Grafana dashboard beside it: ``python docs/grafana/dashboard.py``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = '{instance=~"$instance"}'
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
STAT_WIDTH: Final = 4
GRAPH_WIDTH: Final = 8
STAT_HEIGHT, GRAPH_HEIGHT = 4, 8


@dataclass(frozen=True)
class Panel:
    """A graph, or a number; ``queries`` are pairs of an expression and a legend."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    text: str = ""


def rate(metric: str, by: str = "") -> str:
    summed = f"sum by ({by}) " if by else "sum"
    return f"{summed}(rate({metric}{HERE}[$__rate_interval]))"


def quantiles(metric: str, by: str = "") -> list[tuple[str, str]]:
    labels = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return [
        (f"histogram_quantile({q}, {rate(f'{metric}_bucket', labels)})", f"{legend}{percent} %")
        for q, percent in ((0.5, 50), (0.99, 99))
    ]


def stat(title: str, unit: str, expression: str) -> Panel:
    return Panel(title, unit, [(expression, "")], kind="stat")


ROWS: Final[Sequence[tuple[str, Sequence[Panel]]]] = (
    (
        "The site",
        (
            stat("Devices", "none", f"sum(pilotfarm_devices{HERE})"),
            stat("Addresses", "none", f"sum(pilotfarm_listening{HERE})"),
            stat("Masters", "none", f"sum(pilotfarm_connections_open{HERE})"),
            stat("Active faults", "none", 'sum(pilotfarm_faults{instance=~"$instance", state="active"})'),
            stat("Site time", "dateTimeAsIso", f"max(pilotfarm_site_time_seconds{HERE}) * 1000"),
            stat("Clock stands", "bool_yes_no", f"max(pilotfarm_paused{HERE})"),
        ),
    ),
    (
        "Pace",
        (
            Panel(
                "Speed",
                "none",
                [
                    (f"deriv(pilotfarm_site_time_seconds{HERE}[$__rate_interval])", "kept"),
                    (f"pilotfarm_speed{HERE}", "asked for"),
                ],
                text="Site seconds a wall second. Where the two part, the machine does not keep up.",
            ),
            Panel(
                "Late steps",
                "percentunit",
                [(f"{rate('pilotfarm_late_steps_total')} / {rate('pilotfarm_steps_total')}", "late")],
            ),
            Panel(
                "Step",
                "s",
                quantiles("pilotfarm_step_duration_seconds"),
                text="While a step runs no master is answered.",
            ),
            Panel("Lateness of steps", "s", quantiles("pilotfarm_step_lateness_seconds")),
            Panel("Worst lateness since the start", "s", [(f"max(pilotfarm_worst_late_seconds{HERE})", "worst")]),
            Panel(
                "Commands",
                "none",
                [
                    (f"sum(pilotfarm_commands_queued{HERE})", "wait for a step"),
                    (rate("pilotfarm_commands_untraced_total"), "untraced a second"),
                ],
            ),
        ),
    ),
    (
        "Masters",
        (
            Panel("Requests", "reqps", [(rate("pilotfarm_requests_total", "protocol"), "{{protocol}}")]),
            Panel(
                "Negative answers",
                "reqps",
                [(rate("pilotfarm_request_exceptions_total", "protocol, kind"), "{{protocol}} {{kind}}")],
            ),
            Panel(
                "Answers",
                "s",
                quantiles("pilotfarm_answer_duration_seconds", "protocol"),
                text="Inside the farm, from bytes read to an answer handed over, of one read in sixteen.",
            ),
            Panel("Connections", "none", [(f"sum by (protocol) (pilotfarm_connections_open{HERE})", "{{protocol}}")]),
            Panel(
                "Connections that came and went",
                "cps",
                [
                    (
                        rate(f"pilotfarm_connections_{name}_total", "protocol"),
                        f"{{{{protocol}}}} {name.replace('_', ' ')}",
                    )
                    for name in ("accepted", "refused", "no_room", "gave_way", "cut", "stalled", "closed_by_engine")
                ]
                + [(rate("pilotfarm_accept_pauses_total"), "addresses that paused")],
            ),
            Panel(
                "Octets",
                "Bps",
                [
                    (rate("pilotfarm_received_bytes_total", "protocol"), "{{protocol}} received"),
                    (rate("pilotfarm_sent_bytes_total", "protocol"), "{{protocol}} sent"),
                ],
            ),
            Panel(
                "Events kept for masters",
                "none",
                [
                    (f"sum by (protocol) (pilotfarm_events_waiting{HERE})", "{{protocol}} wait"),
                    (rate("pilotfarm_events_lost_total", "protocol"), "{{protocol}} lost a second"),
                ],
            ),
            Panel(
                "Event stream",
                "none",
                [
                    (f"sum(pilotfarm_event_subscribers{HERE})", "readers"),
                    (rate("pilotfarm_events_dropped_total"), "dropped a second"),
                ],
            ),
        ),
    ),
    (
        "Grid",
        (
            Panel(
                "Power towards the medium voltage",
                "watt",
                [(f"sum by (feeder) (pilotfarm_feeder_power_watts{HERE})", "{{feeder}}")],
            ),
            Panel("Losses", "watt", [(f"sum by (feeder) (pilotfarm_feeder_losses_watts{HERE})", "{{feeder}}")]),
            Panel(
                "Load of the fullest transformer",
                "percentunit",
                [(f"max by (feeder) (pilotfarm_feeder_loading_ratio{HERE})", "{{feeder}}")],
            ),
            Panel(
                "Voltage",
                "volt",
                [
                    (f"min by (feeder) (pilotfarm_feeder_lowest_volts{HERE})", "{{feeder}} lowest"),
                    (f"max by (feeder) (pilotfarm_feeder_highest_volts{HERE})", "{{feeder}} highest"),
                ],
            ),
            Panel(
                "Power flows",
                "ops",
                [
                    (rate("pilotfarm_power_flows_total"), "converged"),
                    (rate("pilotfarm_power_flow_failures_total", "feeder"), "{{feeder}} did not"),
                ],
            ),
        ),
    ),
    (
        "Ledger and process",
        (
            Panel(
                "Ledger",
                "rowsps",
                [
                    (rate("pilotfarm_ledger_rows_written_total"), "written"),
                    (rate("pilotfarm_ledger_rows_dropped_total"), "dropped"),
                    (rate("pilotfarm_ledger_write_errors_total"), "failed writes"),
                ],
                text="Empty without --ledger.",
            ),
            Panel("Memory", "bytes", [(f"process_resident_memory_bytes{HERE}", "resident")]),
            Panel(
                "Descriptors",
                "none",
                [(f"process_open_fds{HERE}", "open"), (f"process_max_fds{HERE}", "may be open")],
            ),
            Panel("Processor", "percentunit", [(rate("process_cpu_seconds_total"), "of a core")]),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append({"type": "row", "title": title, "id": len(panels) + 1, "gridPos": _place(0, y, WIDTH, 1)})
        x, y, height = 0, y + 1, 0
        for panel in row:
            width, height = (STAT_WIDTH, STAT_HEIGHT) if panel.kind == "stat" else (GRAPH_WIDTH, GRAPH_HEIGHT)
            if x + width > WIDTH:
                x, y = 0, y + height
            panels.append(_drawn(panel, len(panels) + 1, _place(x, y, width, height)))
            x += width
        y += height
    return {
        "title": "pilotfarm",
        "uid": "pilotfarm",
        "tags": ["pilotfarm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for at, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _variables() -> list[dict[str, Any]]:
    query = "label_values(pilotfarm_build_info, instance)"
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "label": "Farm",
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": "instance"},
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
    ]


if __name__ == "__main__":
    file = Path(__file__).with_name("pilotfarm.json")
    file.write_text(json.dumps(dashboard(), indent=2) + "\n", encoding="utf-8")
