"""The measurements of ``pilotfarm bench``, a function each, giving rows of a table.

``quick`` shortens every run for a look; figures to quote are taken without it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout, TcpEndpoint
from pilotfarm.emulators.site.listing import endpoint_rows
from pilotfarm.loadtests.bench import (
    against_c,
    concentrators,
    fixture,
    media,
    modbus,
    physics,
    polling,
    serial,
    series,
    sites,
    storm,
    upkeep,
)
from pilotfarm.loadtests.bench.masters import Dnp3Master, Iec104Master, rate
from pilotfarm.loadtests.bench.process import Child, Pilot
from pilotfarm.loadtests.bench.row import Row
from pilotfarm.profiles.media import NAMES, NONE

CONNECTIONS: Final = 100
RIVAL_PORT: Final = 15_020
SUNSPEC_BASE: Final = 40_070


def layout_of(name: str) -> SiteLayout:
    """A benchmark's site, resolved as ``pilotfarm up`` would."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(sites.SITES[name](), encoding="utf-8")
        return load(str(path))


def tcp_addresses(layout: SiteLayout) -> list[tuple[str, int]]:
    """Host and port of every station that listens on TCP."""
    endpoints = (station.endpoint for station in layout.stations)
    return [(each.host, each.port) for each in endpoints if isinstance(each, TcpEndpoint)]


def modbus_reads(quick: bool) -> Iterator[Row]:
    """(a) Reads a second of 50 registers over 100 connections, ours against pymodbus's own server."""
    name = "modbus-1000"
    addresses = tcp_addresses(layout_of(name))[:CONNECTIONS]
    seconds, rounds = (1.0, 1) if quick else (4.0, 3)
    ours, theirs = [], []
    with Pilot(sites.SITES[name]()):
        content = modbus.read_once(*addresses[0], SUNSPEC_BASE)
        with Child(
            "pilotfarm.loadtests.bench.rivals",
            "pymodbus",
            "127.0.0.1",
            str(RIVAL_PORT),
            str(SUNSPEC_BASE),
            content.hex(),
        ):
            for _ in range(rounds):
                ours.append(modbus.read_for(addresses, SUNSPEC_BASE, seconds).per_s)
                theirs.append(modbus.read_for([("127.0.0.1", RIVAL_PORT)] * CONNECTIONS, SUNSPEC_BASE, seconds).per_s)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    yield Row("a", "pilotfarm, Modbus reads of 50 registers", statistics.median(ours), "reads/s")
    yield Row("a", "pymodbus's own server, same registers", statistics.median(theirs), "reads/s")
    yield Row("a", "ratio", ratio, "x", ">= 5", ratio >= 5.0)


def step_times(quick: bool) -> Iterator[Row]:
    """(b) Milliseconds a step of a mixed site; physics, and with every protocol's bytes encoded."""
    for devices in (1_000, 10_000) if quick else (1_000, 10_000, 50_000):
        farm = Farm(layout_of(f"mixed-{devices}"))
        images = Images(farm)
        physics, whole = [], []
        for _ in range(10 if quick else 40):
            begin_s = time.perf_counter()
            farm.step(1.0)
            physics.append(time.perf_counter() - begin_s)
            images.refresh()
            upkeep.read(images)
            whole.append(time.perf_counter() - begin_s)
        physics_ms, whole_ms = 1e3 * statistics.median(physics), 1e3 * statistics.median(whole)
        aimed = devices == 10_000
        yield Row("b", f"step of {devices:,} mixed devices, physics", physics_ms, "ms")
        yield Row(
            "b",
            f"step of {devices:,} mixed devices, with three protocols' bytes",
            whole_ms,
            "ms",
            "<= 30" if aimed else "",
            whole_ms <= 30.0 if aimed else None,
        )


