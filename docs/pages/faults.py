"""``docs/faults.md``: every kind of fault with its parameters, as their schemas have them."""

from __future__ import annotations

import json
import shlex
from typing import Any

from faults_seen import SEEN

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.disturbance import BRANCH
from pilotfarm.emulators.contracts.fault import (
    FaultSpec,
    GridFault,
    LinkFault,
    MeasurementFault,
    MediumOverride,
    Override,
    ProtocolFault,
)

HEAD = """\
# Faults

Made by `make pages` from the kinds that are registered. `GET /api/v1/faults/kinds` has the same as JSON Schema, and
[rest.md](rest.md) how faults are asked for, listed and cleared over REST.

A fault has a kind, a target, perhaps a mode and parameters, a start and a duration in site time. It begins with a step
and ends with one; without a duration it holds until it is cleared. An inactive fault changes no byte that is read.

- `start`: with the next step, or so much later, or at an instant of site time.
- `duration_s`: how long it holds.
- `ramp_s`: faults of admission, link and protocol, overrides and `restart` take their devices one after the other in
  that time; a wrong value or clock goes evenly from right to wrong, and a disturbance of the grid grows evenly, but for
  what opens.
- `spread_s`: after its duration, a fault of admission, link or protocol or an override leaves its devices one after the
  other in that time: how fast they come back.
- `count`: it ends after so many messages that it has changed, of all its devices together; for faults that act on
  messages. So it depends on who polls, and how often.
- `dry_run`: the answer says whom it would hit, and nothing happens.

Cleared, a fault leaves all its devices at once. `bites` says how often a fault of link or protocol has changed what
passes: messages or frames that were answered otherwise, changed or kept, pieces of bytes that took time, or connections
that it ended.

| family | what is broken | what stays true |
|---|---|---|
| measurement | what a device says of a quantity | the physics; REST shows both, as `value` and `reported` |
| device | the device itself: its power, its switch, a sensor, what it follows, whether it is there | what it was told |
| clock | a device's clock, and its time tags | all values |
| admission | whether a device can be reached | the physics goes on unseen |
| link | the bytes of a device's connections | what is asked and answered |
| protocol | how a device answers | the physics, and other protocols |
| grid | the supply or the frequency | what devices say of it |
| override | nothing: weather, load or medium are others than models, series and the site file have them | all else |

The target is what all of its keys match. The answer names the devices that are `hit`, and those `missed`: it cannot
take hold there.

| key | the devices | in a list |
|---|---|---|
| `device`, `exclude` | whose ids match a glob, or do not | any |
| `kind`, `group`, `feeder` | of a kind, group or feeder of the site file | any |
| `branch` | on a branch of a feeder, `north/1`; REST tells it of each device | any |
| `phase` | on a phase, `L1` to `L3`; devices of three phases are on all | any |
| `station`, `protocol`, `map` | behind a gateway or RTU, served over a protocol, served with a map | any |
| `medium` | reached over a [medium](media.md) | any |
| `label` | whose group or station carries a label, `cell=north` | of each name any |
| `quantity` | for faults of measurement: which quantities, a name or glob; of a phase all if left out | any |
| `pick` | of those that can have the fault `all`, so many, or a share (`25 %`), drawn by the seed | |

`station`, `protocol`, `map`, `medium` and a station's labels mean ways to a device: a fault of admission, link or
protocol and the override `medium` act on these ways, and a device is off the network when all its ways are shut. A grid
fault takes the feeders, transformers or branches of the devices that are picked, and with them their neighbours. A
clock fault whose target names an RTU as its `station` is one of the RTU's clock, and with it of all that the RTU tells.
A `restart` whose target names a `station`, `protocol`, `map` or a label of a station is one of what answers there: no
device stops for it. At a [station that polls](stations.md) this tells faults of the station and faults of the devices
behind it apart.

```
$ pilotfarm fault add offline --device 'meter-*' --duration 600
$ pilotfarm fault add latency --label cell=north --set delay_s=2.0 --pick '25 %'
$ pilotfarm fault add cell-down --label cell=north --duration 600 --spread 20
$ pilotfarm fault add silence --protocol modbus --count 3 --dry-run
$ pilotfarm fault add weather --set irradiance_factor=0.2 --set from_deg=270 --ramp 60 --duration 300 --spread 60
$ pilotfarm fault add load --group homes --set added_w=3000 --pick '25 %'
$ pilotfarm fault add medium --label cell=north --set to=gprs --duration 600
$ pilotfarm fault list
$ pilotfarm fault clear --all
```

In Python the same is `farm.faults.add("bias", {"quantity": "active_power_w"}, parameters={"factor": 1.1}, ramp_s=60)`,
with `clear`, `clear_all` and `get`; `farm.faults` yields those that wait, grip or have ended.

## What is seen

What faults of measurement draw depends on the seed, the device, the quantity and the site time, so it is the same again
however the steps are cut and whoever else is there.

| a value is | Modbus | IEC 104 | DNP3 | REST |
|---|---|---|---|---|
| `invalid` | the map's word, or as it is | IV | ONLINE cleared | `invalid` |
| `questionable`, that is not topical | the map's word, or as it is | NT | ONLINE cleared, COMM_LOST | `not_topical` |
| `blocked`, `substituted` | as it is | BL, SB | LOCAL_FORCED | `blocked`, `substituted` |
| `overflow` | as it is | OV | OVER_RANGE | `overflow` |
| infinite | the end of the register's range | OV and IV | OVER_RANGE, ONLINE cleared | `null`, `overflow,invalid` |
| missing | the map's word, or 0 | not a number or 0, IV | 0, ONLINE cleared | `null`, `invalid` |

The map's word is SunSpec's value for a point that is not implemented (0x8000, 0xFFFF and their like), and not a number
in every register of floating point. An accumulator of SunSpec, whose word is 0, and the integers of the other maps have
none that could be told from a value.

Faults of the family link act on connections, those that stand and those that come, at addresses all of whose devices
are hit: a gateway or RTU that several share is slow when all of them are. What they do takes wall time, as protocols
do, at any speed of the site. A TCP connection loses no bytes: loss on the medium shows as delay, and where it lasts
as a connection that ends. What is under way when such a fault ends arrives at once. Where several stand, the first is
nearest to the device. A connection with more than 256 KB under way in one direction is cut.

A feeder described by an impedance has no transformers and branches: its devices are missed by what would take these.
Phases are L1 to L3 of the low voltage. While it is disturbed, a feeder's substation is solved with phasors, by phase;
voltages of before are back with the step that ends it.

## Where two meet

- Two on one value: each makes something of what those before it have made, in the order of their ids; one that does not
  look (`stuck` with a value, `missing`, `out-of-range`) hides those before it. What devices say of the value adds up.
- Two on one device itself: of each effect the stronger; a device is away while one of them has it away.
- Two on one clock: what they put it off by adds up.
- Two of admission: the strictest: a device that one of them cuts off is cut off.
- Two of link: both act; the one with the lower id is nearer to the device.
- Two of protocol: both act; a request meets the one with the higher id first, and what that answers or keeps the other
  never sees. An answer meets the lower id first.
- Several grid faults at a supply: open phases unite, factors on voltages and impedances multiply, taps, lost generation
  and frequencies add up; what is cut off is carried for the shortest of the times given.
- Two overrides of one number: a value of the higher id holds, then factors multiply, and what is added adds up. Of two
  media that of the higher id holds; a medium is nearer to the device than faults of link.
- Of several families: override, grid and device, then measurement, then protocol, link and admission: the order in
  which a value leaves its device.

A fault that ends leaves what the others make of it, as if it had never been.
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(_section(registry.fault(kind)) for kind in registry.FAULTS)


def _section(spec: FaultSpec) -> str:
    parts = [f"\n## {spec.kind}\n\n{spec.title}. Family: {spec.family}.\n"]
    if spec.modes:
        first, *others = (f"`{mode}`" for mode in spec.modes)
        parts.append(f"\nModes: {first} if left out{''.join(f', {mode}' for mode in others)}.\n")
    parts.append(f"\nTarget: {_target(spec)}.\n")
    parts.append(_parameters(spec.parameters.model_json_schema()))
    parts.append(f"\n```\n$ {command(spec)}\n```\n")
    seen = "".join(f"| {protocol} | {what} |\n" for protocol, what in SEEN.get(spec.kind) or _seen(spec))
    parts.append(f"\n| over | a master sees |\n|---|---|\n{seen}")
    return "".join(parts)


def _seen(spec: FaultSpec) -> tuple[tuple[str, str], ...]:
    """What masters see of a kind whose title says it."""
    names: tuple[str, ...] = getattr(spec, "protocols", ())
    protocols = ", ".join(registry.protocol(name).title for name in names)
    if not protocols:
        return (("every protocol", "what arrives is whole and true; whether it is in time is for the master's timers"),)
    if set(names) == set(registry.PROTOCOLS):
        return ((protocols, "no answer, on a connection that stands"),)
    return ((protocols, "as the title says"), ("others", "nothing of it"))


def _target(spec: FaultSpec) -> str:
    match spec:
        case MeasurementFault(by_phase=True):
            return "devices; a `quantity` narrows it"
        case MeasurementFault():
            return "devices and, needed, a `quantity`"
        case GridFault(everywhere=True):
            return "none; the whole site"
        case GridFault():
            return f"devices, whose {_supplies(spec)} it takes"
        case Override():
            return "devices to which what is changed matters"
        case MediumOverride():
            return "devices with a way that has another medium than that"
        case ProtocolFault() | LinkFault() if spec.protocols:
            return f"devices that are served over {', '.join(spec.protocols)}"
    return "whole devices"


def _supplies(spec: GridFault) -> str:
    """What a grid fault takes of its targets, by its modes or its example."""
    at = spec.modes or (spec.disturbance("", spec.parameters(**spec.example)).at,)
    *others, last = (f"{each}{'es' if each == BRANCH else 's'}" for each in at)
    return f"{', '.join(others)} or {last}" if others else last


def _parameters(schema: dict[str, Any]) -> str:
    rows = "".join(_row(name, each, schema.get("required", [])) for name, each in schema.get("properties", {}).items())
    return (
        f"\n| parameter | meaning | may be | if left out |\n|---|---|---|---|\n{rows}" if rows else "\nNo parameters.\n"
    )


def _row(name: str, schema: dict[str, Any], required: list[str]) -> str:
    default = "needed" if name in required else _shown(schema.get("default"))
    return f"| `{name}` | {schema['description']} | {_bounds(schema)} | {default} |\n"


def _bounds(schema: dict[str, Any]) -> str:
    schema = next(iter(schema.get("anyOf", ())), schema)  # what may be left out
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for each in schema.get("anyOf", ()):
        if each["type"] != "null":
            return _bounds(each)
    if schema["type"] == "string":
        return "a name"
    if schema["type"] == "boolean":
        return "`true`, `false`"
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if high is None and below is None:
        return "any finite number"
    begins = f"above {above:g}," if low is None else f"{low:g}"
    return f"{begins} to below {below:g}" if high is None else f"{begins} to {high:g}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{json.dumps(value)}`"
    return "" if value is None else f"`{value}`" if isinstance(value, str) else f"{value:g}"


def command(spec: FaultSpec) -> str:
    """Return a command that puts the fault on devices of `tiny`."""
    words = ["pilotfarm", "fault", "add", spec.kind]
    if isinstance(spec, MeasurementFault) and not spec.by_phase:
        words += ["--device", "meter-*", "--quantity", "active_power_w"]
    elif not (isinstance(spec, GridFault) and spec.everywhere):
        words += ["--device", {"device": "battery-*", "override": "home-*"}.get(spec.family, "meter-*")]
    words += [word for name, value in spec.example.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    return shlex.join([*words, "--duration", "60"])
