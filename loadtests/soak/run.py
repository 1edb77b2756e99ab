"""A soak from the first farm to the verdict."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from pilotfarm.loadtests.soak import sites
from pilotfarm.loadtests.soak.counters import Counters
from pilotfarm.loadtests.soak.farm import Farm, FarmError, Plan
from pilotfarm.loadtests.soak.masters import PATIENCE_S, Master, MasterError, Values, Way
from pilotfarm.loadtests.soak.points import Point, points_of
from pilotfarm.loadtests.soak.samples import Sample, SampleFile
from pilotfarm.loadtests.soak.verdict import Criterion, Findings, far_ahead, judged

NEAR, FAR = "near", "far"
_ADDRESS: Final = {"modbus": "unit", "iec104": "common_address", "dnp3": "link_address"}
_PERIOD_S: Final = {"modbus": 1.0, "iec104": 2.0, "dnp3": 1.0}
DEVICES_A_GROUP: Final = 2
"""Devices of a group that have a Modbus master of their own, and a DNP3 one."""
COMPARISONS: Final = 10
PROGRESS_S: Final = 60.0


@dataclass(frozen=True)
class Options:
    """How to run a soak; the words of ``pilotfarm up`` mean the same here."""

    minutes: float
    site: str = "norway"
    out: Path = Path("soak")
    every_s: float = 30.0
    far_speed: float = 12_000.0
    addresses: str = "127.90.0.0/17"
    far_addresses: str = "127.90.128.0/17"
    api: str = "127.0.0.1:0"
    far_api: str = "127.0.0.1:0"
    ledger: bool = False


@dataclass(slots=True)
class Watched:
    """A farm, its masters, and what has been found about them."""

    farm: Farm
    masters: list[Master]
    points: dict[tuple[str, str, tuple[Any, ...]], Point]
    counters: Counters
    findings: Findings = field(default_factory=Findings)
    samples: list[Sample] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Outcome:
    criteria: dict[str, list[Criterion]]
    watched: list[Watched]
    minutes: float


async def soak(options: Options, say: Callable[[str], None]) -> Outcome:
    """Bring both farms up, let masters poll them for some minutes or until told to stop, and judge."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    options.out.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        farms = [await stack.enter_async_context(Farm(plan, options.out)) for plan in _plans(options)]
        watched = []
        for farm in farms:
            await farm.up()
            watched.append(await _watch(farm))
            say(f"{farm.name}: {farm.url}, {len(watched[-1].masters)} masters")
        file = stack.enter_context(SampleFile(options.out / "samples.csv"))
        tasks = [asyncio.create_task(master.run()) for each in watched for master in each.masters]
        stack.callback(lambda: [task.cancel() for task in tasks])
        begin_s = time.monotonic()
        await _watch_over(watched, options, file, stop, say)
        minutes = (time.monotonic() - begin_s) / 60.0
        await _end(tasks)
        _settle(watched)
    return Outcome({each.farm.name: _judge(each) for each in watched}, watched, minutes)


async def _end(tasks: Collection[asyncio.Task[None]], again_s: float = 1.0) -> None:
    """Cancel tasks until they have ended: ``asyncio.wait_for`` of Python 3.11 may pass over a cancellation."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=again_s)


def _plans(options: Options) -> list[Plan]:
    far_site = options.out / "far.yaml"
    far_site.write_text(sites.far_ahead(), encoding="utf-8")

    def ledger(name: str) -> list[str]:
        return ["--ledger", str(options.out / f"{name}-ledger")] if options.ledger else []

    far_pace = ["--speed", f"{options.far_speed:g}", "--step", f"{sites.FAR_STEP_S:g}"]
    near = ["--addresses", options.addresses, "--api", options.api, *ledger(NEAR)]
    far = ["--addresses", options.far_addresses, "--api", options.far_api, *far_pace, *ledger(FAR)]
    return [Plan(NEAR, options.site, tuple(near)), Plan(FAR, str(far_site), tuple(far))]


async def _watch(farm: Farm) -> Watched:
    """Give a farm its masters: one for the first devices of each group, all devices of a shared station."""
    groups = Counter[tuple[str, str]]()
    ways: dict[tuple[str, str, int], Way] = {}
    group_of = {device["device"]: device["group"] for device in await farm.get("devices?limit=10000")}
    lists: dict[str, Any] = {}
    for row in await farm.get("endpoints"):
        device, protocol = row["device"], row["protocol"]
        if row["station"] is None:
            groups[group_of[device], protocol] += 1
            if groups[group_of[device], protocol] > DEVICES_A_GROUP:
                continue
        key = (protocol, row["host"], row["port"])
        way = ways.setdefault(key, Way(protocol, row["host"], row["port"], {}, {}))
        address = row[_ADDRESS[protocol]]
        way.devices[address] = device
        if device not in lists:
            lists[device] = await farm.get(f"devices/{device}/points")
        way.points[device] = points_of(lists[device], protocol, address)
    points = {
        (way.protocol, device, point.place): point
        for way in ways.values()
        for device, found in way.points.items()
        for point in found
    }
    counters = Counters()

    def heard(protocol: str) -> Callable[[Values], None]:
        def take(values: Values) -> None:
            for (device, place), value in values.items():
                point = points.get((protocol, device, place))
                if point is not None and point.total:
                    family = f"modbus {point.data_type}" if protocol == "modbus" else protocol
                    counters.see((protocol, device, place), family, value * _scale(point), point.modulus)

        return take

    masters = [Master(way, _PERIOD_S[way.protocol], heard(way.protocol)) for way in ways.values()]
    return Watched(farm, masters, points, counters)


def _scale(point: Point) -> float:
    """Registers that do not wrap are told in units, so that what is past 2**32 Wh shows in kWh, too."""
    return abs(point.scale) if "float" in point.data_type else 1.0


async def _watch_over(
    watched: Sequence[Watched], options: Options, file: SampleFile, stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    begin_s = time.monotonic()
    until_s = begin_s + 60.0 * options.minutes
    compare_s = 60.0 * options.minutes / COMPARISONS
    next_compare_s, next_say_s = begin_s + compare_s, begin_s
    while not stop.is_set() and time.monotonic() < until_s:
        now_s = time.monotonic()
        if not await _take(watched, now_s - begin_s, file):
            break
        if now_s >= next_say_s:
            next_say_s = now_s + PROGRESS_S
            say(_progress(watched))
        if now_s >= next_compare_s:
            next_compare_s = now_s + compare_s
            for each in watched:
                await _compare(each)
        wait_s = min(options.every_s, until_s - time.monotonic())
        try:
            await asyncio.wait_for(stop.wait(), max(0.0, wait_s))
        except TimeoutError:
            continue
    for each in watched:
        await _compare(each)
    await _take(watched, time.monotonic() - begin_s, file)


async def _take(watched: Sequence[Watched], elapsed_s: float, file: SampleFile) -> bool:
    """Sample every farm; whether all still run. An answer of REST that does not come is an error of a master's kind."""
    for each in watched:
        try:
            each.samples.append(await _sample(each, elapsed_s))
            file.write([each.samples[-1]])
        except FarmError as error:
            each.findings.errors.append(str(error))
            return False
        except httpx.HTTPError as error:
            each.findings.errors.append(f"REST of {each.farm.name} after {elapsed_s:.0f} s: {error!r}")
    return True


