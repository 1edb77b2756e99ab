"""What was recorded -> the text of a scenario file, with a comment that shows how to say what must be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

import yaml

from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.scenarios.model import LIMIT_S
from pilotfarm.emulators.scenarios.recorder import LENGTH_MAX_S, Broken, Mended, Note, Paced, Recorder, Told

_WIDTH: Final = 110
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*")
_WORDS: Final = ("null", "true", "false")
"""What is no text without quotes."""


def text_of(recorder: Recorder, name: str, site: str) -> str:
    """Return the scenario as it is so far; ``site`` is what a scenario file would call the farm's site."""
    layout = recorder.farm.layout
    length_s = min(max(recorder.now_s, recorder.step_s), LENGTH_MAX_S)
    steps = chain.from_iterable(_step(recorder, note) for note in _in_order(recorder.notes))
    lines = [
        *(f"# {line}" for line in _head(recorder)),
        f"name: {name}",
        f"title: {_flow(f'Recorded at {layout.name}')}",
        f"site: {_flow(site)}",
        f"start: {layout.start.isoformat()}",
        f"seed: {layout.seed}",
        f"step_s: {_number(recorder.step_s)}",
        f"limit: {_time(length_s + LIMIT_S)}",
        "",
        "phases:",
        "  - name: recorded",
        "    steps:",
        "      - name: session  # as long as it was",
        "        at: 0 s",
        f"        wait: {_time(length_s)}",
        *steps,
    ]
    return "\n".join(lines) + "\n"


def _head(recorder: Recorder) -> Iterator[str]:
    farm = recorder.farm
    yield f"Recorded at {farm.layout.name} from {_clock(recorder.began)} to {_clock(farm.now)} of site time."
    if recorder.began_s > 0.0:
        yield "Times are since the site began. What devices were told before it was recorded is not in it."
    if not recorder.masters:
        yield "What masters wrote is not in it."
    if recorder.full:
        yield "It came to its bound: what was done after its last step is not in it."
    faults = [note.fault for note in _in_order(recorder.notes) if isinstance(note, Broken)]
    moved = [_name(fault) for number, fault in enumerate(faults, 1) if fault.id != number]
    if moved:
        yield f"Faults have other numbers here, and may draw otherwise than they did: {', '.join(moved)}."
    yield "It expects nothing yet, so a run passes whatever comes. Say what must be seen, in steps such as:"
    yield "     - at: 60 s"
    yield f"       expect: {next(iter(farm.population.devices))}.online reported == 1 within 60 s"


def _in_order(notes: Sequence[Note]) -> list[Note]:
    """Between two steps: commands, faults by their numbers, what is cleared."""

    def place(note: Note) -> tuple[float, int, int]:
        kinds = (Paced, Told, Broken, Mended)
        return note.at_s, kinds.index(type(note)), note.fault.id if isinstance(note, Broken) else 0

    return sorted(notes, key=place)


def _step(recorder: Recorder, note: Note) -> Iterator[str]:
    if isinstance(note, Paced):
        yield f"      # {_time(note.at_s)}: a step was {_number(note.step_s)} s long from here; here it stays as it is"
        return
    name = [f"name: {_name(note.fault)}"] if isinstance(note, Broken) else []
    for number, line in enumerate((*name, f"at: {_time(note.at_s)}", *_action(recorder, note))):
        yield f"        {line}" if number else f"      - {line}"


def _action(recorder: Recorder, note: Broken | Mended | Told) -> Iterator[str]:
    if isinstance(note, Broken):
        yield from _lines("fault", _fault(note.fault))
    elif isinstance(note, Mended):
        names = [_name(fault) for fault in note.faults]
        yield from _lines("clear", names[0] if len(names) == 1 else names)
    else:
        yield from _lines("setpoints", _told(recorder, note))


def _name(fault: Fault) -> str:
    return f"{fault.spec.kind}-{fault.id}"


def _fault(fault: Fault) -> dict[str, Any]:
    """What to ask for; what is left out is what it would be anyway."""
    course = fault.course
    asked = {
        "target": dict(fault.target),
        "mode": fault.mode if fault.spec.modes and fault.mode != fault.spec.modes[0] else None,
        "parameters": fault.parameters.model_dump(mode="json", exclude_defaults=True),
        "duration_s": course.duration_s,
        "count": course.count,
        "ramp_s": course.ramp_s or None,
        "spread_s": course.spread_s or None,
    }
    return {"kind": fault.spec.kind, **{key: value for key, value in asked.items() if value not in (None, {})}}


def _told(recorder: Recorder, note: Told) -> dict[str, Any]:
    """The same values for a group, or for some devices, or each device its own."""
    devices = list(note.devices)
    values = note.devices[devices[0]]
    if any(each != values for each in note.devices.values()):
        return {"devices": note.devices}
    group, _ = recorder.farm.population.find(devices[0])
    if len(devices) > 1 and set(devices) == set(group.layout.devices):
        return {"target": {"group": group.name}, "values": values}
    return {"target": {"device": devices if len(devices) > 1 else devices[0]}, "values": values}


# ------------------------------------------------------------------------------------------- text


def _lines(key: str, value: Any) -> Iterator[str]:
    """Write a key and its value: on one line if that is not too long."""
    flow = f"{_flow(key)}: {_flow(value)}"
    if len(flow) <= _WIDTH or not isinstance(value, dict | list):
        yield flow
        return
    yield f"{_flow(key)}:"
    if isinstance(value, list):
        yield from (f"  - {_flow(each)}" for each in value)
        return
    for name, each in value.items():
        yield from (f"  {line}" for line in _lines(name, each))


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return _number(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted: str = yaml.dump(text, default_style='"', width=float("inf"), allow_unicode=True)
    return quoted.rstrip("\n")


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _time(seconds: float) -> str:
    return f"{_number(round(seconds, 6))} s"


def _clock(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
