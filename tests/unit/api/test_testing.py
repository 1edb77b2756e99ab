"""Farms for tests: from Python and as a fixture of pytest, each in a process that others have used before it.

The tests that end such a process stand last, for the next farm costs a new one.
"""

from __future__ import annotations

import inspect
import math
import os
import socket
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from pilotfarm.api import farm_process, running_farm
from pilotfarm.api.endpoint import Endpoint
from pilotfarm.api.ports import BLOCK
from pilotfarm.api.testing import ConfigError, LinkError, NotSeen, RunningFarm, running
from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.requests import FAULT_KEYS

pytest_plugins = ("pytester",)

SITE = """\
name: two
location: {latitude_deg: 59, longitude_deg: 11, time_zone: Europe/Oslo}
start: 2026-06-15T08:00:00
feeders: {east: {}}
groups:
  meters: {kind: smart_meter, count: 2, feeder: east, endpoints: [{protocol: modbus}]}
"""


@pytest.fixture(scope="module")
def farm() -> Iterator[RunningFarm]:
    with suppress(LinkError), running() as farm:  # the last test ends its process
        yield farm


def words(endpoint: Endpoint, address: int, count: int) -> list[int]:
    """Read registers by a client of somebody else's."""
    with ModbusTcpClient(endpoint.host, port=endpoint.port, timeout=5, retries=0) as client:
        answer = client.read_holding_registers(address, count=count, device_id=endpoint.unit)
    return list(answer.registers)


# ------------------------------------------------------------------------------------------- one farm


def test_a_master_finds_a_device_where_it_is_said_to_be(farm: RunningFarm) -> None:
    where = farm.endpoint("battery-001", "modbus")
    assert bytes.fromhex("".join(f"{each:04x}" for each in words(where, 40_000, 2))) == b"SunS"
    assert (where.host, where.station, where.map) == ("127.0.0.1", None, "sunspec")


def test_an_address_has_the_name_of_its_protocol(farm: RunningFarm) -> None:
    for protocol, name in (("modbus", "unit"), ("iec104", "common_address"), ("dnp3", "link_address")):
        where = farm.endpoint("meter-001", protocol)
        (row,) = (
            each
            for each in farm.client.get("endpoints").json()
            if (each["device"], each["protocol"]) == ("meter-001", protocol)
        )
        assert getattr(where, name) == where.address == row[name]
        assert [where.host, where.port, where.station] == [row["host"], row["port"], row["station"]]
        other = "unit" if name != "unit" else "link_address"
        with pytest.raises(AttributeError, match=f"an endpoint of {protocol} has no address of"):
            getattr(where, other)


def test_of_several_ways_one_is_named(farm: RunningFarm) -> None:
    direct, rtu = (farm.endpoint("pv-001", "iec104", station=station) for station in ("", "rtu"))
    assert (direct.station, rtu.station) == (None, "rtu")
    assert direct.port != rtu.port
    assert {direct, rtu} <= set(farm.endpoints)
    with pytest.raises(ConfigError, match=r"pv-001: name one of its ways over iec104: .*station='rtu'.*station=''"):
        farm.endpoint("pv-001", "iec104")


def test_devices_are_listed_by_what_they_are(farm: RunningFarm) -> None:
    assert farm.devices() == ["charger-001", "battery-001", "pv-001", "meter-001", "home-001"]
    assert farm.devices(kind="battery", feeder="street") == ["battery-001"]
    assert farm.devices(device="*-001", group="pv") == ["pv-001"]


