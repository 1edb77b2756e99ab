"""What is done to a farm, recorded and run again, does the same at the same times."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pytest
from scenario_rig import draft, problems, steps
from scenario_rig import run as performed

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm
from pilotfarm.emulators.farm.fault import ENDED, Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.scenarios import recorded
from pilotfarm.emulators.scenarios import recorder as recording
from pilotfarm.emulators.scenarios.recorded import text_of
from pilotfarm.emulators.scenarios.recorder import Recorder
from pilotfarm.emulators.site.layout import SiteLayout

STORAGES = ("storage-001", "storage-002", "storage-003")
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "bias", "target": {"quantity": "*power*"}, "parameters": {"factor": 1.1}, "ramp_s": 7.0},
    {
        "kind": "noise",
        "target": {"kind": "smart_meter", "quantity": "voltage_*"},
        "parameters": {"std": 2.0},
        "duration_s": 4.0,
    },
    {"kind": "offline", "target": {"device": ["meters-00*"], "exclude": "meters-002", "pick": "50 %"}},
    {"kind": "trip", "target": {"group": "storage"}, "duration_s": 3.0},
    {"kind": "voltage-sag", "target": {"feeder": "west"}, "parameters": {"voltage_pu": 0.8}},
    {"kind": "weather", "target": {"feeder": "east"}, "parameters": {"temperature_degc": 40.0}, "duration_s": 6.0},
    {"kind": "load", "parameters": {"factor": 3.0}, "ramp_s": 4.0},
    {"kind": "latency", "parameters": {"delay_s": 0.5}, "duration_s": 5.0, "spread_s": 3.0, "ramp_s": 2.0},
)


class Log:
    """All that can be told from what happens to a farm, step by step."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.lines: list[tuple[Any, ...]] = []
        farm.observers.append(self)

    def stepped(self, moment: Moment) -> None:
        digest = sha256()
        for group in self.farm.population:
            for name in sorted(group.columns):
                digest.update(group.columns[name].tobytes())
                digest.update(group.reported.get(name, group.columns[name]).tobytes())
        self.lines.append((moment.time_s, digest.hexdigest()))

    def commanded(self, command: Command, moment: Moment) -> None:
        # A switch that a master left alone is told to stay as it is; the columns show whether that is the same.
        values = {name: value for name, value in command.values.items() if not name.endswith("_enabled")}
        self.lines.append((moment.time_s, command.device, values))

    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None:
        self.lines.append((moment.time_s, command.device, name, outcome))

    def fault_changed(self, fault: Fault, event: str, moment: Moment) -> None:
        self.lines.append((moment.time_s, fault.id, fault.spec.kind, event, fault.hit, fault.parameters))


def lived(layout: SiteLayout) -> Farm:
    farm = Farm(layout)
    farm.step(WARM_UP_S)
    return farm


def tell(farm: Farm, protocol: str, devices: Mapping[str, Mapping[str, float]], peer: str = "somebody") -> None:
    for name, values in devices.items():
        farm.device(name).submit(values if protocol == "modbus" else enabled(values), protocol, peer, 0.0)


def alike(devices: Sequence[str], **values: float) -> dict[str, dict[str, float]]:
    return dict.fromkeys(devices, values)


def act(farm: Farm, choice: random.Random) -> None:
    """Do one of the things that an operator or a master may do."""
    standing = [fault.id for fault in farm.faults if fault.state != ENDED]
    what = choice.randrange(5)
    if what == 0:
        asked = dict(choice.choice(FAULTS))
        kind, target = asked.pop("kind"), asked.pop("target", {})
        farm.faults.add(kind, target, asked.pop("mode", None), asked.pop("parameters", None), **asked)
    elif what == 1 and standing:
        farm.faults.clear(choice.choice(standing))
    elif what == 2:
        tell(
            farm, "rest", {f"storage-00{i}": {"active_power_setpoint_w": choice.randrange(-4000, 4000)} for i in (1, 2)}
        )
    elif what == 3:
        tell(farm, choice.choice(("rest", "modbus")), alike(STORAGES, active_power_limit_frac=0.25))
    else:
        command = choice.choice(("start", "stop"))
        tell(farm, "iec104", {"storage-003": {command: 1.0}}, peer=str(choice.random()))


def again(text: str, layout: SiteLayout) -> list[tuple[Any, ...]]:
    farm = lived(layout)
    log = Log(farm)
    assert performed(text, farm).verdict == "PASS"
    return sorted(log.lines, key=repr)


