"""The ledger's tables, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
_NAME = pa.dictionary(pa.int32(), pa.string())
_STAMPS = [("run", _NAME), ("site_time", TIME), ("wall_time", TIME)]

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "values": pa.schema(
        [
            *_STAMPS,
            ("device", _NAME),
            ("kind", _NAME),
            ("quantity", _NAME),
            ("true", pa.float64()),
            ("reported", pa.float64()),
            ("quality", pa.uint8()),
        ]
    ),
    "commands": pa.schema(
        [
            *_STAMPS,
            ("command", pa.int64()),
            ("device", pa.string()),
            ("quantity", pa.string()),
            ("value", pa.float64()),
            ("limited_to", pa.float64()),
            ("protocol", pa.string()),
            ("peer", pa.string()),
            ("received", TIME),
            ("acknowledged", TIME),
        ]
    ),
    "effects": pa.schema(
        [
            *_STAMPS,
            ("command", pa.int64()),
            ("device", pa.string()),
            ("quantity", pa.string()),
            ("outcome", pa.string()),
        ]
    ),
    "faults": pa.schema(
        [
            *_STAMPS,
            ("fault", pa.int64()),
            ("kind", pa.string()),
            ("event", pa.string()),
            ("mode", pa.string()),
            ("target", pa.string()),
            ("parameters", pa.string()),
            ("devices", pa.list_(pa.string())),
        ]
    ),
    "feeders": pa.schema(
        [
            *_STAMPS,
            ("feeder", _NAME),
            ("energised", pa.bool_()),
            ("converged", pa.bool_()),
            ("failures", pa.int64()),
            ("power_w", pa.float64()),
            ("reactive_power_var", pa.float64()),
            ("cable_losses_w", pa.float64()),
            ("transformer_losses_w", pa.float64()),
            ("loading_frac", pa.float64()),
            ("lowest_voltage_v", pa.float64()),
            ("highest_voltage_v", pa.float64()),
        ]
    ),
}
