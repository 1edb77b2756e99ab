"""The load test from the command line to the exit code, against SESPs that keep their word and one that does not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from stranger_sesp import stranger
from typer.testing import CliRunner, Result

from pilotfarm.api import sesp_load
from pilotfarm.api.cli import app
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.scenarios.model import SespLoadTable
from pilotfarm.emulators.scenarios.sesp_load import judged
from pilotfarm.emulators.site import load
from pilotfarm.loadtests.journal import Entry, Journal
from pilotfarm.loadtests.outcome import NoResult
from pilotfarm.loadtests.plan import Plan, seconds, target
from pilotfarm.loadtests.run import Stop, load_test
from pilotfarm.loadtests.sesp.app import make_app
from pilotfarm.loadtests.source import FarmSource, Sample, Sender
from pilotfarm.loadtests.users import UserPool

SITE = "tiny"
QUICK = ("--site", SITE, "--users", "5", "--duration", "1s", "--speedup", "3000", "--daily-interval", "5m")


def here(url: str, *options: str, token: str | None = None) -> Result:
    """The command in this process; Locust has one of its own all the same."""
    environment = {} if token is None else {"PILOTFARM_SESP_TOKEN": token}
    return CliRunner().invoke(app, ["loadtest", "sesp", "--url", url, *options], env=environment)


def in_a_process(url: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "pilotfarm.api.cli", "loadtest", "sesp", "--url", url, *options]


class Watched:
    """A SESP that says when it has answered its first reading."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._posts = 0
        self.answered = Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "POST":
            self._posts += 1
            if self._posts > 1:  # the first is the probe's
                self.answered.set()


def test_everything_sent_is_stored_and_the_test_ends_with_0(serve: Any, tmp_path: Path, database: str) -> None:
    report_file, journal = tmp_path / "report.json", tmp_path / "journal.sqlite"
    options = (*QUICK, "--duration", "2s", "--json", str(report_file), "--journal", str(journal))
    with serve(make_app(database)) as url:
        command = in_a_process(url, *options, "--csv", str(tmp_path / "new" / "l"))
        ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        everything = httpx.get(f"{url}/api/v1/readings", params={"limit": 5000}).json()["readings"]
    report = json.loads(report_file.read_text())
    stored = [row for row in everything if row["run"] == report["run"]]
    assert [row["run"] for row in everything if row not in stored] == [f"{report['run']}-probe"]
    assert (report["status"], report["reason"], report["exit_code"], report["ended_early_by"]) == (
        "complete",
        None,
        0,
        None,
    )
    assert report["complete"]
    assert report["plan"]["users"] == 5
    assert report["sent"] == report["acknowledged"] == report["stored"] == len(stored) > 20
    assert (report["lost"], report["unconfirmed"], report["duplicates"], report["extras"]) == (0, 0, 0, 0)
    assert 0.0 < report["latency_p50_s"] <= report["latency_p99_s"] <= report["latency_max_s"]
    with sqlite3.connect(journal) as connection:
        noted = set(connection.execute("SELECT device_id, sequence FROM sent"))
    connection.close()
    assert noted == {(row["device_id"], row["sequence"]) for row in stored}
    assert len({row["kind"] for row in stored}) == 5
    assert all(row["values"] for row in stored)
    assert len({row["timestamp"] for row in stored}) > 1, "site time moves"
    assert (tmp_path / "new" / "l_stats.csv").read_text().startswith("Type,Name")
    assert "latency p99" in ended.stdout


