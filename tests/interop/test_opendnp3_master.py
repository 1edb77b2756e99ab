"""opendnp3, through yadnp3, polls and operates the outstations of the site tiny."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from der_profile import told
from running_farm import RunningFarm, run_client

DEVICES: Final = ("battery-001", "charger-001", "pv-001", "meter-001", "home-001")


@dataclass(frozen=True)
class Heard:
    """What the master said of one conversation, and how the device stood before and after."""

    said: Mapping[str, Any]
    before: Mapping[str, float]
    after: Mapping[str, float]
    began: datetime


def hear(site: RunningFarm, device: str) -> Heard:
    way, began = site.ways("dnp3")[device], site.time
    before = site.values(device) | site.ledger_now()[device]
    said = run_client(
        "opendnp3_master.py", host=way.host, port=way.port, outstation=way.address, rest=str(site.rest.base_url)
    )
    return Heard(said, before, site.values(device), began)


@pytest.fixture(scope="module", params=DEVICES)
def heard(site: RunningFarm, request: pytest.FixtureRequest) -> tuple[str, Heard]:
    site.step(60)
    return request.param, hear(site, request.param)


def test_an_integrity_poll_gives_every_point_as_the_ledger_has_it(site: RunningFarm, heard: tuple[str, Heard]) -> None:
    device, talk = heard
    assert talk.said["integrity"] == "SUCCESS"
    wrong, rows = [], site.points(device, "dnp3")
    worked_out = told(talk.before)
    for row in rows:
        read = talk.said["static"][row["address"]]
        if row["address"] in worked_out:
            if read != worked_out[row["address"]]:
                wrong.append((row["address"], row["data_type"], read, worked_out[row["address"]]))
            continue
        truth = talk.before[row["quantity"]]
        slack = 1.0 if row["address"].startswith("CTR") else abs(row["scale"]) * 0.5001
        if abs(read * row["scale"] - truth) > slack + 1e-9:
            wrong.append((row["address"], row["quantity"], read * row["scale"], truth))
    assert wrong == []
    assert len(talk.said["static"]) == len(rows), "no point that is not on the list"
    assert worked_out.keys() == {row["address"] for row in rows if "(" in row["data_type"]}


def test_an_input_of_a_mode_that_is_off_is_read_as_not_online_and_all_else_is_online(heard: tuple[str, Heard]) -> None:
    talk = heard[1]
    inputs = {
        "active_power_limit_enabled": (143, 144, 145, 149),
        "active_power_setpoint_enabled": (153, 618),
        "reactive_power_setpoint_enabled": (280, 621),
        "power_factor_setpoint_enabled": (285, 286, 287, 288),
    }
    switches = {f"AI{index}": switch for switch, indices in inputs.items() for index in indices}
    offline = {address for address, switch in switches.items() if talk.before.get(switch) == 0.0}
    assert {address for address, flags in talk.said["flags"].items() if not flags & 1} == offline


def test_the_start_of_a_master_clears_the_restart_bit_and_enables_unsolicited_responses(
    heard: tuple[str, Heard],
) -> None:
    tasks = dict(map(tuple, heard[1].said["tasks"]))
    wanted = ("DISABLE_UNSOLICITED", "CLEAR_RESTART", "STARTUP_INTEGRITY_POLL", "ENABLE_UNSOLICITED")
    assert {name: tasks[name] for name in wanted} == dict.fromkeys(wanted, "SUCCESS")


def test_frozen_counters_are_the_counters_of_the_moment(heard: tuple[str, Heard]) -> None:
    _, talk = heard
    assert (talk.said["freeze"], talk.said["frozen"]) == ("SUCCESS", "SUCCESS")
    names = ("energy_exported_wh", "energy_imported_wh", "reactive_energy_exported_varh")
    wanted = [talk.after[name] for name in (*names, "reactive_energy_imported_varh")]
    assert [talk.said["now"][f"FROZEN{k}"] for k in range(4)] == pytest.approx(wanted, abs=1.0)


def test_a_read_by_range_gives_what_holds_after_the_steps(heard: tuple[str, Heard]) -> None:
    _, talk = heard
    assert talk.said["range"] == "SUCCESS"
    assert talk.said["now"]["AI537"] == pytest.approx(talk.after["active_power_w"], abs=0.51)
    assert talk.said["now"]["AI547"] == pytest.approx(10 * talk.after["voltage_l1_v"], abs=0.51)


@pytest.mark.parametrize("heard", ["battery-001"], indirect=True)
def test_commands_are_taken_direct_and_selected_first_and_followed(site: RunningFarm, heard: tuple[str, Heard]) -> None:
    device, talk = heard
    taken = ("set-point direct", "enable direct", "set-point selected first", "enable selected first", "pulse")
    assert {name: talk.said[name] for name in taken} == {name: ["SUCCESS", "SUCCESS", "SUCCESS"] for name in taken}
    site.step(60)
    values = site.values(device)
    assert values["active_power_w"] == pytest.approx(1900.0, rel=0.02)
    assert values["reactive_power_var"] == pytest.approx(-650.0, rel=0.02)
    assert values["sesp_receipts"] == 1.0
    site.proves(device, "active_power_setpoint_w", 1900.0, "dnp3")
    site.proves(device, "reactive_power_setpoint_var", -650.0, "dnp3")


@pytest.mark.parametrize("heard", ["battery-001"], indirect=True)
def test_what_cannot_be_is_refused_with_a_status(heard: tuple[str, Heard]) -> None:
    said = heard[1].said
    assert said["out of range"][-1] == said["not a number"][-1] == "OUT_OF_RANGE"
    assert said["no such point"][-2:] == ["SELECT_FAIL", "NOT_SUPPORTED"]
    assert said["no such relay"][-1] == "NOT_SUPPORTED"
    assert said["not permitted"] == ["SUCCESS", "BLOCKED", "SUCCESS"]


@pytest.mark.parametrize("heard", ["battery-001"], indirect=True)
def test_events_come_unsolicited_with_the_time_of_the_site(heard: tuple[str, Heard]) -> None:
    talk = heard[1]
    assert talk.said["unsolicited"] >= 1
    events = talk.said["events"]
    changed = {event["point"] for event in events}
    assert {"AI537", "AI541", "AI618", "AI621"} <= changed, "measurements and the set-points' mirrors"
    for event in events:
        at = datetime.fromtimestamp(event["time"] / 1000, UTC)
        assert 0.0 <= (at - talk.began).total_seconds() <= 10.0, event