@pytest.mark.parametrize("seed", range(5))
def test_a_session_that_is_run_again_is_the_same_at_every_step(
    seed: int, make_layout: Callable[..., SiteLayout]
) -> None:
    layout, choice = make_layout(), random.Random(seed)
    farm = lived(layout)
    log, recorder = Log(farm), Recorder(farm, 1.0, masters=True)
    farm.observers.append(recorder)
    for _ in range(20):
        for _ in range(choice.choice((0, 0, 1, 3))):
            act(farm, choice)
        farm.step(1.0)
    text = text_of(recorder, "made", "small.yaml")
    assert problems(text, lived(layout)) == []
    assert again(text, layout) == sorted(log.lines, key=repr)


@pytest.fixture
def session(make_layout: Callable[..., SiteLayout]) -> tuple[Farm, Recorder]:
    farm = lived(make_layout())
    recorder = Recorder(farm, 1.0)
    farm.observers.append(recorder)
    return farm, recorder


def body(recorder: Recorder) -> list[str]:
    """The steps of the file after the first, which is as long as the session."""
    lines = text_of(recorder, "made", "small").splitlines()
    return [line[6:] for line in lines[lines.index("      - name: session  # as long as it was") + 3 :]]


def test_the_file_reads_as_somebody_would_write_it(session: tuple[Farm, Recorder]) -> None:
    farm, recorder = session
    farm.step(1.0)
    farm.faults.add("bias", {"quantity": "active_power_w"}, parameters={"factor": 1.1}, duration_s=60.0)
    farm.faults.add("voltage-sag", {"feeder": "west"}, parameters={"voltage_pu": 0.85})
    tell(farm, "rest", alike(STORAGES, active_power_setpoint_w=1200.0))
    farm.step(1.0)
    farm.faults.clear_all()
    tell(farm, "rest", {"storage-001": {"stop": 1.0}})
    tell(farm, "rest", {"storage-001": {"active_power_limit_frac": 0.5}, "storage-002": {"stop": 1.0}}, "another")
    tell(farm, "rest", alike(STORAGES[1:], stop=1.0), "a third")
    farm.step(1.0)
    assert body(recorder) == [
        "- at: 1 s",
        "  setpoints: {target: {group: storage}, values: {active_power_setpoint_w: 1200}}",
        "- name: bias-1",
        "  at: 1 s",
        "  fault: {kind: bias, target: {quantity: active_power_w}, parameters: {factor: 1.1}, duration_s: 60}",
        "- name: voltage-sag-2",
        "  at: 1 s",
        "  fault: {kind: voltage-sag, target: {feeder: west}, parameters: {voltage_pu: 0.85}}",
        "- at: 2 s",
        "  setpoints: {target: {device: storage-001}, values: {stop: 1}}",
        "- at: 2 s",
        "  setpoints: {devices: {storage-001: {active_power_limit_frac: 0.5}, storage-002: {stop: 1}}}",
        "- at: 2 s",
        "  setpoints: {target: {device: [storage-002, storage-003]}, values: {stop: 1}}",
        "- at: 2 s",
        "  clear: [bias-1, voltage-sag-2]",
    ]


def test_the_comment_shows_an_expectation_that_can_be_met(session: tuple[Farm, Recorder]) -> None:
    farm, recorder = session
    for _ in range(3):
        farm.step(1.0)
    text = text_of(recorder, "made", "small")
    shown = [line[1:] for line in text.splitlines() if line.startswith("#      ")]
    made = performed(text + "\n".join(shown), lived(farm.layout))
    assert [str(each.verdict) for each in made.results] == ["PASS", "PASS"]
    assert made.results[1].text.startswith("expect storage-001.online")


def test_what_ends_or_begins_by_itself_needs_no_step(session: tuple[Farm, Recorder]) -> None:
    farm, recorder = session
    farm.faults.add("trip", {"group": "storage"}, duration_s=1.0)
    later = farm.faults.add("trip", {"group": "storage"}, start_s=farm.time_s + 4.0)
    never = farm.faults.add("trip", {"group": "storage"}, start_s=farm.time_s + 50.0)
    farm.step(1.0)
    farm.faults.add("offline", {"device": "meters-001"})
    for _ in range(5):
        farm.step(1.0)
    farm.faults.clear(never.id)
    farm.step(1.0)
    assert [line for line in body(recorder) if "kind" not in line] == [
        "- name: trip-1", "  at: 0 s", "- name: offline-4", "  at: 1 s", "- name: trip-2", "  at: 3 s"
    ]  # fmt: skip
    assert later.start_s == 5.0
    assert "may draw otherwise than they did: offline-4, trip-2." in text_of(recorder, "made", "small").replace(
        "-2, ", ""
    )