def test_readings_that_a_sesp_by_another_hand_acknowledges_and_does_not_store_are_found(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    with stranger("forgets", token="s3cret") as sesp:
        ended = here(sesp.url, *QUICK, "--json", str(report_file), token="s3cret")
    report = json.loads(report_file.read_text())
    assert ended.exit_code == 1, ended.stdout + ended.stderr
    assert (report["status"], report["exit_code"], report["complete"]) == ("incomplete", 1, False)
    assert report["acknowledged"] == report["sent"]
    # The first of those it took is the probe's.
    assert report["lost"] == (report["sent"] + 1) // 10 == report["sent"] - report["stored"] > 0
    assert len(report["missing"]) == report["lost"]
    assert report["reason"] == f"{report['lost']} of {report['sent']} readings are not stored"
    assert report["reason"] in ended.stdout


def test_a_sesp_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    ended = here("http://127.0.0.1:9", *QUICK, "--json", str(tmp_path / "report.json"))
    assert ended.exit_code == 2
    assert "http://127.0.0.1:9" in ended.stderr
    assert "pilotfarm sesp" in ended.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["status"], report["exit_code"], report["sent"]) == ("failed", 2, None)
    assert f"error: {report['reason']}\n" == ended.stderr


def test_a_sesp_that_no_longer_says_what_it_stored_leaves_the_result_unknown(tmp_path: Path) -> None:
    report_file, path = tmp_path / "report.json", tmp_path / "journal.sqlite"
    with closing(Journal.begin(path, plan(run="earlier"))) as earlier:
        earlier.add(Entry("d", 1, 0.0, 0.0, 0.1, 201))
    with stranger(token="s3cret", mute_after=1) as sesp:
        ended = here(sesp.url, *QUICK, "--json", str(report_file), "--journal", str(path), token="s3cret")
        taken = sesp.taken - 1
    assert ended.exit_code == 2
    report = json.loads(report_file.read_text())
    assert (report["status"], report["complete"], report["stored"], report["lost"]) == ("failed", False, None, None)
    assert report["sent"] == report["acknowledged"] == taken > 0
    assert f"{taken} readings were sent" in report["reason"]
    assert "500" in report["reason"]
    with closing(sqlite3.connect(path)) as connection:
        counts = dict(connection.execute("SELECT run, count(*) FROM sent JOIN runs ON runs.id = run_id GROUP BY run"))
    assert counts == {"earlier": 1, report["run"]: taken}
    assert b"s3cret" not in path.read_bytes() + report_file.read_bytes() + ended.stderr.encode()


