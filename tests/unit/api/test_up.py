"""``pilotfarm up`` as a process of its own: ready when it says so, gone when told, nothing half-started."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from forked import Forked, eventually, forked
from pymodbus.client import ModbusTcpClient
from typer.testing import CliRunner, Result

from pilotfarm.api import serve
from pilotfarm.api.cli import app
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.record.ledger import Recording
from pilotfarm.emulators.site import Addressing, load
from pilotfarm.loadtests.hosts import is_loopback, parse_address

PATIENCE_S = 60.0
FOUR_RECORDS = timedelta(seconds=16)
"""Of one every four seconds."""


class Up:
    """A running ``pilotfarm up tiny`` on free ports."""

    def __init__(self, process: subprocess.Popen[str] | Forked, lines: list[str]) -> None:
        self.process = process
        self.lines = lines
        self.url = lines[-1].removeprefix("ready ")
        self.client = httpx.Client(base_url=f"{self.url}/api/v1", trust_env=False, timeout=PATIENCE_S)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def endpoint(self, protocol: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.client.get("/endpoints").json()
        return next(row for row in rows if row["protocol"] == protocol)


def pilotfarm(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pilotfarm.api.cli", *arguments]


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PILOTFARM")}
    return {**clean, **more}


def free_ports(count: int) -> int:
    """Find the first of ``count`` ports in a row that nobody has now."""
    for first in range(21_000 + os.getpid() % 7_000, 32_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        return first
    raise AssertionError("no free ports")


def command(*options: str) -> list[str]:
    return ["up", "tiny", "--api", "127.0.0.1:0", "--ports-from", str(free_ports(20)), *options]


@contextmanager
def running(folder: Path, *options: str, **more: str) -> Iterator[Up]:
    """What it says is in the folder's files `said` and, of errors, `wrong`."""
    said, wrong = folder / "said", folder / "wrong"
    with forked(command(*options), said, err=wrong, environment=environment(**more)) as process:

        def ready() -> list[str]:
            assert process.poll() is None, f"ended with {process.poll()} before it was ready: {wrong.read_text()}"
            whole = said.read_text().rpartition("\n")[0].splitlines()
            return whole if whole and whole[-1].startswith("ready ") else []

        up = Up(process, eventually(ready))
        with up.client:
            yield up


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """As a shell begins it: the others are forked."""
    words = pilotfarm(*command("--speed", "20", "--allow-host", "farm.example", "--allow-host", "10.0.0.7"))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if line.startswith("ready "):
                    break
            assert lines, f"ended with {process.wait()} before it was ready"
            found = Up(process, lines)
            with found.client:
                yield found
        finally:
            process.kill()


def refused(folder: Path, *arguments: str) -> str:
    """Run what must end with 2 and return what it said."""
    said, wrong = folder / "said", folder / "wrong"
    with forked(arguments, said, err=wrong, environment=environment()) as process:
        assert process.wait(PATIENCE_S) == 2, wrong.read_text()
    assert "ready" not in said.read_text()
    return wrong.read_text()


def unserved(port: int, ledger: Recording | None = None) -> str:
    """Try to serve tiny with its API at a port; return the problems, a line each."""
    layout = load("tiny", Addressing(ports_from=free_ports(20)))
    announced: list[str] = []
    with pytest.raises(ConfigError) as refusal:
        serve.run(layout, serve.Options("127.0.0.1", port, None, 1.0, ledger), announced.append)
    assert not announced
    return "\n".join(map(str, refusal.value.problems))


def here(*arguments: str, code: int = 0) -> Result:
    """A command in this process, which has to end with a code."""
    unset = dict.fromkeys(name for name in os.environ if name.startswith("PILOTFARM"))
    done = CliRunner().invoke(app, list(arguments), env=unset)
    assert done.exit_code == code, done.output
    return done


def test_ready_is_one_plain_line_after_the_endpoints(up: Up) -> None:
    assert re.fullmatch(r"ready http://127\.0\.0\.1:[0-9]+", up.lines[-1])
    assert any("battery-001" in line and "modbus" in line for line in up.lines[:-1])


def test_once_ready_every_endpoint_and_the_api_answer(up: Up) -> None:
    rows = up.client.get("/endpoints").json()
    for host, port in {(row["host"], row["port"]) for row in rows}:
        socket.create_connection((host, port), PATIENCE_S).close()
    assert httpx.get(f"{up.url}/healthz", trust_env=False).json()["listening"] == 12


def test_a_master_and_the_api_see_the_same_device(up: Up) -> None:
    where = up.endpoint("modbus")
    client = ModbusTcpClient(where["host"], port=where["port"])
    assert client.connect()
    answer = client.read_input_registers(0, count=2, device_id=1)
    client.close()
    assert answer.function_code in (4, 0x84)


