"""The addresses of a site: counted up, and none given twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.layout import TcpEndpoint
from pilotfarm.emulators.site.model import Endpoint

LOCALHOST: Final = int(IPv4Address("127.0.0.1"))
LOOPBACK: Final = IPv4Network("127.0.0.0/8")
GROUP_FIRST: Final = int(IPv4Address("127.1.0.1"))
"""First address of the first group; each further group begins at the next multiple of ``GROUP_BLOCK``."""
GROUP_BLOCK: Final = 1 << 16
STATION_FIRST: Final = int(IPv4Address("127.0.1.1"))
PORT_MAX: Final = 65_535
BROADCAST: Final = "255.255.255.255"
PORTS_FROM: Final = 20_000


@dataclass(frozen=True, slots=True)
class Addressing:
    """How the addresses of a site are chosen: by its file, or by whoever brings it up.

    With ``ports_from`` everything listens on 127.0.0.1, ports counted up from there in the order of
    the file. With ``network`` every device and every station has its own address of that network, counted up,
    and the ports stay. With neither the file decides, and what it leaves open gets own loopback
    addresses.
    """

    ports_from: int | None = None
    network: IPv4Network | None = None

    def __post_init__(self) -> None:
        assert self.ports_from is None or self.network is None, "own ports or own addresses, not both"

    @property
    def option(self) -> str:
        """What the addressing was asked for with, if it was."""
        return "--addresses" if self.network is not None else "--ports-from"


@dataclass(frozen=True, slots=True)
class AddressBlock:
    """A block of addresses: ``count`` ports on one host, or one port on ``count`` hosts."""

    path: Path
    host: int
    port: int
    count: int
    by_port: bool

    @property
    def last_host(self) -> int:
        return self.host if self.by_port else self.host + self.count - 1

    @property
    def last_port(self) -> int:
        return self.port + self.count - 1 if self.by_port else self.port

    def at(self, row: int) -> TcpEndpoint:
        """Return the endpoint of the device in a row."""
        if self.by_port:
            return TcpEndpoint(dotted(self.host), self.port + row)
        return TcpEndpoint(dotted(self.host + row), self.port)


def dotted(host: int) -> str:
    return f"{host >> 24 & 255}.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}"


class Allocator:
    """Gives out address blocks in the order of the file, then looks for any that overlap."""

    def __init__(self, addressing: Addressing, document: Document, off_loopback: bool) -> None:
        self._document = document
        self._off_loopback = off_loopback
        self._network = addressing.network
        self._next_port = addressing.ports_from
        self._next_host = STATION_FIRST
        self._next_group = GROUP_FIRST
        if addressing.network is not None:
            self._next_host = int(_usable(addressing.network)[0])
        self._blocks: list[AddressBlock] = []
        self._option = addressing.option
        if self._network is not None and not _can_be_told(*_usable(self._network)):
            document.problems.append(Problem(self._option, 0, "", f"{self._network} has no address to listen on"))

    def reserve_hosts(self, count: int) -> int:
        """Reserve an address for each device of a group and return the first."""
        if self._network is not None:
            first, self._next_host = self._next_host, self._next_host + count
        else:
            first = self._next_group
            self._next_group += -(-count // GROUP_BLOCK) * GROUP_BLOCK
        return first

    def devices(self, path: Path, endpoint: Endpoint, count: int, hosts: int, default_port: int) -> AddressBlock | None:
        """Give every device of a group an endpoint of its own; ``hosts`` is what ``reserve_hosts`` returned."""
        if self._next_port is not None:
            return self._next_ports(path, count)
        ip, port = endpoint.ip, endpoint.port
        if self._network is None and ip is None and port is not None:
            return self._give((*path, "port"), LOCALHOST, port, count, by_port=True)
        shared_port = default_port if port is None or ip is None else port
        if self._network is not None or ip is None:
            return self._give(path, hosts, shared_port, count, by_port=False)
        host = self._parsed((*path, "ip"), ip)
        return None if host is None else self._give((*path, "ip"), host, shared_port, count, by_port=False)

    def station(self, path: Path, host: str | None, port: int) -> AddressBlock | None:
        """Give a station its address."""
        if self._next_port is not None:
            return self._next_ports(path, 1)
        if self._network is not None or host is None:
            first, self._next_host = self._next_host, self._next_host + 1
            return self._give(path, first, port, 1, by_port=False)
        parsed = self._parsed((*path, "host"), host)
        return None if parsed is None else self._give((*path, "host"), parsed, port, 1, by_port=False)

    def _next_ports(self, path: Path, count: int) -> AddressBlock | None:
        assert self._next_port is not None
        first, self._next_port = self._next_port, self._next_port + count
        return self._give(path, LOCALHOST, first, count, by_port=True)

    def _parsed(self, path: Path, text: str) -> int | None:
        try:
            return int(IPv4Address(text))
        except ValueError:
            self._document.problem(path, f"{text!r} is not an IPv4 address such as 127.1.0.1")
            return None

    def _give(self, path: Path, host: int, port: int, count: int, *, by_port: bool) -> AddressBlock | None:
        block = AddressBlock(path, host, port, count, by_port)
        message = self._refusal(block)
        if message:
            self._document.problem(path, message)
            return None
        self._blocks.append(block)
        return block

    def _refusal(self, block: AddressBlock) -> str:
        if self._network is not None or self._next_port is not None:
            return ""  # told once, by ``report``
        if block.last_port > PORT_MAX:
            return f"{block.count:,} ports from {block.port} run past {PORT_MAX}; use own IP addresses or fewer devices"
        if block.last_host >= 1 << 32:
            return f"{block.count:,} addresses from {dotted(block.host)} run past 255.255.255.255"
        first, last = IPv4Address(block.host), IPv4Address(block.last_host)
        if not _can_be_told(first, last):
            return f"{first} cannot be told to a master; name the address to listen on"
        if first in LOOPBACK and (last not in LOOPBACK or last == LOOPBACK.broadcast_address):
            return f"{block.count:,} addresses from {first} run past 127.255.255.254"
        if first not in LOOPBACK and not self._off_loopback:
            return f"{first} is not on the loopback; if that is meant, say off_loopback: true at the top of the file"
        return ""

    def report(self) -> None:
        """Report whether the whole site fits in what was asked for, and what of the file is in conflict."""
        if self._network is not None:
            first, last = map(int, _usable(self._network))
            if self._next_host > last + 1:
                needed, there = self._next_host - first, last - first + 1
                told = f"the site needs {needed:,} addresses, and {self._network} has {there:,}"
                self._document.problems.append(Problem(self._option, 0, "", told))
        elif self._next_port is not None:
            needed = sum(block.count for block in self._blocks)
            if self._next_port > PORT_MAX + 1:
                first = self._next_port - needed
                told = f"the site needs {needed:,} ports, and from {first} there are {PORT_MAX + 1 - first:,}"
                self._document.problems.append(Problem(self._option, 0, "", f"{told}; try --addresses"))
        else:
            self._report_overlaps()

    def _report_overlaps(self) -> None:
        """Report every two places of the file that ask for the same address and port."""
        blocks = sorted(self._blocks, key=lambda block: block.host)
        for index, one in enumerate(blocks):
            for other in _from(blocks, index + 1, one.last_host):
                host, port = max(one.host, other.host), max(one.port, other.port)
                if port <= min(one.last_port, other.last_port):
                    earlier, later = sorted((one, other), key=lambda block: self._document.line(block.path))
                    place = self._document.locate(earlier.path)
                    self._document.problem(later.path, f"{dotted(host)}:{port} is already used by {place}")


def _usable(network: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and the last address for devices: one of two has no network's address (RFC 3021)."""
    outer = network.num_addresses > 2
    return network.network_address + outer, network.broadcast_address - outer


def _can_be_told(first: IPv4Address, last: IPv4Address) -> bool:
    """Whether masters can be told to connect to these addresses."""
    ends = (first, last)
    return not any(end.is_unspecified or end.is_multicast or end == IPv4Address(BROADCAST) for end in ends)


def _from(blocks: Sequence[AddressBlock], start: int, last_host: int) -> Sequence[AddressBlock]:
    end = start
    while end < len(blocks) and blocks[end].host <= last_host:
        end += 1
    return blocks[start:end]
