"""A farm as its user has it: `pilotfarm up tiny` in a process of its own, held by its REST API.

Its ledger is on disk within a fifth of a second, so that no test waits for the seconds that a file of it collects.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from forked import SOON_S, eventually, forked

from pilotfarm.emulators.record.tables import read

UP_WITHIN_S: Final = 60.0
SEGMENT_S: Final = 0.2


@dataclass(frozen=True)
class Way:
    """One way to one device."""

    device: str
    host: str
    port: int
    address: int
    """Unit, common address or link address."""


def not_installed(command: list[str], within_s: float = 100.0) -> str:
    """Run a command of pip; return why it failed, empty if it did not, with the command that shows it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=within_s)
    except subprocess.TimeoutExpired:
        return f"`{' '.join(command)}` did not end within {within_s:g} s"
    return f"`{' '.join(command)}` says: {done.stderr[-300:]}" if done.returncode else ""


def installed(folder: Path, packages: Sequence[str], *options: str) -> Path:
    """Install a client's packages in a folder of their own; skip, with the command that shows why, where that fails."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *options, "--target", str(folder), *packages]
    if why := not_installed(command):
        pytest.skip(f"{packages[0]} cannot be installed here: {why}")
    return folder


class RunningFarm:
    """A site, paused: it moves when a test says so."""

    def __init__(self, url: str, recorded: Path) -> None:
        self.rest = httpx.Client(base_url=f"{url}/api/v1/", timeout=30.0)
        self.recorded = recorded
        self._json("PATCH", "clock", {"paused": True})
        self.step()

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.rest.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def step(self, steps: int = 1) -> None:
        self._json("POST", "clock/step", {"steps": steps})

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self._json("GET", "clock")["time"])

    def tell(self, device: str, **values: float) -> None:
        self._json("POST", f"devices/{device}/setpoints", values)

    def values(self, device: str) -> dict[str, float]:
        """What masters are told of a device now, by quantity."""
        found = self._json("GET", f"devices/{device}")["quantities"]
        return {name: math.nan if each["reported"] is None else each["reported"] for name, each in found.items()}

    def points(self, device: str, protocol: str) -> list[dict[str, Any]]:
        return [row for row in self._json("GET", f"devices/{device}/points") if row["protocol"] == protocol]

    def ways(self, protocol: str, *, station: str | None = None) -> dict[str, Way]:
        name = {"modbus": "unit", "iec104": "common_address", "dnp3": "link_address"}[protocol]
        rows = [row for row in self._json("GET", "endpoints") if row["protocol"] == protocol]
        return {
            row["device"]: Way(row["device"], row["host"], row["port"], row[name])
            for row in rows
            if row["station"] == station
        }

    # -------------------------------------------------------------------------------- the ledger

    def ledger_now(self) -> dict[str, dict[str, float]]:
        """The last step's row of every device and quantity, once it is on disk."""
        now = self.time

        def last() -> list[dict[str, Any]]:
            table = read(self.recorded, "values")
            return table.filter(pc.equal(table["site_time"], pa.scalar(now, table["site_time"].type))).to_pylist()

        found: dict[str, dict[str, float]] = {}
        for row in eventually(last):
            found.setdefault(row["device"], {})[row["quantity"]] = row["reported_value"]
        return found

    def rows(self, table: str, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Those rows of the ledger's commands or effects that are wanted, once there are any."""
        return eventually(lambda: [row for row in read(self.recorded, table).to_pylist() if wanted(row)])

    def commanded(self, device: str, quantity: str, value: float, protocol: str) -> dict[str, Any]:
        """The ledger's row of a command that this protocol brought, which has to be acknowledged."""

        def told(row: dict[str, Any]) -> bool:
            whence = (row["device"], row["quantity"], row["protocol"])
            return whence == (device, quantity, protocol) and math.isclose(
                row["value"], value, rel_tol=1e-6, abs_tol=1e-6
            )

        command = self.rows("commands", told)[-1]
        (receipt,) = self.rows("receipts", lambda row: row["command"] == command["command"])
        assert receipt["received"] <= receipt["acknowledged"], receipt
        return {**receipt, **command}

    def proves(self, device: str, quantity: str, value: float, protocol: str) -> None:
        """The ledger has the command as this protocol brought it, acknowledged, and in effect."""
        command = self.commanded(device, quantity, value, protocol)
        effect = self.rows(
            "effects", lambda row: (row["command"], row["outcome"]) == (command["command"], "effective")
        )[-1]
        assert effect["site_time"] >= command["site_time"]


def network() -> str:
    """Addresses that no other run on this machine uses, nor another worker of the same."""
    process = os.getpid()
    return f"127.{64 + process // 256 % 128}.{process % 256}.0/24"


@contextmanager
def broken(
    site: RunningFarm,
    kind: str,
    target: Mapping[str, Any],
    mode: str | None = None,
    duration_s: float | None = None,
    **parameters: Any,
) -> Iterator[dict[str, Any]]:
    """Put a fault on a site and take a step; yield what was answered, and end it with another step."""
    fault = {"kind": kind, "target": target, "mode": mode, "parameters": parameters, "duration_s": duration_s}
    answer = site.rest.post("faults", json=fault)
    assert answer.status_code == 201, answer.text
    site.step()
    try:
        yield answer.json()
    finally:
        site.rest.delete("faults").raise_for_status()
        site.step()


@contextmanager
def brought_up(folder: Path, site: str = "tiny", *options: str) -> Iterator[RunningFarm]:
    """Bring a site up with a ledger, and down again, which has to go without a hitch."""
    said = folder / "said.txt"
    command = ["up", site, "--quiet", "--api", "127.0.0.1:0", "--addresses", network()]
    command += ["--ledger", str(folder / "ledger"), *options]
    with forked(command, said, segment_s=SEGMENT_S) as process:

        def ready() -> str:
            assert process.poll() is None, said.read_text()
            return next((line for line in said.read_text().splitlines() if line.startswith("ready ")), "")

        farm = RunningFarm(eventually(ready, UP_WITHIN_S).split()[1], folder / "ledger")
        yield farm
        farm.rest.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 0, said.read_text()


def run_client(script: str, python: str = sys.executable, /, **arguments: Any) -> Mapping[str, Any]:
    """Run a client in a process of its own, so that its threads, crashes and Python are its own; it answers in JSON."""
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        [python, str(path), json.dumps(arguments)],
        env={**os.environ, "TZ": "UTC"},  # c104's times know no zone
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    answer: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