def physics_times(quick: bool) -> Iterator[Row]:
    """(f) Milliseconds a step of a mixed site, by part."""
    aims = {10_000: 10.0, 100_000: 120.0}
    for devices in (1_000, 10_000) if quick else (1_000, 10_000, 100_000):
        took = physics.step_times(Farm(layout_of(f"plain-{devices}")), 10 if quick else 60)
        what = f"step of {devices:,} devices, 1 s"
        # Between two power flows, which have a cadence and a row of their own.
        aimed = devices in aims
        yield Row("f", what, took.step_ms, "ms", *_aim(aimed, took.step_ms, aims.get(devices, 0.0)))
        for part, mean_ms in took.parts_ms.items():
            yield Row("f", f"{what}: {part}", mean_ms, "ms")


def day_times(quick: bool) -> Iterator[Row]:
    """(g) A day of 1,000 devices in steps of a minute."""
    hours = 2.0 if quick else 24.0
    took_s = physics.run_s(Farm(layout_of("plain-1000")), 60.0, round(hours * 60.0))
    day_s = took_s * 24.0 / hours
    yield Row("g", "a day of 1,000 devices in steps of 1 min", day_s, "s", *_aim(True, day_s, 10.0))
    yield Row("g", "the same, simulated seconds a second", 86_400.0 / day_s, "s/s")


def modbus_endpoints(quick: bool) -> Iterator[Row]:
    """(c) Time to ready and memory of Modbus endpoints, each with its own address."""
    for devices in (1_000,) if quick else (1_000, 10_000):
        aimed = devices == 10_000
        with Pilot(sites.SITES[f"modbus-{devices}"]()) as pilot:
            ready_s, rss_mb = pilot.ready_s, pilot.rss_mb()
        yield Row("c", f"{devices:,} Modbus endpoints, time to ready", ready_s, "s", *_aim(aimed, ready_s, 5.0))
        yield Row("c", f"{devices:,} Modbus endpoints, memory", rss_mb, "MB", *_aim(aimed, rss_mb, 600.0))


def station_endpoints(quick: bool) -> Iterator[Row]:
    """(d) Time to ready and memory of DNP3 outstations, IEC 104 servers and an RTU."""
    with Pilot(sites.bare(1_000)) as pilot:
        base_mb = pilot.rss_mb()
    yield Row("d", "1,000 devices nobody can reach, memory", base_mb, "MB")
    for name, what in (
        ("dnp3-5000", "5,000 DNP3 outstations"),
        ("iec104-1000", "1,000 IEC 104 servers"),
        ("rtu-500", "an RTU with 500 stations"),
    ):
        with Pilot(sites.SITES[name]()) as pilot:
            rss_mb = pilot.rss_mb()
            yield Row("d", f"{what}, time to ready", pilot.ready_s, "s")
            yield Row("d", f"{what}, memory", rss_mb, "MB")
            if name == "iec104-1000":
                more_mb = rss_mb - base_mb
                idle = 100.0 * pilot.idle_cpu_frac(3.0 if quick else 15.0)
                yield Row(
                    "d",
                    f"{what}, memory beyond the same devices unreachable",
                    more_mb,
                    "MB",
                    *_aim(True, more_mb, 100.0),
                )
                yield Row("d", f"{what}, idle, a step a second", idle, "% CPU", *_aim(True, idle, 2.0))


def interrogations(quick: bool) -> Iterator[Row]:
    """(d) Points a second under repeated interrogation and integrity polls, ours against a c104 server."""
    seconds, stations = (1.0, 20) if quick else (5.0, 100)
    rtu = tcp_addresses(layout_of("rtu-500"))[0]
    with Pilot(sites.SITES["rtu-500"]()):
        ours, points = _interrogated(*rtu, stations, seconds)
    with Child(
        "pilotfarm.loadtests.bench.rivals", "c104", "127.0.0.1", str(RIVAL_PORT + 1), str(stations), str(points)
    ):
        theirs, same = _interrogated("127.0.0.1", RIVAL_PORT + 1, stations, seconds)
    assert same == points, "both servers must hold as many points"
    yield Row("d", f"pilotfarm RTU, interrogations of {points} points", ours, "points/s")
    yield Row("d", "c104 server with as many points", theirs, "points/s")
    yield Row("d", "ratio", ours / theirs, "x", ">= 5", ours / theirs >= 5.0)
    polls, points = _polled(seconds)
    yield Row("d", f"pilotfarm DNP3, integrity polls of {points} points", polls * points, "points/s")