def test_a_long_list_of_devices_comes_in_pages(farm: RunningFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in (1, 2, 5):
        monkeypatch.setattr(running_farm, "PAGE", page)
        assert farm.devices() == ["charger-001", "battery-001", "pv-001", "meter-001", "home-001"]


def test_nothing_moves_until_it_is_stepped(farm: RunningFarm) -> None:
    before = farm.time
    assert farm.time == before
    assert farm.step() == before + timedelta(seconds=1)
    assert farm.step(3) == before + timedelta(seconds=4)
    assert farm.step(seconds=2) == farm.time == before + timedelta(seconds=6)
    with pytest.raises(TypeError, match="not both"):
        farm.step(2, seconds=2)
    with pytest.raises(ConfigError, match=r"seconds: 1\.5 s are no whole number of steps of 1 s"):
        farm.step(seconds=1.5)


def test_a_setpoint_is_followed_and_its_limit_told(farm: RunningFarm) -> None:
    assert farm.setpoint("battery-001", active_power_setpoint_w=-1200, start=True) == {}
    began = farm.time
    passed_s = farm.until("battery-001.active_power_w == -1200 +- 1", within_s=60)
    assert farm.time - began == timedelta(seconds=passed_s)
    assert farm.value("battery-001.active_power_w") == pytest.approx(-1200, abs=1)
    assert farm.setpoint("charger-001", current_limit_a=0.5) == {"current_limit_a": 0.0}
    with pytest.raises(TypeError, match="needs a value"):
        farm.setpoint("battery-001")


def test_what_is_not_seen_tells_the_last_value_and_the_time(farm: RunningFarm) -> None:
    began = farm.time
    with pytest.raises(NotSeen) as caught:
        farm.until("battery-001.soc_frac < 0.1 within 3 s")
    error = caught.value
    assert isinstance(error, AssertionError)
    assert (error.condition, error.passed_s) == ("battery-001.soc_frac < 0.1 within 3 s", 3.0)
    assert error.time == began + timedelta(seconds=3)
    assert error.seen == f"battery-001 has {farm.value('battery-001', 'soc_frac'):.6g}"
    assert str(error) == f"not seen: {error.condition}; {error.seen} after 3 s of site time, at {error.time}"


def test_a_fault_is_in_force_in_its_block_and_parts_true_from_reported(farm: RunningFarm) -> None:
    with farm.inject("bias", device="meter-001", quantity="voltage_l1_v", factor=1.1) as fault:
        assert (fault.state, fault.hit, fault.kind, fault.bites) == ("active", ["meter-001"], "bias", 0)
        assert farm.faults[0].id == fault.id
        true = farm.value("meter-001.voltage_l1_v")
        assert farm.reported("meter-001.voltage_l1_v") == pytest.approx(1.1 * true)
        assert true == pytest.approx(230, rel=0.1)
    assert (fault.state, farm.faults) == ("ended", [])
    assert farm.reported("meter-001", "voltage_l1_v") == farm.value("meter-001", "voltage_l1_v")
    fault.end()


def test_without_a_block_a_fault_waits_for_the_step(farm: RunningFarm) -> None:
    fault = farm.inject("silence", device=["battery-001", "meter-001"], exclude="meter-*", protocol="modbus", count=1)
    assert (fault.state, fault.hit) == ("pending", ["battery-001"])
    where = farm.endpoint("battery-001", "modbus")
    assert words(where, 40_000, 1)
    farm.step()
    assert fault.state == "active"
    client = ModbusTcpClient(where.host, port=where.port, timeout=0.1, retries=0)
    with client, pytest.raises(ModbusIOException, match="No response"):
        client.read_holding_registers(40_000, count=1, device_id=where.unit)
    assert fault.bites == 1
    farm.step()
    assert fault.state == "ended"


def test_a_start_may_be_an_instant_and_a_value_may_be_none(farm: RunningFarm) -> None:
    later = farm.inject("missing", device="meter-001", quantity="voltage_l1_v", start=farm.time + timedelta(seconds=2))
    farm.step()
    assert later.state == "pending"
    farm.step(2)
    assert math.isnan(farm.reported("meter-001.voltage_l1_v"))
    later.end()
    farm.step()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda farm: farm.value("battery-01.soc_frac"), "battery-01 is not known; did you mean battery-001?"),
        (lambda farm: farm.reported("battery-001.soc"), "battery-001: soc is not known; did you mean soc_frac?"),
        (lambda farm: farm.value("battery-001"), "say a quantity, too"),
        (lambda farm: farm.setpoint("battery-01", stop=1), "did you mean battery-001?"),
        (lambda farm: farm.setpoint("battery-001", soc_frac=1), "soc_frac cannot be written"),
        (lambda farm: farm.endpoint("pv-01", "modbus"), "did you mean pv-001?"),
        (lambda farm: farm.endpoint("pv-001", "mobdus"), "no way over this protocol: .* did you mean modbus?"),
        (
            lambda farm: farm.endpoint("pv-001", "modbus", map="alfen"),
            "name one of its ways over modbus: map='sunspec'",
        ),
        (lambda farm: farm.inject("bais", device="pv-001"), "did you mean bias?"),
        (lambda farm: farm.inject("offline", device="pw-001"), "no device matches"),
        (lambda farm: farm.inject("bias", device="pv-001", quantity="*_w", facto=2), "did you mean factor?"),
        (lambda farm: farm.until("battery-001.soc < 1", within_s=1), "did you mean soc_frac?"),
        (lambda farm: farm.devices(kind="batery"), "did you mean battery?"),
        (lambda farm: farm.step(0), "must be at least 1"),
    ],
)
def test_what_is_refused_says_why_and_moves_nothing(farm: RunningFarm, asked: Any, said: str) -> None:
    before = farm.time
    with pytest.raises(ConfigError, match=said):
        asked(farm)
    assert (farm.time, farm.faults) == (before, [])


