"""The soak: what it judges, point by point, and a short one from end to end."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from pilotfarm.emulators import site as sites
from pilotfarm.loadtests.soak import run
from pilotfarm.loadtests.soak.counters import Counters
from pilotfarm.loadtests.soak.farm import Farm, FarmError, Plan
from pilotfarm.loadtests.soak.points import Point, decoded
from pilotfarm.loadtests.soak.samples import Sample
from pilotfarm.loadtests.soak.sites import far_ahead as far_site
from pilotfarm.loadtests.soak.verdict import Criterion, Findings, far_ahead, flat, judged, memory, passed

OSLO = ZoneInfo("Europe/Oslo")
SAMPLE = Sample("near", 0.0, 250.0, 40, 5, 0.0, 1_780_000_000.0, 0, 0, 0.0, 9, 0, 10, 0, 10, 0, 10, 0)


def run_of(rss_mb: Callable[[float], float], hours: float = 2.0, n: int = 120) -> list[Sample]:
    """Samples over some hours, whose memory follows a function of the hour."""
    each = [hours * k / (n - 1) for k in range(n)]
    return [replace(SAMPLE, elapsed_s=3600.0 * hour, rss_mb=rss_mb(hour), steps=k) for k, hour in enumerate(each)]


@pytest.mark.parametrize(
    ("rss_mb", "met"),
    [
        (lambda h: 250.0, True),
        (lambda h: 250.0 + 4.9 * h, True),
        (lambda h: 250.0 + 5.1 * h, False),
        (lambda h: 250.0 + 100.0 * min(h, 0.45), True),  # all of it while it warms up
        (lambda h: 250.0 + (80.0 if 1.2 < h < 1.4 else 0.0), True),  # a bump that goes is no leak
        (lambda h: 250.0 - 10.0 * h, True),
    ],
)
def test_memory_may_grow_while_it_warms_up_and_hardly_after(rss_mb: Callable[[float], float], met: bool) -> None:
    assert memory(run_of(rss_mb)).met is met


def test_memory_that_stands_grows_by_no_more_than_nothing() -> None:
    assert memory(run_of(lambda h: 250.0), max_mb_per_h=0.0).met is True


def test_a_slope_is_not_drawn_through_few_samples() -> None:
    assert memory(run_of(lambda h: 250.0 + 99.0 * h, n=12)).met is None
    assert memory(run_of(lambda h: 250.0 + 99.0 * h, n=14)).met is False
    assert memory([]).met is None


@pytest.mark.parametrize(
    ("counts", "met"),
    [
        ([10] * 40, True),
        ([0] * 10 + [40] * 30, True),
        ([40] * 15 + [41] * 5 + [40] * 20, True),
        ([40] * 30 + [41] * 10, False),
        (list(range(40)), False),
        ([40, 41, 42], None),
    ],
)
def test_what_a_process_holds_is_flat_after_the_first_quarter(counts: Sequence[int], met: bool | None) -> None:
    assert flat("descriptors", counts).met is met


@pytest.mark.parametrize(
    ("name", "findings"),
    [
        ("masters", Findings(silent=["modbus 127.0.0.1"], exit_code=0)),
        ("masters", Findings(errors=["timeout"], exit_code=0)),
        ("log", Findings(log=["WARNING something"], exit_code=0)),
        ("wire as REST", Findings(apart=["reads 1"], exit_code=0)),
        ("totals", Findings(backwards=["1 after 2"], exit_code=0)),
        ("end", Findings(exit_code=-9)),
        ("end", Findings(exit_code=None)),
    ],
)
def test_each_finding_fails_its_own_criterion(name: str, findings: Findings) -> None:
    criteria = judged(run_of(lambda h: 250.0), replace(findings, compared={"modbus": 3}))
    assert [each.name for each in criteria if each.met is False] == [name]
    assert not passed(criteria)


def test_a_run_without_findings_is_passed_and_what_it_is_too_short_for_is_not_shown() -> None:
    found = Findings(exit_code=0)
    criteria = judged([SAMPLE], found) + far_ahead([SAMPLE], found, OSLO)
    assert passed(criteria)
    assert {each.name for each in criteria if each.met} == {"masters", "log", "totals", "end"}


@pytest.mark.parametrize(
    ("begin", "end", "shown"),
    [
        ("2038-01-15", "2038-01-20", {"2**31 s since 1970"}),
        ("2038-03-27", "2038-03-29", {"summer time"}),
        ("2038-12-31", "2039-01-02", {"year's end"}),
        ("2040-02-28", "2040-03-02", {"leap day"}),
        ("2038-02-28", "2038-03-02", set()),
        ("2038-01-15", "2040-07-19", {"2**31 s since 1970", "summer time", "year's end", "leap day"}),
    ],
)
def test_what_of_the_calendar_a_run_has_shown(begin: str, end: str, shown: set[str]) -> None:
    samples = [replace(SAMPLE, site_unix_s=datetime.fromisoformat(f"{day}T12:00Z").timestamp()) for day in (begin, end)]
    assert {each.name for each in far_ahead(samples, Findings(), OSLO) if each.met} == shown


def test_registers_past_their_range_are_shown_by_those_that_began_again_and_those_that_hold_more() -> None:
    found = Findings(wraps={"dnp3": 1}, highest={"modbus uint64": 2.0**32, "modbus float32": 2.0**32 - 1.0})
    assert {each.name for each in far_ahead([SAMPLE], found, OSLO) if each.met} == {
        "dnp3 counters past 2**32",
        "modbus uint64 past 2**32",
    }


def test_totals_that_begin_again_are_told_from_those_that_go_back() -> None:
    seen = Counters()
    for value in (5.0, 5.0, 2.0**32 - 3.0, 4.0):
        seen.see(("a",), "dnp3", value, 2.0**32)
    assert (seen.wraps, seen.backwards) == ({}, []) or seen.wraps == {"dnp3": 1}
    assert (seen.wraps, seen.highest, seen.backwards) == ({"dnp3": 1}, {"dnp3": 2.0**32 - 3.0}, [])
    seen.see(("a",), "dnp3", 3.0, 2.0**32)
    assert len(seen.backwards) == 1, "by one is back, not once around"
    for value in (1e9, 1e9 - 10.0, 1e9 - 1_000.0):
        seen.see(("b",), "modbus float32", value, math.inf)
    assert len(seen.backwards) == 2, "what a float32 cannot tell apart is the same"


def point(**said: Any) -> Point:
    return replace(Point("meter", "energy_imported_wh", (1, False, 40_000), "uint32", 1.0, True), **said)


@pytest.mark.parametrize(
    ("one", "wire", "reported", "agrees"),
    [
        (point(modulus=2.0**32), 7.0, 2.0**32 + 7.0, True),
        (point(modulus=2.0**32), 0.0, 2.0**32 - 0.4, True),
        (point(modulus=2.0**32), 2.0**32 - 1.0, 2.0**32 - 0.4, True),
        (point(modulus=2.0**32), 2.0**32 - 1.0, 2.0**33 + 9.0, False),
        (point(modulus=2.0**32), 2.0**32 + 7.0, 2.0**32 + 7.0, False),
        (point(modulus=2.0**31, floored=True), 41.0, 2.0**31 + 41.9, True),
        (point(whole=True, scale=0.1), 2301.0, 230.14, True),
        (point(whole=True, scale=0.1), 2302.0, 230.14, False),
        (point(whole=True, limits=(-32_767.0, 32_767.0)), 32_767.0, 40_000.0, True),
        (point(data_type="float32", scale=-1.0), -2.5, 2.5, True),
        (point(data_type="float32"), 2.6, 2.5, False),
        (point(offset=1.0, whole=True), 2.0, 1.0, True),
    ],
)
def test_a_wire_value_agrees_with_the_quantity_by_its_points_own_rule(
    one: Point, wire: float, reported: float, agrees: bool
) -> None:
    assert one.agrees(wire, reported) is agrees


def test_registers_are_taken_the_highest_first() -> None:
    assert decoded("uint32", (1, 2)) == 65_538.0
    assert decoded("int16", (0xFFFF,)) == -1.0
    assert decoded("uint64", (0, 1, 0, 0)) == 2.0**32
    assert decoded("float32", (0x3F80, 0)) == 1.0


def test_the_site_that_runs_ahead_is_tiny_before_the_end_of_32_bit_time(tmp_path: Path) -> None:
    file = tmp_path / "far.yaml"
    file.write_text(far_site(), encoding="utf-8")
    layout = sites.load(str(file))
    assert layout.device_count == 5
    begin_s = layout.start.timestamp()
    assert begin_s < 2**31 < begin_s + 10 * 86_400.0


# ------------------------------------------------------------------------------------------- end to end


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def eventually(asked: Callable[[], Any], within_s: float = 90.0) -> Any:
    until = time.monotonic() + within_s
    while not (answer := asked()):
        assert time.monotonic() < until, f"not within {within_s} s"
        time.sleep(0.1)
    return answer


def test_a_task_that_passes_over_a_cancellation_is_told_again() -> None:
    heard = []

    async def stubborn() -> None:
        while len(heard) < 3:
            try:
                await asyncio.sleep(3_600.0)
            except asyncio.CancelledError:
                heard.append(1)

    async def ended() -> None:
        tasks = [asyncio.create_task(stubborn())]
        await asyncio.sleep(0)
        await run._end(tasks, again_s=0.01)
        assert tasks[0].done()

    asyncio.run(ended())
    assert len(heard) == 3


def end_with_its_farms(process: subprocess.Popen[bytes]) -> None:
    """End a soak that does not end by itself, and its farms, which have sessions of their own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == process.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
    process.kill()
    process.wait()