async def _sample(each: Watched, elapsed_s: float) -> Sample:
    usage = each.farm.usage()
    told = await each.farm.metrics()
    scores: Counter[str] = Counter()
    for master in each.masters:
        scores[f"{master.way.protocol}_answers"] += master.score.answers
        scores[f"{master.way.protocol}_errors"] += master.score.errors
    return Sample(
        farm=each.farm.name,
        elapsed_s=round(elapsed_s, 3),
        rss_mb=round(usage.rss_mb, 3),
        descriptors=usage.descriptors,
        threads=usage.threads,
        cpu_s=usage.cpu_s,
        site_unix_s=told["pilotfarm_site_time_seconds"],
        steps=int(told["pilotfarm_steps_total"]),
        late_steps=int(told["pilotfarm_late_steps_total"]),
        worst_late_s=round(told["pilotfarm_worst_late_seconds"], 6),
        connections=int(told["pilotfarm_connections_open"]),
        log_lines=len(each.farm.log_lines()),
        **{f"{name}_{what}": scores[f"{name}_{what}"] for name in _ADDRESS for what in ("answers", "errors")},
    )


async def _compare(each: Watched) -> None:
    """Stop the clock, read every point over its protocol, and hold it against what REST tells."""
    try:
        await _compare_standing(each)
    except httpx.HTTPError as error:
        each.findings.errors.append(f"REST of {each.farm.name} at a comparison: {error!r}")


async def _compare_standing(each: Watched) -> None:
    await each.farm.pause(True)
    try:
        told: dict[str, Any] = {}
        for master in each.masters:
            try:
                values = await master.everything()
            except (MasterError, OSError, TimeoutError) as error:
                each.findings.apart.append(f"{master.way.protocol} {master.way.host} could not be read: {error!r}")
                continue
            for (device, place), wire in values.items():
                point = each.points.get((master.way.protocol, device, place))
                if point is None:
                    continue
                if device not in told:
                    told[device] = (await each.farm.get(f"devices/{device}"))["quantities"]
                reported = told[device][point.quantity]["reported"]
                if reported is None:
                    continue
                each.compared[master.way.protocol] += 1
                if not point.agrees(wire, reported):
                    each.findings.apart.append(
                        f"{master.way.protocol} {device} {place} reads {wire:.17g}, {point.quantity} is {reported!r}"
                    )
    finally:
        await each.farm.pause(False)


def _settle(watched: Sequence[Watched]) -> None:
    """Gather what has been found while the farms still run."""
    now_s = time.monotonic()
    for each in watched:
        found = each.findings
        for master in each.masters:
            if now_s - master.score.last_answer_s > 2.0 * PATIENCE_S:
                found.silent.append(f"{master.way.protocol} {master.way.host} has had no answer of late")
            found.errors.extend(master.score.said)
        found.compared = dict(each.compared)
        found.backwards = each.counters.backwards
        found.wraps = each.counters.wraps
        found.highest = each.counters.highest


def _judge(each: Watched) -> list[Criterion]:
    each.findings.log = each.farm.log_lines()
    each.findings.exit_code = each.farm.exit_code
    if not each.samples:
        return [Criterion("samples", False, "; ".join(each.findings.errors) or "none was taken")]
    criteria = judged(each.samples, each.findings)
    if each.farm.name == FAR:
        criteria += far_ahead(each.samples, each.findings, ZoneInfo("Europe/Oslo"))
    return criteria


def _progress(watched: Sequence[Watched]) -> str:
    lines = []
    for each in watched:
        last = each.samples[-1]
        answers = last.modbus_answers + last.iec104_answers + last.dnp3_answers
        errors = last.modbus_errors + last.iec104_errors + last.dnp3_errors
        lines.append(
            f"{each.farm.name}: {last.rss_mb:.1f} MB, {last.descriptors} descriptors, {last.steps:,} steps, "
            f"{last.late_steps:,} late, {answers:,} answers, {errors} errors, {last.log_lines} log lines"
        )
    return f"{watched[0].samples[-1].elapsed_s / 60.0:6.1f} min  " + "; ".join(lines)
