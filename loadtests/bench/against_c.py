"""Servers in C and ours, asked in turn by masters in C: rows for ``pilotfarm bench`` where a compiler is at hand."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.addresses import Addressing
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.listing import endpoint_rows
from pilotfarm.loadtests.bench import modbus, native, sites
from pilotfarm.loadtests.bench.process import Child, Pilot, Program
from pilotfarm.loadtests.bench.row import Row

CONNECTIONS: Final = 100
PORT: Final = 15_030
NETWORK: Final = "127.96.0.0/16"
SUNSPEC_BASE: Final = 40_070


@dataclass(slots=True)
class _Side:
    """A server under measurement: how often a second it answered, and its processor time an answer, by rounds."""

    process: Program
    host: str
    port: int
    per_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def take(self, ask: Callable[[str, int], native.Taken]) -> None:
        before_s = self.process.cpu_s()
        taken = ask(self.host, self.port)
        self.per_s.append(taken.per_s)
        self.cpu_s.append((self.process.cpu_s() - before_s) / taken.number)


def modbus_reads(quick: bool) -> Iterator[Row]:
    """(h) Reads a second over 100 connections to one device while norway steps, against a server on libmodbus."""
    what = "Modbus reads of 50 registers of one device of norway, by a master in C"
    try:
        with native.compiled("modbus_master") as master, native.compiled("modbus_server") as server:
            ours, theirs = _reads(master, server, *((1.0, 1) if quick else (3.0, 7)))
    except native.NotAtHand as error:
        yield Row("h", f"{what}: ratio to libmodbus", None, "x", ">= 1", note=str(error))
        return
    yield from _pair(what, "reads", ours, "a server on libmodbus", theirs, 1.0)


def interrogations(quick: bool) -> Iterator[Row]:
    """(h) Objects a second that a master in C gets by interrogations, against a c104 server with as many."""
    what = "objects of interrogations, by a master in C"
    try:
        with native.compiled("iec104_master") as master:
            ours, theirs = _objects(master, *((1.0, 20, 1) if quick else (3.0, 100, 5)))
    except native.NotAtHand as error:
        yield Row("h", f"{what}: ratio to c104", None, "x", ">= 5", note=str(error))
        return
    yield from _pair(what, "objects", ours, "a c104 server with as many", theirs, 5.0)


def _pair(what: str, unit: str, ours: _Side, rival: str, theirs: _Side, aim: float) -> Iterator[Row]:
    ratio = statistics.median(a / b for a, b in zip(ours.per_s, theirs.per_s, strict=True))
    cpu_ratio = statistics.median(b / a for a, b in zip(ours.cpu_s, theirs.cpu_s, strict=True))
    yield Row("h", f"{what}: pilotfarm", statistics.median(ours.per_s), f"{unit}/s")
    yield Row("h", f"{what}: {rival}", statistics.median(theirs.per_s), f"{unit}/s")
    yield Row("h", "ratio", ratio, "x", f">= {aim:g}", ratio >= aim)
    yield Row("h", "the same by the servers' processor time, which other load touches less", cpu_ratio, "x")


def _reads(master: str, server: str, seconds: float, rounds: int) -> tuple[_Side, _Side]:
    text = sites.busy_norway()
    place = next(row for row in endpoint_rows(_layout(text)) if row["protocol"] == "modbus")

    def ask(host: str, port: int) -> native.Taken:
        return native.modbus_reads(master, host, port, CONNECTIONS, SUNSPEC_BASE, modbus.REGISTERS, seconds)

    with Pilot(text, "--addresses", NETWORK) as pilot:
        content = modbus.read_once(place["host"], place["port"], SUNSPEC_BASE).hex()
        with Program(server, "127.0.0.1", str(PORT), str(SUNSPEC_BASE), content) as rival:
            sides = _Side(pilot, place["host"], place["port"]), _Side(rival, "127.0.0.1", PORT)
            for _ in range(rounds):
                for side in sides:
                    side.take(ask)
    return sides


def _objects(master: str, seconds: float, stations: int, rounds: int) -> tuple[_Side, _Side]:
    text = sites.rtu(500)
    place = endpoint_rows(_layout(text))[0]

    def ask(host: str, port: int) -> native.Taken:
        taken, held = native.interrogated(master, host, port, stations, seconds)
        assert held == objects, "both servers must hold as many objects"
        return taken

    with Pilot(text, "--addresses", NETWORK) as pilot:
        _, objects = native.interrogated(master, place["host"], place["port"], 1, 0.1)
        held = ("c104", "127.0.0.1", str(PORT + 1), str(stations), str(objects))
        with Child("pilotfarm.loadtests.bench.rivals", *held) as rival:
            sides = _Side(pilot, place["host"], place["port"]), _Side(rival, "127.0.0.1", PORT + 1)
            for _ in range(rounds):
                for side in sides:
                    side.take(ask)
    return sides


def _layout(text: str) -> SiteLayout:
    """A site at the addresses its pilot is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(text, encoding="utf-8")
        return load(str(path), Addressing(network=IPv4Network(NETWORK)))
