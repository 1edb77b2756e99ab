"""What a site offers, as a list: every way to every device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilotfarm.emulators import registry
from pilotfarm.emulators.site.layout import SiteLayout


def endpoint_rows(layout: SiteLayout) -> Sequence[dict[str, Any]]:
    """List every way to every device, in the shape ``pilotfarm endpoints --json`` promises."""
    groups = {group.name: group for group in layout.groups}
    rows: list[dict[str, Any]] = []
    for station in layout.stations:
        label = registry.protocol(station.protocol).address_name
        for seat in station.seats:
            group = groups[seat.group]
            rows.append(
                {
                    "device": group.devices[seat.row],
                    "kind": group.kind,
                    "site": layout.name,
                    "protocol": station.protocol,
                    "map": seat.map,
                    "host": station.host,
                    "port": station.port,
                    label: seat.address,
                    "station": station.name or None,
                }
            )
    return rows