def test_a_soak_that_is_interrupted_judges_what_it_has_and_ends_what_it_began(tmp_path: Path) -> None:
    """Totals are lifted past 2**32 by a fault, so that registers of 32 bits have begun again when they are compared."""
    out, said, far = tmp_path / "out", tmp_path / "said.txt", free_port()
    network = f"127.{64 + os.getpid() // 256 % 128}.{os.getpid() % 256}"
    command = [sys.executable, "-m", "pilotfarm.loadtests.soak", "--minutes", "60", "--site", "tiny", "--out", str(out)]
    command += ["--addresses", f"{network}.0/25", "--far-addresses", f"{network}.128/25", "--every-s", "0.2"]
    command += ["--far-api", f"127.0.0.1:{far}", "--far-speed", "1000"]
    with said.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:

        def rows() -> list[dict[str, str]]:
            assert process.poll() is None, said.read_text()
            file = out / "samples.csv"
            return list(csv.DictReader(file.read_text().splitlines())) if file.exists() else []

        eventually(lambda: [row for row in rows() if row["farm"] == "far" and int(row["modbus_answers"])])
        lifted = {"kind": "bias", "target": {"quantity": "*energy*_*h"}, "parameters": {"offset": 2.0**34}}
        httpx.post(f"http://127.0.0.1:{far}/api/v1/faults", json=lifted).raise_for_status()
        steps = int(rows()[-1]["steps"])
        answers = ("modbus_answers", "iec104_answers", "dnp3_answers")
        eventually(lambda: all(int(row[name]) for row in rows()[-2:] for name in answers))
        eventually(lambda: any(row["farm"] == "far" and int(row["steps"]) > steps + 1 for row in rows()))
        process.send_signal(signal.SIGINT)
        assert process.wait(60.0) == 0, said.read_text()
    finally:
        if process.poll() is None:
            end_with_its_farms(process)
    verdict = json.loads((out / "verdict.json").read_text())
    assert verdict["passed"]
    for name in ("near", "far"):
        farm = verdict["farms"][name]
        assert min(farm["findings"]["compared"].values()) > 100
        assert set(farm["findings"]["compared"]) == {"modbus", "iec104", "dnp3"}
        assert farm["findings"]["exit_code"] == 0
        met = {each["name"] for each in farm["criteria"] if each["met"]}
        assert met >= {"masters", "log", "wire as REST", "totals"}
    highest = verdict["farms"]["far"]["findings"]["highest"]
    assert min(highest["modbus uint64"], highest["modbus float32"]) > 2**32
    assert 0 < highest["modbus uint32"] < 2**32
    assert 0 < highest["dnp3"] < 2**32
    assert 0 < highest["iec104"] < 2**31
    assert (out / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert said.read_text().rstrip().endswith("PASS")


def test_a_farm_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Farm(Plan("near", "atlantis"), tmp_path) as farm:
            await farm.up()

    with pytest.raises(FarmError, match="atlantis"):
        asyncio.run(scenario())


def test_a_criterion_is_told_in_a_word() -> None:
    assert [Criterion("", met, "").word for met in (True, False, None)] == ["PASS", "FAIL", "not shown"]
    assert datetime.fromtimestamp(2**31, UTC).isoformat() == "2038-01-19T03:14:08+00:00"