def test_a_farm_of_somebody_else_s_is_driven_by_its_url(farm: RunningFarm) -> None:
    other = RunningFarm(f"{farm.url}/", token="of no use here")
    assert other.time == farm.time
    assert other.log == ""
    other.close()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        nowhere = RunningFarm(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    with pytest.raises(LinkError, match="no farm answers at http"):
        _ = nowhere.time
    nowhere.close()


@pytest.mark.parametrize("kind", registry.FAULTS)
def test_every_parameter_of_a_fault_has_a_name_of_its_own(kind: str) -> None:
    taken = inspect.signature(RunningFarm.inject).parameters.keys()
    assert not registry.fault(kind).parameters.model_fields.keys() & taken
    assert taken >= set(FAULT_KEYS)


# ------------------------------------------------------------------------- farms beside and after each other


def test_two_farms_at_once_know_nothing_of_each_other(farm: RunningFarm) -> None:
    before = farm.time
    with running(text=SITE) as other:
        assert not {each.port for each in farm.endpoints} & {each.port for each in other.endpoints}
        other.step()
        assert (farm.time, other.devices()) == (before, ["meters-001", "meters-002"])


def state(farm: RunningFarm) -> Any:
    farm.inject("noise", kind="smart_meter", quantity="active_power_w", std_frac=0.1)
    farm.step(5)
    return [farm.client.get(f"devices/{device}").json() for device in farm.devices()]


def test_a_farm_knows_nothing_of_the_one_before_it_in_its_process() -> None:
    options = {"start": datetime(2026, 1, 15, 11, tzinfo=UTC), "seed": 7, "step_s": 10.0}
    states, places, processes = [], [], []
    for _ in range(2):
        with running("tiny", **options) as farm:
            processes.append(farm_of(farm))
            places.append(farm.endpoint("meter-001", "modbus"))
            states.append(state(farm))
            assert farm.time.isoformat() == "2026-01-15T12:00:51+01:00"
            assert farm.client.get("site").json()["seed"] == 7
    assert processes[0] is processes[1]
    assert states[0] == states[1]
    with pytest.raises(ConnectionRefusedError), socket.create_connection((places[0].host, places[0].port)):
        pass


def farm_of(farm: RunningFarm) -> farm_process.FarmProcess:
    assert farm._process is not None
    return farm._process


def test_a_site_of_many_stations_claims_all_of_its_ports() -> None:
    with running(text=SITE.replace("count: 2", f"count: {BLOCK + 1}")) as farm:
        places = [each.port for each in farm.endpoints]
        assert places == list(range(places[0], places[0] + BLOCK + 1))
        for port in (places[0], places[-1]):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sign, pytest.raises(OSError, match="in use"):
                sign.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"site": "tinny"}, ["tinny: no such file and no built-in site; did you mean 'tiny'?"]),
        ({"text": "name: a\n"}, ["text:1: groups: is missing", "text:1: location: is missing"]),
        ({"seed": -1, "speed": 0.0, "step_s": 1000.0}, ["seed: ", "step_s: ", "speed: "]),
        ({"start": "yesterday"}, ["start: "]),
        ({"addresses": "127.0.50.1/33"}, ["addresses: '127.0.50.1/33' is no IPv4 network"]),
        ({"addresses": "127.0.50.0/30"}, ["addresses: the site needs 6 addresses, and"]),
        ({"ports_from": 65_530}, ["ports_from: the site needs 12 ports"]),
        ({"ports_from": 21_000, "addresses": "127.0.50.0/24"}, ["ports_from: say ports_from or addresses"]),
    ],
)
def test_a_site_that_cannot_be_is_refused_with_every_problem(options: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught, running(**options):
        pass
    lines = str(caught.value).splitlines()
    assert [line[: len(problem)] for line, problem in zip(lines, problems, strict=True)] == problems


def test_a_path_begins_where_the_caller_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "two.yaml").write_text(SITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for site in ("two.yaml", Path("two.yaml")):
        with running(site, addresses="127.0.53.0/24") as farm:
            assert farm.endpoint("meters-002", "modbus").host == "127.0.53.2"


def test_a_site_is_of_a_file_or_of_a_text() -> None:
    with pytest.raises(TypeError, match="not both"), running("tiny", text=SITE):
        pass


# ------------------------------------------------------------------------------------------ the fixture


@pytest.fixture
def plugged(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Another project, whose pytest has the plugin as after an installation."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it may be installed here, too
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pilotfarm.api.pytest_plugin -p no:cacheprovider")
    return pytester


def test_marks_settings_and_parameters_choose_the_farm(plugged: pytest.Pytester) -> None:
    (plugged.path / "sites").mkdir()
    (plugged.path / "sites" / "two.yaml").write_text(SITE, encoding="utf-8")
    plugged.makeini("[pytest]\npilotfarm_site = sites/two.yaml\n")
    tests = plugged.makepyfile(
        **{
            "below/test_its_farm": """
            import pytest

            pytestmark = pytest.mark.pilotfarm(seed=5, step_s=10)

            def site(farm):
                return farm.client.get("site").json()

            def test_settings(pilotfarm):
                assert pilotfarm.devices() == ["meters-001", "meters-002"]
                assert pilotfarm.client.get("clock").json()["paused"]
                assert (site(pilotfarm)["seed"], site(pilotfarm)["step_s"]) == (5, 10)

            @pytest.mark.pilotfarm("../sites/two.yaml", seed=6, speed=1000, step_s=1)
            def test_nearest_mark_goes_before(pilotfarm):
                assert (site(pilotfarm)["name"], site(pilotfarm)["seed"]) == ("two", 6)
                clock = pilotfarm.client.get("clock").json()
                assert (clock["speed"], clock["paused"]) == (1000, False)
                with pilotfarm.inject("offline", device="meters-001") as fault:
                    assert fault.state == "active"
                pilotfarm.until("meters-001.online reported == 1", within_s=100)

            @pytest.mark.pilotfarm("nowhere.yaml")
            class TestMarks:
                @pytest.mark.pilotfarm(text=SITE)
                def test_a_text_goes_before_the_site_of_a_class(self, pilotfarm):
                    assert (site(pilotfarm)["name"], site(pilotfarm)["seed"]) == ("two", 5)

            @pytest.mark.parametrize("pilotfarm", ["tiny", {"site": "tiny", "seed": 9}], indirect=True)
            def test_parameters(pilotfarm, request):
                assert site(pilotfarm)["name"] == "tiny"
                assert site(pilotfarm)["seed"] in (5, 9)

            @pytest.fixture(scope="session")
            def shared(pilotfarm_factory):
                with pilotfarm_factory(seed=10) as farm:
                    yield farm

            def test_the_factory(shared):
                assert (site(shared)["name"], site(shared)["seed"], site(shared)["step_s"]) == ("two", 10, 1)
            """.replace("SITE", repr(SITE))
        }
    )
    plugged.inline_run(tests[0] if isinstance(tests, tuple) else tests, "--strict-markers").assertoutcome(passed=6)


def test_the_option_goes_before_the_settings_and_trouble_is_told_plainly(plugged: pytest.Pytester) -> None:
    plugged.makepyfile(
        """
        import pytest

        def test_option(pilotfarm):
            assert len(pilotfarm.devices()) == 2

        @pytest.mark.pilotfarm(text="name: a")
        def test_text(pilotfarm): ...

        @pytest.mark.pilotfarm(sped=3)
        def test_sped(pilotfarm): ...

        @pytest.mark.pilotfarm("tiny", 3)
        def test_more(pilotfarm): ...

        def test_not_seen(pilotfarm):
            pilotfarm.until("meters-001.voltage_l1_v < 200", within_s=2)
        """
    )
    (plugged.path / "two.yaml").write_text(SITE, encoding="utf-8")
    result = plugged.runpytest_inprocess("--pilotfarm-site", "two.yaml")
    result.assert_outcomes(passed=1, errors=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "no farm: text:1: groups: is missing",
            "text:1: location: is missing",
            "*unexpected keyword argument 'sped'*",
            "no farm: the mark pilotfarm takes one site and keywords, not 2 values",
            ">*until(*within_s=2)",
            "E*NotSeen: not seen: meters-001.voltage_l1_v < 200; meters-001 has 2* after 2 s of site time, at 2026*",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*running_farm.py:*")
    result.stdout.no_fnmatch_line("*During handling*")


def test_a_run_of_pytest_without_a_farm_imports_nothing_for_it(plugged: pytest.Pytester) -> None:
    plugged.makepyfile("def test_any(): ...")
    heavy = "('pilotfarm', 'httpx', 'numpy', 'pydantic')"
    code = f"print(sorted(each for each in sys.modules if each.partition('.')[0] in {heavy}))"
    done = plugged.runpython_c(f"import sys, pytest; assert pytest.main(['-q']) == 0; {code}")
    assert "['pilotfarm', 'pilotfarm.api', 'pilotfarm.api.pytest_plugin']" in done.outlines


def test_the_plugin_is_found_where_the_package_is_installed() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    (module,) = pyproject["project"]["entry-points"]["pytest11"].values()
    assert import_module(module).pilotfarm


def test_a_test_that_is_interrupted_leaves_no_farm(plugged: pytest.Pytester) -> None:
    plugged.makepyfile(
        """
        def test_interrupted(pilotfarm):
            with open("where", "w") as where:
                where.write(str(pilotfarm.endpoint("pv-001", "modbus").port))
            raise KeyboardInterrupt
        """
    )
    assert plugged.inline_run(no_reraise_ctrlc=True).ret == pytest.ExitCode.INTERRUPTED
    port = int((plugged.path / "where").read_text())
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


# ------------------------------------------------------------------------------------- processes that end


def test_a_farm_that_dies_says_what_it_said(plugged: pytest.Pytester) -> None:
    plugged.makepyfile(
        """
        import os, signal

        def test_dies(pilotfarm):
            os.kill(pilotfarm._process._process.pid, signal.SIGSEGV)
            pilotfarm.step()
        """
    )
    result = plugged.runpytest_inprocess()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "no farm: the farm's process has ended by SIGSEGV; it said:",
            "Fatal Python error: Segmentation fault",
            "E*LinkError: the farm's process has ended by SIGSEGV; it said:",
        ]
    )


def test_a_process_ends_with_its_holder_whatever_it_is_at(farm: RunningFarm) -> None:
    process = farm_of(farm)._process
    where = farm.endpoint("meter-001", "modbus")
    assert os.getsid(process.pid) != os.getsid(0)  # Ctrl-C is for the holder
    assert process.stdin is not None
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), process.stdin.fileno())  # as the system does when a holder is killed
    assert process.wait(30) == 0
    with pytest.raises(ConnectionRefusedError), socket.create_connection((where.host, where.port)):
        pass