def test_events_tell_of_a_fault_a_command_and_its_effect(up: Up) -> None:
    wanted = {"fault", "command", "effect"}
    with up.client.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == ": listening"
        fault = {"kind": "stuck", "target": {"device": "meter-001", "quantity": "frequency_hz"}, "duration_s": 5}
        assert up.client.post("/faults", json=fault).status_code == 201
        told = up.client.post("/devices/battery-001/setpoints", json={"stop": 1}).json()
        name, seen = "", {}
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                seen[name] = json.loads(line.removeprefix("data: "))
            if wanted <= set(seen):
                break
    assert seen["command"]["values"] == {"stop": 1.0}
    assert seen["command"]["command"] == seen["effect"]["command"] == told["id"]
    assert seen["effect"]["outcome"] == "effective"
    assert seen["fault"]["event"] in ("began", "ended")


def test_faults_are_put_on_listed_and_cleared_from_the_command_line(up: Up) -> None:
    def said(*arguments: str) -> str:
        return here("fault", *arguments, "--api", up.url).stdout

    added = said("add", "bias", "--quantity", "soc_frac", "--set", "factor=0.5", "--json")
    fault = json.loads(added)
    assert fault["parameters"]["factor"] == 0.5
    text = said("add", "offline", "--device", "pv-*", "--mode", "cut", "--duration", "600")
    assert "hit    1: pv-001" in text
    course = ("--count", "9", "--ramp", "2", "--duration", "60", "--spread", "3", "--phase", "L1")
    assert said("add", "silence", *course, "--dry-run").startswith("dry run: silence unheard on phase=L1 from ")
    assert said("add", "silence", *course).splitlines()[0].endswith(" for 60 s for 9 messages over 2 s until 3 s later")
    assert "  bites 0" in said("list").splitlines()[-1]
    *_, bias, offline, silence = json.loads(said("list", "--json"))
    assert (bias["kind"], offline["kind"], silence["kind"]) == ("bias", "offline", "silence")
    assert f"cleared {fault['id']}:" in said("clear", str(fault["id"]))
    assert "offline" in said("clear", "--all")
    later = here("fault", "add", "offline", "--start", "2027-03-01T00:00", "--api", up.url)
    assert "days of site time ahead: at the present speed of 20" in later.stderr
    assert said("list", "--state", "pending").count("offline") == 1
    assert said("list", "--state", "active") == "no faults\n"
    assert "did you" not in here("fault", "list", "--state", "a&limit=1", "--api", up.url, code=2).stderr
    problems = here("fault", "add", "ofline", "--kind", "batery", "--api", up.url, code=2).stderr
    assert "did you mean offline?" in problems
    assert "did you mean battery?" in problems


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_under_load_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running(tmp_path, "--speed", "50", "--ledger", str(ledger), "--quiet") as farm, ExitStack() as stack:
        assert len(farm.lines) == 1
        where = farm.endpoint("modbus")
        farm.client.post("/devices/battery-001/setpoints", json={"stop": 1})
        while farm.client.get("/devices/battery-001").json()["quantities"]["running"]["value"]:
            pass  # the next step takes it; what still waits at the end is no command yet
        # Readers of the stream and masters in the middle of a request are still there when it ends.
        for _ in range(3):
            stream = stack.enter_context(farm.client.stream("GET", "/events"))
            assert next(stream.iter_lines()) == ": listening"
        for _ in range(20):
            sock = stack.enter_context(socket.create_connection((where["host"], where["port"]), PATIENCE_S))
            sock.sendall(bytes.fromhex("000100000006010300000002") * 500 + b"\x00\x01")
        assert farm.end(number) == 0
    from pilotfarm.emulators.record.tables import read

    assert read(ledger, "values").num_rows > 0
    assert set(read(ledger, "commands")["quantity"].to_pylist()) >= {"stop"}


