"""Where masters find the devices of a running farm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.wording import unknown


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a master finds a device: connect to ``host`` and ``port``, and ask for ``address`` there."""

    device: str
    protocol: str
    map: str
    station: str | None
    """The RTU or gateway that answers, None for the device itself."""
    host: str
    port: int
    address: int
    serial: Mapping[str, Any] | None = None
    """How to set the serial line of one that is at none of these: device, baud_rate and more."""

    @property
    def unit(self) -> int:
        """The unit id of Modbus."""
        return self._address_of("modbus")

    @property
    def common_address(self) -> int:
        """The common address of IEC 104."""
        return self._address_of("iec104")

    @property
    def link_address(self) -> int:
        """The link address of a DNP3 outstation."""
        return self._address_of("dnp3")

    def _address_of(self, protocol: str) -> int:
        if self.protocol != protocol:
            raise AttributeError(f"an endpoint of {self.protocol} has no address of {protocol}; `address` is its own")
        return self.address


def endpoint_of(row: Mapping[str, Any]) -> Endpoint:
    """Read a row of `GET endpoints`."""
    address = next(row[name] for name in ("unit", "common_address", "link_address") if name in row)
    shared = (row["device"], row["protocol"], row["map"], row["station"])
    return Endpoint(*shared, row.get("host", ""), row.get("port", 0), address, row.get("serial"))


def chosen(
    endpoints: Sequence[Endpoint], device: str, protocol: str, map_name: str | None, station: str | None
) -> Endpoint:
    """Return the one that is meant; ``ConfigError`` says what there is if it is none, or several."""
    ways = [each for each in endpoints if (each.device, each.protocol) == (device, protocol)]
    found = [each for each in ways if map_name in (None, each.map) and station in (None, each.station or "")]
    if len(found) == 1:
        return found[0]
    devices = dict.fromkeys(each.device for each in endpoints)
    protocols = dict.fromkeys(each.protocol for each in endpoints if each.device == device)
    if device not in devices:
        where, message = "device", unknown(device, devices)
    elif not ways:
        where, message = device, f"has no way over this protocol: {unknown(protocol, protocols)}"
    else:
        listed = "; ".join(f"map={each.map!r}, station={each.station or ''!r}" for each in ways)
        where, message = device, f"name one of its ways over {protocol}: {listed}"
    raise ConfigError([Problem("farm", 0, where, message)])