def test_what_is_put_and_cleared_between_two_steps_keeps_its_number(session: tuple[Farm, Recorder]) -> None:
    farm, recorder = session
    farm.faults.add("trip", {"group": "storage"})
    farm.faults.add("offline", {"device": "meters-001"})
    farm.faults.clear(2)
    farm.step(1.0)
    assert [line for line in body(recorder) if "at:" not in line and "kind" not in line] == [
        "- name: trip-1", "- name: offline-2", "  clear: offline-2"
    ]  # fmt: skip
    assert "may draw otherwise" not in text_of(recorder, "made", "small")


def test_what_stands_when_it_begins_is_kept_and_what_masters_write_on_choice(
    make_layout: Callable[..., SiteLayout],
) -> None:
    farm = lived(make_layout())
    farm.step(1.0)
    farm.faults.add("offline", {"device": "meters-001"})
    for _ in range(3):
        farm.step(1.0)
    without, with_masters = Recorder(farm, 1.0), Recorder(farm, 1.0, masters=True)
    farm.observers += [without, with_masters]
    tell(farm, "modbus", {"storage-001": {"active_power_setpoint_w": 500.0}})
    farm.step(1.0)
    farm.faults.clear_all()
    farm.step(1.0)
    gone = ["- name: offline-1", "  at: 1 s", "  fault: {kind: offline, target: {device: meters-001}}"]
    cleared = ["- at: 5 s", "  clear: offline-1"]
    assert body(without) == gone + cleared
    told = [
        "- at: 4 s", "  setpoints:", "    target: {device: storage-001}",
        "    values: {active_power_setpoint_w: 500, active_power_setpoint_enabled: 0}",
    ]  # fmt: skip
    assert body(with_masters) == gone + told + cleared
    assert "What masters wrote is not in it." in text_of(without, "made", "small")
    assert "What masters wrote" not in text_of(with_masters, "made", "small")
    assert "before it was recorded is not in it" in text_of(without, "made", "small")


def test_its_length_has_a_bound(session: tuple[Farm, Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    farm, recorder = session
    monkeypatch.setattr(recording, "NOTES_MAX", 2)
    for number in range(4):
        assert recorder.full == (number == 3)
        farm.faults.add("trip", {"group": "storage"}, duration_s=1.0)
        farm.step(1.0)
    assert "It came to its bound" in text_of(recorder, "made", "small")
    assert body(recorder)[0::3] == ["- name: trip-1", "- name: trip-2"]
    assert problems(text_of(recorder, "made", "small"), lived(farm.layout)) == []


def test_values_have_a_bound_too(session: tuple[Farm, Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    farm, recorder = session
    monkeypatch.setattr(recording, "VALUES_MAX", 2)
    tell(farm, "rest", alike(STORAGES, stop=1.0))
    farm.step(1.0)
    assert recorder.full
    assert body(recorder) == [
        "- at: 0 s",
        "  setpoints: {target: {device: [storage-001, storage-002]}, values: {stop: 1}}",
    ]


def test_its_time_has_a_bound_too(session: tuple[Farm, Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    farm, recorder = session
    for module in (recording, recorded):
        monkeypatch.setattr(module, "LENGTH_MAX_S", 2.0)
    for number in range(5):
        assert recorder.full == (number > 3)
        farm.faults.add("trip", {"group": "storage"}, duration_s=1.0)
        farm.step(1.0)
    assert body(recorder)[0::3] == ["- name: trip-1", "- name: trip-2", "- name: trip-3"]
    assert "wait: 2 s" in text_of(recorder, "made", "small")


def test_what_devices_do_by_themselves_is_no_step(session: tuple[Farm, Recorder]) -> None:
    farm, recorder = session
    recorder.masters = True
    tell(farm, "rest", alike(STORAGES[:1], active_power_limit_frac=0.5, active_power_limit_reversion_s=2.0))
    for _ in range(4):
        farm.step(1.0)
    assert farm.device("storage-001").value("active_power_limit_frac") == 1.0
    assert [line for line in body(recorder) if "at:" in line] == ["- at: 0 s"]


def test_a_change_of_the_step_is_told(session: tuple[Farm, Recorder]) -> None:
    farm, recorder = session
    for dt_s in (1.0, 2.5, 2.5):
        farm.step(dt_s)
    assert body(recorder) == ["# 1 s: a step was 2.5 s long from here; here it stays as it is"]


@pytest.mark.parametrize(
    "text", ["true", "null", "1e3", "a: b", "é😀\u0007", "x" * 300, "- a", "~", "Null", "0x1", ".5"]
)
def test_any_text_is_read_as_it_was(text: str) -> None:
    from pilotfarm.emulators.scenarios.recorded import _flow

    assert draft(steps(f"{{wait: 1, skip: {_flow(text)}}}")).document.data["phases"][0]["steps"][0]["skip"] == text