def test_a_ledger_that_lost_rows_is_said_at_the_end_with_1(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    with running(tmp_path, "--quiet", "--ledger", str(folder)) as farm:
        folder.rename(tmp_path / "moved")
        folder.write_text("in the way")
        steps = farm.client.get("/clock").json()["time"]
        while farm.client.get("/clock").json()["time"] == steps:
            pass
        assert farm.end(signal.SIGTERM) == 1
    last = (tmp_path / "wrong").read_text().splitlines()[-1]
    assert re.match(rf"error: rows of the ledger in {folder} were lost, [0-9,]+ of values, [0-9,]+ of feeders, ", last)


def test_a_ledger_that_cannot_be_is_said_before_anything_listens(up: Up, tmp_path: Path) -> None:
    """Neither the API's port, which is taken, nor a device's is asked for."""
    (tmp_path / "file").touch()
    said = unserved(int(up.url.rpartition(":")[2]), Recording(tmp_path / "file"))
    assert said.splitlines()[0].startswith(f"{tmp_path / 'file'}: is a file, not a folder")
    assert "listen" not in said


def test_what_a_ledger_keeps_is_chosen_and_a_token_from_the_environment_guards_the_api(tmp_path: Path) -> None:
    from pilotfarm.emulators.record.tables import read

    choice = ("--quantities", "soc_frac, voltage_l[123]_v", "--every", "4")
    shown = {"Authorization": "Bearer secret"}
    options = ("--quiet", "--speed", "40", "--ledger", str(tmp_path / "ledger"), *choice)
    with running(tmp_path, *options, PILOTFARM_TOKEN="secret") as farm:
        assert farm.client.get("/site").status_code == 401
        begin = datetime.fromisoformat(farm.client.get("/site", headers=shown).json()["start"])
        while datetime.fromisoformat(farm.client.get("/clock", headers=shown).json()["time"]) < begin + FOUR_RECORDS:
            assert farm.process.poll() is None
        assert farm.end(signal.SIGTERM) == 0
    values = read(tmp_path / "ledger", "values").to_pandas()
    assert set(values["quantity"]) == {"soc_frac", "voltage_l1_v", "voltage_l2_v", "voltage_l3_v"}
    times = values["site_time"].drop_duplicates().sort_values()
    assert set(times.diff().dropna().dt.total_seconds()) == {4.0}


def test_a_taken_protocol_port_names_device_address_and_remedy_and_leaves_nothing(tmp_path: Path) -> None:
    first = free_ports(20)
    with socket.create_server(("127.0.0.1", first + 1)):
        said = refused(tmp_path, "up", "tiny", "--api", "127.0.0.1:0", "--ports-from", str(first))
    assert "charger-001" in said
    assert f"127.0.0.1:{first + 1}" in said
    assert "--ports-from" in said
    assert said.count("cannot listen") == 1


def test_a_taken_api_port_is_said_before_anything_listens(up: Up) -> None:
    port = int(up.url.rpartition(":")[2])
    said = unserved(port)
    assert f"127.0.0.1:{port}" in said
    assert "--api" in said


def test_off_loopback_a_token_is_required(tmp_path: Path) -> None:
    assert "--token" in refused(tmp_path, "up", "tiny", "--api", "0.0.0.0:0")


def test_a_fault_without_a_farm_says_how_to_get_one() -> None:
    port = free_ports(1)
    said = here("fault", "list", "--api", f"http://127.0.0.1:{port}", code=2).stderr
    assert "no farm answers" in said
    assert "pilotfarm up" in said


def test_a_site_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "tiny" in refused(tmp_path, "up", "tinny")


@pytest.mark.parametrize("text", ["", "8080", ":8080", "localhost", "localhost:x", "localhost:70000", "localhost:-1"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(text, "--api")


@pytest.mark.parametrize(
    ("text", "expected", "loopback"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080), True),
        ("127.9.0.1:0", ("127.9.0.1", 0), True),
        ("[::1]:80", ("::1", 80), True),
        ("localhost:1", ("localhost", 1), True),
        ("0.0.0.0:80", ("0.0.0.0", 80), False),
        ("10.0.0.1:80", ("10.0.0.1", 80), False),
        ("[::]:80", ("::", 80), False),
        ("example.org:80", ("example.org", 80), False),
    ],
)
def test_an_address_is_taken_apart_and_known_to_be_loopback(
    text: str, expected: tuple[str, int], loopback: bool
) -> None:
    assert parse_address(text, "--api") == expected
    assert is_loopback(expected[0]) is loopback


def asked(up: Up, text: str) -> bytes:
    """Send a request as it stands, and return the answer's first line."""
    with socket.create_connection(("127.0.0.1", int(up.url.rpartition(":")[2])), PATIENCE_S) as sock:
        sock.sendall(text.encode())
        return sock.recv(1_000).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /healthz HTTP/1.0", 200),
        ("GET /healthz HTTP/1.1\r\nHost: localhost", 200),
        ("GET /healthz HTTP/1.1\r\nHost:", 200),
        ("GET /healthz HTTP/1.1", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: evil.example", 400),
        ("GET /healthz HTTP/1.1\r\nHost: evil.example", 421),
        ("GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example", 200),
        ("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost", 421),
    ],
)
def test_a_request_is_for_the_host_it_names(up: Up, head: str, status: int) -> None:
    assert asked(up, f"{head}\r\n\r\n").startswith(f"HTTP/1.1 {status} ".encode())


def test_half_sent_requests_do_not_shut_the_api(up: Up) -> None:
    address = ("127.0.0.1", int(up.url.rpartition(":")[2]))
    with ExitStack() as stack:
        for _ in range(550):
            sock = stack.enter_context(socket.create_connection(address, PATIENCE_S))
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: ")
        assert httpx.get(f"{up.url}/healthz", trust_env=False, timeout=PATIENCE_S).status_code == 200


def test_other_names_are_served_when_they_are_given(up: Up) -> None:
    for host, status in (("farm.example", 200), ("10.0.0.7:80", 200), ("10.0.0.8", 421)):
        assert httpx.get(f"{up.url}/healthz", headers={"Host": host}, trust_env=False).status_code == status


def test_a_name_to_allow_that_is_none_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, "up", "tiny", "--allow-host", "farm.example", "--allow-host", "http://farm.example")
    assert "--allow-host" in said
    assert "'http://farm.example'" in said
