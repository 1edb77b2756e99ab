"""The ledger's tables, column by column, and what every file says of itself.

What is of the wall clock, or of who asked from where, stands in tables of its own (``OF_THE_WALL_CLOCK``). The others
are the same by bytes when site, seed, version, options, commands and faults are, step by step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

VERSION: Final = 3
"""Rises whenever a table's columns or their meaning change. A folder holds files of one version."""
RUN: Final = "run"
"""The column that the folders of runs stand for, such as ``values/run=1``; no file has it."""
PREFIX: Final = "pilotfarm."
"""Begins every key of a file's metadata."""
CONVENTIONS: Final = (
    "Names end in their unit. Plus is power, current and energy leaving the device towards the grid; "
    "_frac is a share from 0 to 1; truth values are 1 and 0; times are UTC."
)

TIME = pa.timestamp("us", tz="UTC")
_NAME = pa.dictionary(pa.int32(), pa.string())
_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()


def _columns(*columns: tuple[str, pa.DataType, str, str]) -> pa.Schema:
    stamp = ("site_time", TIME, "UTC", "Site time of the step")
    return pa.schema(
        [
            pa.field(name, kind, metadata={"description": text, **({"unit": unit} if unit else {})})
            for name, kind, unit, text in (stamp, *columns)
        ]
    )


_VALUES: Final = _columns(
    ("device", _NAME, "", "The device's id"),
    ("kind", _NAME, "", "The device's kind"),
    ("quantity", _NAME, "", "The quantity's name, which ends in its unit"),
    ("true_value", _NUMBER, "of the quantity", "What is"),
    ("reported_value", _NUMBER, "of the quantity", "What the device says"),
    ("quality", pa.uint8(), "bits", "Quality as reported, bits of IEC 60870-5-101, 7.2.6.3; 0 is good"),
)

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "values": _VALUES,
    "commands": _columns(
        ("command", _COUNT, "", "The command's number in its run; rows of one command share it"),
        ("device", _TEXT, "", "The device's id"),
        ("quantity", _TEXT, "", "The set-point or command"),
        ("value", _NUMBER, "of the quantity", "What was asked for"),
        ("limited_to", _NUMBER, "of the quantity", "What the device can follow now, where that is less; else null"),
        ("protocol", _TEXT, "", "How it came: modbus, iec104, iec101, dnp3, rest, scenario, or reversion"),
    ),
    "effects": _columns(
        ("command", _COUNT, "", "The command's number in its run"),
        ("device", _TEXT, "", "The device's id"),
        ("quantity", _TEXT, "", "The quantity that shows the effect, such as active_power_w"),
        ("outcome", _TEXT, "", "effective, superseded by a later command, or expired"),
    ),
    "faults": _columns(
        ("fault", _COUNT, "", "The fault's number in its run"),
        ("kind", _TEXT, "", "The kind of fault"),
        ("event", _TEXT, "", "began or ended"),
        ("mode", _TEXT, "", "The kind's mode, if it has any"),
        ("target", _TEXT, "", "Whom it was aimed at, as JSON"),
        ("parameters", _TEXT, "", "Its parameters, as JSON"),
        ("duration_s", _NUMBER, "s", "How long it lasts; null until it is cleared, or its messages are changed"),
        ("ramp_s", _NUMBER, "s", "Over how long it takes its devices, or goes from right to wrong; 0 is at once"),
        ("spread_s", _NUMBER, "s", "Over how long it leaves its devices after its duration; 0 is at once"),
        ("count", _COUNT, "", "How many messages it changes until it ends; null without such an end"),
        ("devices", pa.list_(pa.string()), "", "The ids of the devices it gripped"),
    ),
    "feeders": _columns(
        ("feeder", _NAME, "", "The feeder's name"),
        ("energised", pa.bool_(), "", "Whether it has supply"),
        ("converged", pa.bool_(), "", "Whether the power flow converged; if not, the last one stands"),
        ("failures", _COUNT, "", "How many power flows did not converge since the run began"),
        ("power_w", _NUMBER, "W", "Active power at the medium voltage, plus towards it"),
        ("reactive_power_var", _NUMBER, "var", "Reactive power at the medium voltage, plus towards it"),
        ("cable_losses_w", _NUMBER, "W", "Losses in the cables"),
        ("transformer_losses_w", _NUMBER, "W", "Losses in the transformers"),
        ("loading_frac", _NUMBER, "1", "Current of the most loaded winding of all transformers over its rated current"),
        ("lowest_voltage_v", _NUMBER, "V", "Lowest voltage, line to neutral"),
        ("highest_voltage_v", _NUMBER, "V", "Highest voltage, line to neutral"),
    ),
    "outages": _columns(
        ("station", _NAME, "", "The data concentrator"),
        ("device", _NAME, "", "The customer's meter"),
        ("known", _NAME, "", "What the concentrator knows: last_gasp, no_contact, or supplied"),
        ("since", TIME, "UTC", "When its last gasp came, or with no_contact when it last answered; else null"),
        ("supplied", pa.bool_(), "", "Whether the customer has supply in truth"),
    ),
    "steps": _columns(("wall_time", TIME, "UTC", "The machine's time when the step was taken")),
    "receipts": _columns(
        ("command", _COUNT, "", "The command's number in its run"),
        ("peer", _TEXT, "", "Who sent it"),
        ("received", TIME, "UTC", "The machine's time of receipt"),
        ("acknowledged", TIME, "UTC", "The machine's time of the answer; null if there was none before the step"),
    ),
    "countdowns": _VALUES,
}

OF_THE_WALL_CLOCK: Final = ("steps", "receipts", "countdowns")
"""Tables that are not the same when a run is repeated."""
OF_STATIONS: Final = ("outages",)
"""Tables that a site has where its stations are served."""
OF_GROUPS: Final = ("values", "countdowns")
"""Tables with a row a device and quantity."""

_NAMES: Final = ("quantity", "device")
SORTED_BY: Final[Mapping[str, tuple[str, ...]]] = {**dict.fromkeys(OF_GROUPS, _NAMES), "feeders": ("feeder",)}
"""How whole files sort their rows before time: what is filtered by lies together, and compresses."""


def described(table: str, about: Mapping[str, Any]) -> pa.Schema:
    """A table's schema with what its files say of themselves: ``about``, and each column's description and unit."""
    schema = SCHEMAS[table]
    columns = {field.name: {k.decode(): v.decode() for k, v in field.metadata.items()} for field in schema}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    texts["columns"] = json.dumps(columns)
    return schema.with_metadata({f"{PREFIX}{name}": text for name, text in texts.items()})


def version_of(schema: pa.Schema) -> int:
    """The ledger's version that a file was written as; 1 did not say."""
    return int((schema.metadata or {}).get(f"{PREFIX}ledger_version".encode(), b"1"))