def test_a_locust_that_fails_is_said_with_its_last_words(tmp_path: Path) -> None:
    with closing(Journal.begin(Path(":memory:"), plan())) as journal, pytest.raises(NoResult) as failed:
        load_test(plan(journal=str(tmp_path / "no folder" / "journal")), journal, tmp_path, Stop())
    assert "nothing was sent: Locust ended with code 1" in str(failed.value)
    assert "unable to open database file" in str(failed.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--json", "{}/no folder/report.json"), "cannot write"),
        (("--csv", "{}/file/l"), "cannot write"),
        (("--csv", "{}"), "cannot write"),
        (("--journal", "{}/file"), "no SQLite file"),
        (("--journal", "{}/no folder/j"), "unable to open"),
        (("--token", "two words"), "without spaces"),
        (("--interval", "soon"), "no time"),
        (("--site", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(options: tuple[str, str], said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "_stats.csv").mkdir()
    (tmp_path.with_name(f"{tmp_path.name}_stats.csv")).mkdir()
    report_file = tmp_path / "report.json"
    given = [option.format(tmp_path) for option in options]
    with stranger() as sesp:
        ended = here(sesp.url, *QUICK, "--json", str(report_file), *given)
    assert (ended.exit_code, sesp.taken) == (2, 0)
    assert said in ended.stderr
    assert (tmp_path / "file").read_text() == "mine"
    if "--json" not in options:
        report = json.loads(report_file.read_text())
        assert report["status"] == "failed"
        assert said in report["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_sending_or_else_the_test(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # who runs the tests may ignore it
    try:
        _signalled(number)
    finally:
        signal.signal(number, before)


def _signalled(number: signal.Signals) -> None:
    stop = Stop()
    with stop.listening():
        with pytest.raises(StateError, match=f"stopped by {number.name}"):
            os.kill(os.getpid(), number)
        with stop.sending():
            os.kill(os.getpid(), number)
            with subprocess.Popen(["sleep", "60"]) as child:
                stop.pass_on_to(child)  # it came while the child was made
                assert child.wait(10.0) == -signal.SIGTERM
        with stop.sending(), subprocess.Popen(["sleep", "60"]) as child:
            stop.by = None
            stop.pass_on_to(child)
            os.kill(os.getpid(), number)
            assert child.wait(10.0) == -signal.SIGTERM
    assert signal.getsignal(number) != stop._on_signal


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop().listening():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_test_that_sends_nothing_proves_nothing(serve: Any, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    with serve(make_app("sqlite://")) as url:
        ended = here(url, "--site", SITE, "--users", "1", "--duration", "1s", "--json", str(report_file))
    assert ended.exit_code == 2
    assert "nothing was sent" in ended.stderr
    report = json.loads(report_file.read_text())
    assert (report["status"], report["sent"], report["stored"]) == ("failed", 0, None)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("http://192.0.2.1:8090", QUICK, "--allow-remote"),
        ("ftp://127.0.0.1", QUICK, "no URL"),
        ("http://127.0.0.1:9", (*QUICK, "--duration", "soon"), "no time"),
        ("http://127.0.0.1:9", (*QUICK, "--users", "0"), "users"),
        ("http://127.0.0.1:9", (*QUICK, "--site", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_option_ends_with_2_and_says_which(url: str, options: tuple[str, ...], said: str) -> None:
    ended = here(url, *options)
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_a_missing_locust_is_one_line_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.loadtests.run.has_locust", lambda: False)
    ended = here("http://127.0.0.1:9", *QUICK)
    assert ended.exit_code == 2
    said = ended.stderr
    assert said.count("\n") == 1
    assert "pip install 'pilotfarm[loadtest]'" in said


def test_a_signal_ends_the_test_early_and_what_was_sent_is_reconciled(serve: Any, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    watched = Watched(make_app("sqlite://"))
    with serve(watched) as url:
        # As a scenario's phase begins it and ends it.
        asked = SespLoadTable(users=5, factor=50.0)
        command = sesp_load.command(load(SITE), sesp_load.Target(url), asked, 60.0, report_file)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert watched.answered.wait(60.0), "nothing was sent"
            assert json.loads(report_file.read_text())["status"] == "unfinished"
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "ended early by SIGTERM" in out
    report = json.loads(report_file.read_text())
    assert (report["status"], report["ended_early_by"]) == ("complete", "SIGTERM")
    assert report["sent"] == report["stored"] > 0
    found = sesp_load.outcome_of(report_file, 0)
    assert found.counts is not None
    assert found.counts["sent"] == report["sent"]
    assert judged(asked, found)[0] == "PASS"


# --------------------------------------------------------------------------------- without Locust


class Steady:
    """Three devices whose values never change; one of them reports daily."""

    senders = (Sender("a", "battery", False), Sender("b", "battery", False), Sender("m", "smart_meter", True))

    def __init__(self) -> None:
        self.moved_s = 0.0

    def advance(self, by_s: float) -> None:
        self.moved_s += by_s

    def sample(self, device_id: str) -> Sample:
        return Sample("2026-01-01T00:00:00+00:00", {"p": float(ord(device_id[0]))}, {})


@pytest.fixture
def pool() -> Any:
    journal = Journal.begin(Path(":memory:"), plan())
    yield UserPool(plan(), Steady(), journal, ManualClock())
    journal.close()


def plan(**changes: Any) -> Plan:
    base: dict[str, Any] = {"run": "r", "url": "http://127.0.0.1:9", "site": SITE, "users": 5, "duration_s": 60.0}
    base |= {"spawn_per_s": 5.0, "speedup": 10.0, "interval_s": 300.0, "daily_s": 86_400.0, "timeout_s": 5.0}
    return Plan(**(base | {"journal": ""} | changes))


def test_users_beyond_the_devices_take_them_again_under_ids_of_their_own(pool: UserPool) -> None:
    assert [pool.join().name for _ in range(7)] == ["a", "b", "m", "a~2", "b~2", "m~2", "a~3"]


def test_first_readings_are_spread_over_the_interval(pool: UserPool) -> None:
    waits = [member.wait_s for member in (pool.join() for _ in range(300)) if member.name[0] != "m"]
    assert all(0.0 <= wait < 30.0 for wait in waits)
    tenths = [sum(3.0 * k <= wait < 3.0 * (k + 1) for wait in waits) for k in range(10)]
    assert min(tenths) >= 15, tenths
    assert max(tenths) <= 25, tenths


def test_a_late_answer_does_not_shift_what_is_due_next(pool: UserPool) -> None:
    clock, member = pool.clock, pool.join()
    assert isinstance(clock, ManualClock)
    clock.advance(member.wait_s)
    assert member.is_due
    member.next_reading()
    clock.advance(7.0)
    member.answered(201)
    assert member.wait_s == pytest.approx(23.0)


def test_sequence_numbers_count_from_1_without_a_gap_whatever_the_answers(pool: UserPool) -> None:
    member = pool.join()
    numbers = []
    for status in (201, 0, 503, 201):
        numbers.append(member.next_reading()["sequence"])
        member.answered(status)
    assert numbers == [1, 2, 3, 4]


def test_nobody_begins_a_request_once_the_test_stops(pool: UserPool) -> None:
    member = pool.join()
    assert isinstance(pool.clock, ManualClock)
    pool.clock.advance(100.0)
    pool.stopping = True
    assert not member.is_due


def test_site_time_moves_with_wall_time_times_the_speedup() -> None:
    source, clock, journal = Steady(), ManualClock(), Journal.begin(Path(":memory:"), plan())
    pool = UserPool(plan(speedup=60.0), source, journal, clock)
    for gone_s in (1.0, 0.0, 2.5):
        clock.advance(gone_s)
        pool.advance()
    journal.close()
    assert source.moved_s == pytest.approx(210.0)


def test_a_farm_reports_what_the_specification_says_the_sesp_receives() -> None:
    source = FarmSource(SITE)
    by_kind = {sender.kind: sender for sender in source.senders}
    assert {kind for kind, sender in by_kind.items() if sender.daily} == {"smart_meter"}
    battery = source.sample(by_kind["battery"].device_id)
    assert {"active_power_w", "soc_frac", "soh_frac", "temperature_degc", "real_capacity_wh"} <= set(battery.values)
    assert not any(name.endswith("_setpoint_w") for name in battery.values)


def test_a_farm_moves_on_by_the_site_time_asked_for() -> None:
    from datetime import datetime

    source = FarmSource(SITE)
    device = source.senders[0].device_id
    before = datetime.fromisoformat(source.sample(device).timestamp)
    for by_s in (0.5, 300.0, 5_000.0):
        source.advance(by_s)
    after = datetime.fromisoformat(source.sample(device).timestamp)
    assert (after - before).total_seconds() == pytest.approx(5_300.5)


def test_a_plan_survives_its_journey_to_the_other_process(tmp_path: Path) -> None:
    sent = plan(interval_s=0.1 + 0.2)
    sent.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == sent


@pytest.mark.parametrize(("text", "value"), [("30s", 30.0), ("5m", 300.0), ("1.5h", 5400.0), ("1d", 86400.0)])
def test_times_are_written_with_their_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1w", "s", "1e3", "nan", "inf", "1m30s", "9" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        seconds(text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.8.9.1/", "http://localhost:1", "http://[::1]:1"])
def test_loopback_may_be_loaded(url: str) -> None:
    assert target(url, allow_remote=False) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@127.0.0.1:1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:x",
        "http://[::1",
        "http://127.0.0.1:1?run=1",
        "http://127.0.0.1:1#top",
        "127.0.0.1:8090",
        "http://",
        "",
    ],
)
def test_what_is_no_url_of_a_sesp_is_refused_and_no_password_is_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|token|[Pp]ort") as refused:
        target(url, allow_remote=True)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://sesp.example", "http://127.0.0.1.example", "http://[::2]"])
def test_anything_else_may_be_loaded_only_when_allowed(url: str) -> None:
    with pytest.raises(ValueError, match="--allow-remote"):
        target(url, allow_remote=False)
    assert target(url, allow_remote=True) == url
