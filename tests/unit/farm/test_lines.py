"""Serial lines as the server has them: pseudo-terminals and devices, their masters, and what happens on the way."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from on_line import READ, SUNS, LineMaster, at, octets, taken, unread
from on_loopback import step, until

from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.serving import lines
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.wire.rtu import framed

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="terminals of Linux"),
    pytest.mark.usefixtures(octets.__name__),
]

ON = "  chargers: {kind: ev_charger, count: 2, feeder: west, endpoints: [{protocol: modbus, %s}]}\n"
Make = Callable[..., SiteLayout]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's farms lay their links."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def link(runtime: Path) -> Path:
    return runtime / "pilotfarm" / "small" / "bus"


@pytest.fixture
def layout(make_layout: Make) -> SiteLayout:
    """Two chargers on a pseudo-terminal."""
    return make_layout(ON % "pty: bus")


@asynccontextmanager
async def running(layout: SiteLayout) -> AsyncIterator[Pilot]:
    """A pilot on the machine's clock, stepped by hand."""
    pilot = Pilot(layout)
    pilot.runner.change(paused=True)
    await pilot.start()
    try:
        yield pilot
    finally:
        await pilot.close()


def talk(layout: SiteLayout, path: Path, conversation: Callable[[Pilot, LineMaster], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with running(layout) as pilot:
            with at(path) as master:
                assert await master.is_answered()
                await conversation(pilot, master)

    asyncio.run(scenario())


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The path of a serial device, and the descriptor of what is at the other end of the line."""
    far, near = os.openpty()
    tty.setraw(near)
    path = tmp_path / "ttyUSB0"
    path.symlink_to(os.ttyname(near))
    os.close(near)
    os.set_blocking(far, False)
    yield path, far
    os.close(far)


# --------------------------------------------------------------------------------- pseudo-terminals


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_pseudo_terminal_is_linked_answers_and_is_gone_afterwards(
    layout: SiteLayout, link: Path, runtime: Path, run: Callable[[Any], None]
) -> None:
    async def scenario() -> None:
        async with running(layout) as pilot:
            assert pilot.server.listening == 1
            assert os.readlink(link).startswith("/dev/pts/")
            for _ in range(3):  # masters come and go
                with at(link) as master:
                    assert await master.is_answered(1)
                    assert await master.is_answered(2)
            with at(link) as one, at(link) as other:
                assert await one.is_answered()
                assert await other.is_answered()
            assert pilot.server.counters["modbus"].open == 1

    run(scenario())
    assert list(runtime.rglob("*")) == []


def test_what_a_master_left_unread_is_gone_for_the_next(layout: SiteLayout, link: Path) -> None:
    async def scenario() -> None:
        async with running(layout) as pilot:
            with at(link) as master:
                master.say(framed(1, READ))
                await until(lambda: unread(master.fd) > 0)
            await taken(pilot)
            with at(link) as master:
                master.say(framed(1, READ))  # and is gone before it is answered
            await taken(pilot)
            with at(link) as master:
                await taken(pilot)
                assert master.left() == b""
                assert await master.is_answered(2)

    asyncio.run(scenario())


def test_an_answer_that_comes_when_its_master_has_gone_is_lost(layout: SiteLayout, link: Path) -> None:
    async def scenario() -> None:
        async with running(layout) as pilot:
            with at(link) as master:
                assert await master.is_answered()
                sent = pilot.server.counters["modbus"].bytes_out
                pilot.farm.faults.add("latency", parameters={"delay_s": 0.03})
                await step(pilot)
                master.say(framed(1, READ))
                await taken(pilot)
            await until(lambda: pilot.server.counters["modbus"].bytes_out > sent)
            with at(link) as master:
                assert await master.is_answered(2)

    asyncio.run(scenario())


def test_a_master_who_never_reads_hinders_nobody_and_costs_no_memory(layout: SiteLayout, link: Path) -> None:
    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        for _ in range(120):  # 30 KB, more than the system keeps
            master.say(framed(1, bytes.fromhex("03 9c40 007d")))
            await taken(pilot)
        (connection,) = pilot.server._listeners[0].connections
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() == 0
        assert connection._stall is None
        while master.left():  # noqa: ASYNC110  what the system keeps of it
            await asyncio.sleep(0.005)
        assert await master.is_answered()

    talk(layout, link, conversation)


def test_a_flood_lets_others_have_their_turn_and_is_taken_to_its_end(
    layout: SiteLayout, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "READ_BYTES", 64)
    monkeypatch.setattr(lines, "READS_A_TURN", 1)

    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        os.set_blocking(master.fd, True)

        def flood() -> None:
            for _ in range(50):
                master.say(os.urandom(2048))

        await asyncio.gather(asyncio.to_thread(flood), step(pilot, 3))
        await taken(pilot)
        os.set_blocking(master.fd, False)
        master.left()
        await asyncio.sleep(0.005)  # the line is silent
        assert await master.is_answered()

    talk(layout, link, conversation)


def problems(layout: SiteLayout) -> list[str]:
    async def scenario() -> list[str]:
        pilot = Pilot(layout)
        try:
            await pilot.start()
        except ConfigError as error:
            return [str(each) for each in error.problems]
        await pilot.close()
        return []

    return asyncio.run(scenario())


def test_a_file_or_a_foreign_link_in_its_place_stays_and_is_told_with_its_line(layout: SiteLayout, link: Path) -> None:
    link.parent.mkdir(parents=True)
    for there in ("file", "link"):
        link.write_text("mine") if there == "file" else link.symlink_to("/dev/null")
        (said,) = problems(layout)
        assert "small.yaml:11: groups.chargers.endpoints[0]: cannot open" in said
        assert "File exists; what is there is no link of a farm" in said
        assert link.exists()
        assert [each.name for each in link.parent.iterdir()] == ["bus"]
        link.unlink()
    assert problems(layout) == []


def test_a_running_farm_keeps_its_link(layout: SiteLayout, link: Path) -> None:
    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        with pytest.raises(ConfigError, match="resource busy; another farm or program has it"):
            await Pilot(layout).start()
        assert await master.is_answered()

    talk(layout, link, conversation)


def test_what_a_crashed_farm_left_is_replaced(layout: SiteLayout, link: Path) -> None:
    link.parent.mkdir(parents=True)
    far, near = os.openpty()  # the number may be somebody else's by now
    link.symlink_to(os.ttyname(near))
    link.with_name(".bus.lock").touch()

    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        assert os.ttyname(master.fd) != os.ttyname(near)
        assert await master.is_answered()

    talk(layout, link, conversation)
    os.close(far)
    os.close(near)
    assert not link.is_symlink()


# ----------------------------------------------------------------------------------- serial devices


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_serial_device_is_set_as_the_site_has_it_and_answers(
    make_layout: Make, adapter: tuple[Path, int], run: Callable[[Any], None]
) -> None:
    path, far = adapter
    layout = make_layout(ON % f"serial: {path}, baud_rate: 115200, parity: none")

    async def scenario() -> None:
        async with running(layout):
            master = LineMaster(far)
            assert await master.is_answered(2)
            incoming, outgoing, control, local, came, went, _ = termios.tcgetattr(far)
            assert (came, went) == (termios.B115200, termios.B115200)
            assert control & termios.CSTOPB
            assert (outgoing, local) == (0, 0)
            assert incoming == termios.IGNBRK

    run(scenario())


def test_an_adapter_that_was_unplugged_is_taken_again_after_a_step(
    make_layout: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ttyUSB0"
    layout = make_layout(ON % f"serial: {path}, baud_rate: 115200")

    def plugged_in() -> int:
        far, near = os.openpty()
        tty.setraw(near)
        path.symlink_to(os.ttyname(near))
        os.close(near)
        os.set_blocking(far, False)
        return far

    async def scenario() -> None:
        far = plugged_in()
        async with running(layout) as pilot:
            assert await LineMaster(far).is_answered()
            for _ in range(2):
                os.close(far)
                path.unlink()
                await until(lambda: pilot.server.listening == 0)
                await step(pilot, 2)
                assert pilot.server.listening == 0
                far = plugged_in()
                await step(pilot)
                assert pilot.server.listening == 1
                assert await LineMaster(far).is_answered()
        os.close(far)

    asyncio.run(scenario())
    said = [each.message for each in caplog.records]
    assert len([each for each in said if "gone" in each]) == 2
    assert len([each for each in said if "listens again" in each]) == 2


def test_every_device_that_cannot_be_had_is_told_with_its_line(
    make_layout: Make, adapter: tuple[Path, int], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    wanted = {
        tmp_path / "absent": "No such file or directory; plug the adapter in",
        tmp_path / "file": "it is no serial line",
        Path("/dev/null"): "it is no serial line",
        tmp_path: "Is a directory",
        adapter[0]: "resource busy; another farm or program has it",
    }
    held = os.open(adapter[0], os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(held, fcntl.LOCK_EX)
    groups = "".join(
        (ON % f"serial: {path}").replace("chargers", f"chargers{number}") for number, path in enumerate(wanted)
    )
    said = problems(make_layout(groups))
    os.close(held)
    for number, (path, why) in enumerate(wanted.items()):
        place = f"small.yaml:{11 + number}: groups.chargers{number}.endpoints[0]: cannot open {path} (modbus): "
        assert place in said[number]
        assert why in said[number]


def test_a_device_without_permission_is_told(make_layout: Make) -> None:
    far, near = os.openpty()
    os.fchmod(near, 0)
    layout = make_layout(ON % f"serial: {os.ttyname(near)}")
    own = os.geteuid()
    if own == 0:
        os.seteuid(65_534)  # root may open everything, and nobody may not
    try:
        (said,) = problems(layout)
    finally:
        os.seteuid(own)
        os.close(far)
        os.close(near)
    assert "Permission denied; who may use it is told by `ls -l`" in said


# --------------------------------------------------------------------------------------- on the way


@pytest.mark.parametrize("where", ["pty", "serial"])
@pytest.mark.parametrize("mode", ["refuse", "cut", "silent"])
def test_off_the_network_a_line_is_dead_and_it_is_heard_again_afterwards(
    make_layout: Make, adapter: tuple[Path, int], link: Path, where: str, mode: str
) -> None:
    layout = make_layout(ON % ("pty: bus" if where == "pty" else f"serial: {adapter[0]}, baud_rate: 115200"))

    async def scenario() -> None:
        async with running(layout) as pilot:
            master = LineMaster(link if where == "pty" else adapter[1])
            assert await master.is_answered()
            for _ in range(2):
                fault = pilot.farm.faults.add("offline", mode=mode)
                await step(pilot)
                master.say(framed(1, READ))
                await taken(pilot)
                assert master.left() == b""
                if mode != "silent":
                    await until(lambda: pilot.server.listening == 0)
                    cut = pilot.server.counters["modbus"].cut
                    await step(pilot, 2)
                    assert pilot.server.counters["modbus"].cut == cut, "it is not tried in vain"
                pilot.farm.faults.clear(fault.id)
                await step(pilot)
                await until(lambda: pilot.server.counters["modbus"].open == 1)
                assert await master.is_answered()
            if where == "pty":
                master.close()

    asyncio.run(scenario())


def test_one_of_two_off_the_network_is_silent_and_the_other_answers(layout: SiteLayout, link: Path) -> None:
    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        pilot.farm.faults.add("offline", {"device": "chargers-001"})
        await step(pilot)
        master.say(framed(1, READ))
        assert await master.is_answered(2)
        assert master.left() == b""

    talk(layout, link, conversation)


@pytest.mark.parametrize(
    ("kind", "mode", "parameters"),
    [
        ("latency", None, {"delay_s": 0.03}),
        ("sliced", None, {"piece_octets": 3, "gap_s": 0.005}),
        ("bandwidth", None, {"rate_bit_s": 9_600}),
        ("refused", "refuse", {}),
        ("refused", "reset", {}),
        ("reset", "reset", {}),
        ("reset", "close", {}),
        ("restart", None, {"down_s": 1.0}),
    ],
)
def test_what_a_line_survives(
    layout: SiteLayout, link: Path, kind: str, mode: str | None, parameters: dict[str, float]
) -> None:
    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        fault = pilot.farm.faults.add(kind, mode=mode, parameters=parameters)
        await step(pilot, 3)
        await until(lambda: pilot.server.counters["modbus"].open == 1)
        assert await master.is_answered()
        assert await master.is_answered()
        if kind != "restart":  # which is over
            pilot.farm.faults.clear(fault.id)
        await step(pilot)
        assert await master.is_answered()

    talk(layout, link, conversation)


@pytest.mark.parametrize(("kind", "parameters"), [("half-open", {}), ("silence", {}), ("blackhole", {})])
def test_what_a_line_falls_silent_by(layout: SiteLayout, link: Path, kind: str, parameters: dict[str, float]) -> None:
    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        fault = pilot.farm.faults.add(kind, parameters=parameters)
        await step(pilot)
        if kind == "half-open":  # it has forgotten who was there, and that is the one master there is
            assert pilot.server._listeners[0].forgotten
        master.say(framed(1, READ))
        await taken(pilot)
        assert master.left() == b""
        pilot.farm.faults.clear(fault.id)
        await step(pilot)
        await until(lambda: pilot.server.counters["modbus"].open == 1)
        if kind == "blackhole":  # nothing is lost: what was under way arrives
            assert await master.hear(len(SUNS) + 3) == framed(1, SUNS)
        assert await master.is_answered()

    talk(layout, link, conversation)


def test_a_line_that_every_connection_is_cut_on_is_not_tried_all_the_time(layout: SiteLayout, link: Path) -> None:
    async def conversation(pilot: Pilot, master: LineMaster) -> None:
        pilot.farm.faults.add("reset", parameters={"after_s": 0.0})
        await step(pilot)
        before = pilot.server.counters["modbus"].accepted
        for _ in range(50):
            await asyncio.sleep(0)
        assert pilot.server.counters["modbus"].accepted <= before + 1

    talk(layout, link, conversation)