def latencies(quick: bool) -> Iterator[Row]:
    """(e) Read latency while the farm steps every second."""
    name = "modbus-1000" if quick else "modbus-10000"
    addresses = tcp_addresses(layout_of(name))[:: 10 if quick else 100]
    with Pilot(sites.SITES[name]()):
        reads = modbus.read_for(addresses, SUNSPEC_BASE, 4.0 if quick else 20.0, pause_s=0.1)
    what = f"read latency, {len(addresses)} masters of {name}"
    p99_ms = reads.latency_ms(0.99)
    yield Row("e", f"{what}, p50", reads.latency_ms(0.5), "ms")
    yield Row("e", f"{what}, p99", p99_ms, "ms", *_aim(True, p99_ms, 20.0))


def table_times(quick: bool) -> Iterator[Row]:
    """(f) Milliseconds a step by who looks at the tables: nobody, armed stations that nobody reads, readers of all."""
    for name, layout in (("tiny", load("tiny")), ("norway", load("norway")), ("mixed", layout_of("mixed-1000"))):
        farm = Farm(layout)
        images = Images(farm)
        steps = 20 if quick else 100

        def made_and_read(images: Images = images) -> None:
            images.refresh()
            upkeep.read(images)

        yield Row("f", f"step of {name}, physics", upkeep.step_ms(farm, lambda: None, steps), "ms")
        yield Row("f", f"step of {name}, no station armed", upkeep.step_ms(farm, images.refresh, steps), "ms")
        yield Row("f", f"step of {name}, every table read", upkeep.step_ms(farm, made_and_read, steps), "ms")
        upkeep.arm(images)
        yield Row("f", f"step of {name}, every station armed", upkeep.step_ms(farm, images.refresh, steps), "ms")
        yield Row("f", f"step of {name}, armed and read", upkeep.step_ms(farm, made_and_read, steps), "ms")


def fault_times(quick: bool) -> Iterator[Row]:
    """(g) What a thousand faults of each family add to a step of 10,000 devices, and how long it takes to put them."""
    served = ("admission", "link", "protocol")
    for name, families in (
        ("plain-10000", [each for each in upkeep.FAMILIES if each not in served]),
        ("modbus-10000", served),
    ):
        layout = layout_of(name)
        spared, struck = upkeep.stepped(layout), upkeep.stepped(layout)
        for family in families:
            took = upkeep.broken(spared, struck, family, 1 if quick else 3, 20 if quick else 60)
            these = f"{upkeep.FAULTS:,} {family} faults"
            share = 100.0 * took.added_frac
            yield Row("g", f"{name}: {these}, putting them on", took.put_ms, "ms")
            yield Row("g", f"{name}: a step without {family} faults", took.spared_ms, "ms")
            yield Row("g", f"{name}: a step with {these}", took.struck_ms, "ms")
            yield Row("g", f"{name}: added by {these}", share, "%", *_aim(True, share, 10.0))


def reconnect_storms(quick: bool) -> Iterator[Row]:
    """(i) Everybody is cut off, and each device's master connects again: until the last is served."""
    devices = storm.devices_max(1_000 if quick else 10_000)
    text = sites.modbus(devices)
    addresses = [(f"127.16.{n >> 8}.{n & 0xFF}", 1502) for n in range(1, devices + 1)]
    spreads_s = (0.0, 5.0)
    with Pilot(text) as pilot:
        took_s = storm.back_s(pilot.ready_line.split()[1], addresses, SUNSPEC_BASE, spreads_s)
    for spread_s, each_s in zip(spreads_s, took_s, strict=True):
        what = "at once" if spread_s == 0.0 else f"within {spread_s:g} s"
        yield Row("i", f"{devices:,} devices back {what}, all served after", each_s, "s", *_aim(True, each_s, 10.0))


