"""dnp3py's master polls, operates and listens to an outstation of the site tiny."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from der_profile import told
from dnp3.core.flags import IIN
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.master.commands import CommandBuilder
from dnp3.master.tcp_runner import LinkError
from running_farm import RunningFarm

Say = Callable[[MasterTcpRunner, DefaultSOEHandler], Awaitable[Any]]


def as_master(site: RunningFarm, device: str, say: Say) -> Any:
    way = site.ways("dnp3")[device]

    async def over() -> Any:
        heard = DefaultSOEHandler()
        master = Master(handler=heard, config=MasterConfig(address=3, outstation_address=way.address))
        async with MasterTcpRunner(master=master, host=way.host, port=way.port) as runner:
            return await say(runner, heard)

    return asyncio.run(over())


def held(heard: DefaultSOEHandler) -> dict[str, float]:
    kinds = {
        "BI": heard.binary_inputs,
        "BO": heard.binary_outputs,
        "AI": heard.analog_inputs,
        "AO": heard.analog_outputs,
        "CTR": heard.counters,
    }
    return {f"{kind}{index}": float(each.value) for kind, points in kinds.items() for index, each in points.items()}


@pytest.mark.parametrize("device", ["battery-001", "charger-001", "pv-001", "meter-001", "home-001"])
def test_an_integrity_poll_gives_every_point_as_the_ledger_has_it(site: RunningFarm, device: str) -> None:
    async def say(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> dict[str, float]:
        fragments = await runner.integrity_poll()
        assert fragments[-1].fin
        assert not any(each.truncation for each in fragments)
        return held(heard)

    found = as_master(site, device, say)
    truth = site.values(device) | site.ledger_now()[device]
    rows = site.points(device, "dnp3")
    assert found.keys() == {row["address"] for row in rows}
    worked_out = told(truth)
    for row in rows:
        if row["address"] in worked_out:
            assert found[row["address"]] == worked_out[row["address"]], row
            continue
        slack = 1.0 if row["address"].startswith("CTR") else abs(row["scale"]) * 0.5001
        assert found[row["address"]] * row["scale"] == pytest.approx(truth[row["quantity"]], abs=slack + 1e-9), row


@pytest.mark.parametrize("select", [False, True], ids=["direct", "selected first"])
def test_a_command_is_followed_and_its_events_come_unsolicited(site: RunningFarm, select: bool) -> None:
    limit, relay, quantity, running = (600, 1, "start", 1.0) if select else (400, 2, "stop", 0.0)

    async def say(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> tuple[Any, dict[str, float], dict[str, float]]:
        await runner.integrity_poll()
        await runner.enable_unsolicited()
        master = runner.master
        for order in (CommandBuilder().add_analog(88, limit), CommandBuilder().pulse_on(relay)):
            if select:
                await runner.request(master.build_select(order.build_select()))
                answers = await runner.request(master.build_operate(order.build_operate()))
            else:
                answers = await runner.request(master.build_direct_operate(order.build_direct_operate()))
            assert not answers[-1].iin & IIN.PARAMETER_ERROR
        heard.clear()
        await asyncio.to_thread(site.step, 10)
        told = await runner.listen_unsolicited(timeout=10.0)
        events = held(heard)
        await runner.integrity_poll()
        return told, events, held(heard)

    told, events, now = as_master(site, "battery-001", say)
    assert told is not None
    assert told.is_unsolicited
    assert (events["AI149"], now["AO88"]) == (limit, limit)
    assert (events["BI14"], now["BI14"]) == (running, running)
    site.commanded("battery-001", "active_power_limit_frac", limit / 1000, "dnp3")
    site.proves("battery-001", quantity, 1.0, "dnp3")


def test_events_wait_for_the_poll_of_their_class(site: RunningFarm) -> None:
    async def say(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> list[dict[str, float]]:
        await runner.integrity_poll()
        await runner.disable_unsolicited()
        order = CommandBuilder().add_analog(88, 700).build_direct_operate()
        await runner.request(runner.master.build_direct_operate(order))
        await asyncio.to_thread(site.step, 2)
        found = []
        for number in (1, 2, 2):
            heard.clear()
            await runner.class_poll(class_1=number == 1, class_2=number == 2, class_3=False)
            found.append(held(heard))
        return found

    alarms, states, again = as_master(site, "battery-001", say)
    assert "AI149" not in alarms
    assert states["AI149"] == 700.0
    assert again == {}, "an event that was confirmed is gone"


def test_a_master_that_does_not_answer_for_its_link_is_closed_and_owed_what_it_was(watchful: RunningFarm) -> None:
    """dnp3py 0.6 sends nothing back to a request for the link status; the standard wants every station to answer."""

    async def silent(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> None:
        await runner.disable_unsolicited()
        await runner.integrity_poll()
        await runner.listen_unsolicited(timeout=30.0)

    async def back(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> dict[str, float]:
        await runner.class_poll(class_1=True, class_2=True, class_3=True)
        return held(heard)

    with pytest.raises(LinkError):
        as_master(watchful, "battery-001", silent)
    watchful.tell("battery-001", active_power_limit_frac=0.7)
    watchful.step(2)
    assert as_master(watchful, "battery-001", back)["AI149"] == 700.0


def test_a_malformed_request_is_answered_as_such_and_does_nothing(site: RunningFarm) -> None:
    """dnp3py 0.6 counts its objects in one octet where qualifier 28, for indices beyond 255, has two."""
    before = site.values("battery-001")

    async def say(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> tuple[Any, Any]:
        order = CommandBuilder().add_analog(508, 900).build_direct_operate()
        answers = await runner.request(runner.master.build_direct_operate(order))
        return answers[-1].iin, await runner.integrity_poll()

    refused, polled = as_master(site, "battery-001", say)
    assert refused & IIN.PARAMETER_ERROR
    assert polled[-1].fin
    site.step()
    assert site.values("battery-001")["active_power_setpoint_w"] == before["active_power_setpoint_w"]
