"""Faults of IEC 60870-5-104: a device that tells far more events than happen to it.

Types are those of IEC 60870-5-101:2003, 7.2.1.1.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.faults.retelling import Retelling, Retold

_SINGLE, _DOUBLE, _FLOAT = 1, 3, 13
_STATES: Final = (_SINGLE, _DOUBLE)
_TURNED: Final = {_SINGLE: 0x01, _DOUBLE: 0x03}
"""Bits that make off of on: 0 and 1 of a single point, 1 and 2 of a double point (7.2.6.1, 7.2.6.2)."""
_TOLD: Final[dict[str, tuple[tuple[int, ...], dict[int, int]]]] = {
    "states": (_STATES, {}),
    "chattering": (_STATES, _TURNED),
    "measurements": ((_FLOAT,), {}),
}
"""Mode -> which types are told, and what turns them over."""


def _flooding(mode: str, parameters: Retold, key: int) -> Retelling:
    return Retelling(*_TOLD[mode], parameters.events_per_s)


IEC104_FLOOD = ProtocolFault(
    kind="iec104-flood",
    title="A flood of spontaneous events: states told again, contacts that chatter, or measurements told again",
    parameters=Retold,
    modes=tuple(_TOLD),
    protocols=("iec104", "iec101"),
    filter=_flooding,
    by_message=False,
    example={"events_per_s": 200.0},
)