def media_costs(quick: bool) -> Iterator[Row]:
    """(h) What each medium adds to a read and takes from its rate, over ways without one in the same run."""
    name, seconds = f"media-{20 * len(NAMES)}", 1.0 if quick else 5.0
    addresses: dict[str, list[media.Address]] = {each: [] for each in NAMES}
    for station in layout_of(name).stations:
        assert isinstance(station.endpoint, TcpEndpoint)
        addresses[station.medium].append((station.endpoint.host, station.endpoint.port))
    found: dict[str, media.Exchanges] = {}
    cpu_us: dict[str, float] = {}
    with Pilot(sites.SITES[name]()) as pilot:
        for each in media.FAST:
            before_s = pilot.cpu_s()
            found |= media.exchange({each: addresses[each]}, SUNSPEC_BASE, seconds)
            cpu_us[each] = 1e6 * (pilot.cpu_s() - before_s) / found[each].count
        # The others leave the processor idle, and some take minutes: all at once.
        slow = {each: where for each, where in addresses.items() if each not in media.FAST}
        found |= media.exchange(slow, SUNSPEC_BASE, 3.0 * seconds)
    for each in NAMES:
        took, none = found[each], found[NONE]
        yield Row("h", f"{each}: a read, median", took.latency_ms, "ms")
        yield Row("h", f"{each}: the first read of a connection, median", took.first_ms, "ms")
        if each != NONE:
            yield Row("h", f"{each}: a read, over none", took.latency_ms / none.latency_ms, "x")
            yield Row("h", f"{each}: reads a second, over none", took.per_s / none.per_s, "x")
        if each in cpu_us:
            yield Row("h", f"{each}: processor time of the farm a read", cpu_us[each], "us")


MEASURES: Final[Mapping[str, Callable[[bool], Iterator[Row]]]] = {
    "modbus": modbus_reads,
    "modbus-c": against_c.modbus_reads,
    "step": step_times,
    "physics": physics_times,
    "day": day_times,
    "endpoints": modbus_endpoints,
    "stations": station_endpoints,
    "interrogation": interrogations,
    "interrogation-c": against_c.interrogations,
    "latency": latencies,
    "tables": table_times,
    "faults": fault_times,
    "storm": reconnect_storms,
    "media": media_costs,
    "serial": serial.serial_reads,
    "series": series.series_costs,
    "polling": polling.polling_costs,
    "concentrators": concentrators.nights,
    "fixture": fixture.fixture_times,
}
"""Name on the command line -> measurement."""


def _aim(aimed: bool, value: float, limit: float) -> tuple[str, bool | None]:
    return (f"<= {limit:g}", value <= limit) if aimed else ("", None)


def _interrogated(host: str, port: int, stations: int, seconds: float) -> tuple[float, int]:
    """Points a second over ``stations`` common addresses in turn, and the points of one of them."""
    master = Iec104Master(host, port)
    master.open()
    master.interrogate(1)
    points = master.objects

    def everybody() -> None:
        for address in range(1, stations + 1):
            master.interrogate(address)

    rounds_per_s = rate(everybody, seconds)
    master.close()
    return rounds_per_s * stations * points, points


def _polled(seconds: float) -> tuple[float, int]:
    """Integrity polls a second of one outstation, and the static points in each."""
    layout = layout_of("dnp3-5000")
    place = next(row for row in endpoint_rows(layout) if row["protocol"] == "dnp3")
    points = registry.point_map(place["map"]).points(registry.device(place["kind"]), {})
    static = {row.address for row in points}
    with Pilot(sites.SITES["dnp3-5000"]()):
        master = Dnp3Master(place["host"], place["port"], place["link_address"])
        master.open()
        polls = rate(master.poll, seconds)
        master.close()
    return polls, len(static)
