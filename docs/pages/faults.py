"""``docs/faults.md``: every kind of fault with its parameters, as their schemas have them."""

from __future__ import annotations

import json
import shlex
from typing import Any, Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import FaultSpec, GridFault, LinkFault, MeasurementFault, ProtocolFault

HEAD = """\
# Faults

Made by `make pages` from the kinds that are registered. `GET /api/v1/faults/kinds` has the same as JSON Schema, and
[rest.md](rest.md) how faults are asked for, listed and cleared over REST.

A fault has a kind, a target, perhaps a mode and parameters, a start and a duration in site time. It begins with a step
and ends with one; without a duration it holds until it is cleared. An inactive fault changes no byte that is read.

| family | what is broken | what stays true |
|---|---|---|
| measurement | what a device says of a quantity | the physics; REST shows both, as `value` and `reported` |
| device | what a device does with what it was told | what it shows as told |
| clock | a device's clock, and its time tags | all values |
| admission | whether a device can be reached | the physics goes on unseen |
| link | the bytes of a device's connections | what is asked and answered |
| protocol | how a device answers | the physics, and other protocols |
| grid | the supply or the frequency | what devices say of it |

The target is what all of its keys match. The answer names the devices that are `hit`, and those `missed`: it cannot
take hold there.

| key | the devices | in a list |
|---|---|---|
| `device`, `exclude` | whose ids match a glob, or do not | any |
| `kind`, `group`, `feeder` | of a kind, group or feeder of the site file | any |
| `station`, `protocol`, `map` | behind a gateway or RTU, served over a protocol, served with a map | any |
| `label` | whose group or station carries a label, `cell=north` | of each name any |
| `quantity` | for faults of measurement: which quantities, a name or glob | any |
| `pick` | of those that can have the fault `all`, so many, or a share (`25 %`), drawn by the seed | |

`station`, `protocol`, `map` and a station's labels mean ways to a device: a fault of admission, link or protocol acts
on these ways, and a device is off the network when all its ways are shut. A grid fault takes the feeders or branches
of the devices that are picked, and with them their neighbours.

```
$ pilotfarm fault add offline --device 'meter-*' --duration 600
$ pilotfarm fault add latency --label cell=north --set delay_s=2.0 --pick '25 %'
$ pilotfarm fault list
$ pilotfarm fault clear --all
```

Faults of the family link act on connections, those that stand and those that come, at addresses all of whose devices
are hit: a gateway or RTU that several share is slow when all of them are. What they do takes wall time, as protocols
do, at any speed of the site. A TCP connection loses no bytes: loss on the medium shows as delay, and where it lasts
as a connection that ends. What is under way when such a fault ends arrives at once. Where several stand, the first is
nearest to the device. A connection with more than 256 KB under way in one direction is cut.
"""

