"""``pilotfarm up`` where things are short: open files, time, and the patience of who reads its log."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
import typer
from py1815 import link as wire
from test_up import PATIENCE_S, Up, environment, free_ports, pilotfarm
from typer.testing import CliRunner

from pilotfarm.api import serve
from pilotfarm.api.cli import _Group
from pilotfarm.emulators.errors import RunError, StateError
from pilotfarm.emulators.record.ledger import Recording
from pilotfarm.emulators.record.tables import read
from pilotfarm.emulators.site import Addressing, load

FILES_MAX = 350
"""Enough for the listeners of tiny, the masters its stations admit, and REST's minimum; not for all who come."""
READ = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 40_000, 2)


@contextmanager
def short_of_files(errors: IO[str]) -> Iterator[Up]:
    """Run tiny as `nohup` runs it, where a process may open few files."""
    shell = ["bash", "-c", f'ulimit -n {FILES_MAX}; trap "" HUP; exec "$@"', "up"]
    command = pilotfarm("up", "tiny", "--quiet", "--api", "127.0.0.1:0", "--ports-from", str(free_ports(20)))
    with subprocess.Popen(
        shell + command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            up = Up(process, [process.stdout.readline().rstrip("\n")])
            with up.client:
                yield up
        finally:
            process.kill()


def reads(place: tuple[str, int]) -> bool:
    """Whether a master that comes now is answered."""
    try:
        with socket.create_connection(place, PATIENCE_S) as master:
            master.sendall(READ)
            return bool(master.recv(64))
    except ConnectionError:
        return False


def garbage(outstation: int) -> bytes:
    """Frames of DNP3 from masters that nobody knows, which py1815 warns of one by one."""
    control = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.UNCONFIRMED_USER_DATA)
    payload = bytes.fromhex("c0c001")
    return b"".join(
        wire.build(control, destination=outstation, source=source, payload=payload) for source in range(5_000)
    )


def test_short_of_files_rest_and_masters_go_on_and_little_is_said(tmp_path: Path) -> None:
    """Of a process that ignores a hangup, as under `nohup`."""
    said = tmp_path / "said.txt"
    with said.open("w") as errors, short_of_files(errors) as up, ExitStack() as stack:
        rows = up.client.get("/endpoints").json()
        places = sorted({(row["host"], row["port"]) for row in rows})
        host, port = up.url.removeprefix("http://").split(":")
        idle = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(FILES_MAX)]
        masters = [stack.enter_context(socket.create_connection(place)) for place in places * 25]
        for _ in range(3):
            assert httpx.get(f"{up.url}/healthz", trust_env=False, timeout=PATIENCE_S).status_code == 200
        where = up.endpoint("modbus")
        until_s = time.monotonic() + PATIENCE_S
        while not reads((where["host"], where["port"])):  # as long as all may wait who can, one more is turned away
            assert time.monotonic() < until_s
        with socket.create_connection(next((r["host"], r["port"]) for r in rows if r["protocol"] == "dnp3")) as peer:
            peer.sendall(garbage(next(r["link_address"] for r in rows if r["protocol"] == "dnp3")))
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(PATIENCE_S)
            while peer.recv(4_096):
                pass
        assert len(idle) + len(masters) > FILES_MAX
        up.process.send_signal(signal.SIGHUP)
        assert up.client.get("/site").status_code == 200
        assert up.end(signal.SIGTERM) == 0
    assert len(said.read_text().splitlines()) < 40


def test_a_farm_later_than_it_may_be_ends_with_a_whole_ledger(tmp_path: Path) -> None:
    layout = load("tiny", Addressing(ports_from=free_ports(20)))
    options = serve.Options("127.0.0.1", 0, None, 100_000.0, Recording(tmp_path), max_late_s=0.05)
    announced: list[str] = []
    with pytest.raises(RunError, match=r"behind, more than --max-late 0\.05"):
        serve.run(layout, options, announced.append)
    assert len(announced) == 1
    assert read(tmp_path, "values").num_rows > 0
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(("error", "code"), [(RunError("it was late"), 1), (StateError("not now"), 2)])
def test_a_run_that_failed_ends_with_1_and_what_can_be_mended_with_2(error: Exception, code: int) -> None:
    app = typer.Typer(cls=_Group)
    app.callback()(lambda: None)

    @app.command()
    def fail() -> None:
        raise error

    done = CliRunner().invoke(app, ["fail"])
    assert (done.exit_code, done.output) == (code, f"error: {error}\n")