SEEN: Final = {
    "offline": (
        (
            "Modbus, DNP3",
            "connections that stand are cut; new ones are refused (`refuse`), or reset as they come (`cut`)",
        ),
        ("Modbus gateway", "its unit answers exception 11: the device behind the gateway does not answer"),
        ("IEC 104", "a device of its own as over Modbus; at an RTU what it knew last, *not topical*, and `online` 0"),
        ("REST", "what the device says itself; only its `online` is reported as 0"),
    ),
    "stuck": (
        ("Modbus", "the register stands still; Modbus has no word for quality"),
        ("IEC 104, DNP3", "the point stands still; its quality is what `quality` says"),
        ("REST", "`value` moves, `reported` stands still"),
    ),
    "bias": (
        ("Modbus", "the value is off, as far as its register can hold it"),
        ("IEC 104, DNP3", "the value is off; its quality is what `quality` says"),
        ("REST", "`value` is true, `reported` is off"),
    ),
    "blackhole": (
        ("every protocol", "no answer; connections can be made, and stay until its timers or TCP's end them"),
        ("IEC 104", "with its default of t1 the master closes 15 s after what it sent"),
    ),
    "silence": (
        ("Modbus, DNP3", "no answer, on a connection that stands; with `unanswered` a set-point is taken all the same"),
        ("IEC 104", "the same, while the link goes on: frames are acknowledged and TESTFR is answered"),
    ),
    "modbus-answer": (
        (
            "Modbus",
            "an answer that is not its own (`transaction`, `unit`, `function`), two (`doubled`), or no whole one",
        ),
        ("Modbus, `corrupted`", "one bit is another; Modbus TCP has no checksum, so masters take the value for true"),
        ("others", "nothing of it"),
    ),
    "iec104-command": (
        ("IEC 104, `unconfirmed`", "no confirmation; the device does what it was told"),
        ("IEC 104, `refused`", "a negative confirmation; the device is not told"),
        ("IEC 104, `ineffective`", "a positive confirmation and no termination; the device is not told"),
        ("IEC 104, `unterminated`", "a confirmation and no termination; the device does it"),
        ("IEC 104, `wrong-cause`", "a confirmation with cause 5 (requested); the device does it"),
        ("others", "nothing of it"),
    ),
    "dnp3-indication": (
        (
            "DNP3",
            "the bit in every response; masters clear `restart`, and set the time for `need-time`, again and again",
        ),
        ("others", "nothing of it"),
    ),
    "dnp3-control": (
        ("DNP3", "the status for every object of a select, an operate or a direct operate; the device is not told"),
        ("others", "nothing of it"),
    ),
    "dnp3-confirmation": (
        ("DNP3", "the same events once more, whenever it polls for them or the outstation tries again"),
        ("others", "nothing of it"),
    ),
    "modbus-exception": (
        ("Modbus", "every request is answered with the exception, reads and writes alike"),
        ("IEC 104, DNP3", "nothing of it"),
    ),
    "outage": (("every protocol", "voltages and powers of 0; devices stay in contact, as by a battery of their own"),),
    "generation-loss": (
        ("every protocol", "the frequency falls and comes back; inverters answer as their grid code has it"),
    ),
}
"""Kind -> protocol, what a master sees; for other kinds the title says it."""


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
        case MeasurementFault():
            return "devices and, needed, a `quantity`"
        case GridFault(everywhere=True):
            return "none; the whole site"
        case GridFault():
            return "devices, whose feeders or branches it takes"
        case ProtocolFault() | LinkFault() if spec.protocols:
            return f"devices that are served over {', '.join(spec.protocols)}"
    return "whole devices"


def _parameters(schema: dict[str, Any]) -> str:
    rows = "".join(_row(name, each, schema.get("required", [])) for name, each in schema.get("properties", {}).items())
    return (
        f"\n| parameter | meaning | may be | if left out |\n|---|---|---|---|\n{rows}" if rows else "\nNo parameters.\n"
    )


def _row(name: str, schema: dict[str, Any], required: list[str]) -> str:
    default = "needed" if name in required else _shown(schema.get("default"))
    return f"| `{name}` | {schema['description']} | {_bounds(schema)} | {default} |\n"


def _bounds(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    if "maximum" in schema:
        return f"above {above:g}, to {schema['maximum']:g}" if low is None else f"{low:g} to {schema['maximum']:g}"
    return "any finite number"


def _shown(value: Any) -> str:
    return "" if value is None else f"`{value}`" if isinstance(value, str) else f"{value:g}"


def command(spec: FaultSpec) -> str:
    """Return a command that puts the fault on devices of `tiny`."""
    words = ["pilotfarm", "fault", "add", spec.kind]
    if isinstance(spec, MeasurementFault):
        words += ["--device", "meter-*", "--quantity", "active_power_w"]
    elif not (isinstance(spec, GridFault) and spec.everywhere):
        words += ["--device", "meter-*"]
    words += [word for name, value in spec.example.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    return shlex.join([*words, "--duration", "60"])
