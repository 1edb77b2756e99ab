"""A controlled station that takes commands in another way than it says."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Filter

KINDS_OF_TYPE = {
    "process": (45, 46, 50, 58, 63, 69),
    "interrogation": (100, 101),
    "other": (102, 103, 107, 110, 113),
    "monitored": (1, 36, 70),
}
GRIPPED = {"process": ("process",), "interrogation": ("interrogation",), "all": ("process", "interrogation", "other")}


def commanded(mode: str, of: str = "process") -> Filter:
    spec: Any = registry.fault("iec104-command")
    return spec.filter(mode, spec.parameters(of=of), 1)


def unit(type_id: int, cause: int, test: int = 0) -> bytes:
    return bytes((type_id, 1, cause | test, 7, 3, 0, 0x88, 0x13, 0, 0x01))


ALL = [number for numbers in KINDS_OF_TYPE.values() for number in numbers]
ANSWERED = {"refused": 0x40, "ineffective": 0}
"""In place of the device, with which flag."""
CHANGED = {("unconfirmed", 7): None, ("unterminated", 10): None, ("wrong-cause", 7): 5}


@pytest.mark.parametrize("mode", registry.fault("iec104-command").modes)
@pytest.mark.parametrize("of", GRIPPED)
def test_every_type_cause_and_direction(mode: str, of: str) -> None:
    """All causes of 7.2.3 to 47, with and without the test bit: what is not said here to change stays as it is."""
    each = commanded(mode, of)
    for type_id in ALL:
        gripped = any(type_id in KINDS_OF_TYPE[kind] for kind in GRIPPED[of])
        for cause in range(1, 48):
            for test in (0, 0x80):
                message = unit(type_id, cause, test)
                if gripped and mode in ANSWERED and cause in (6, 8):
                    assert each.inward(message, 0.0) == (None, unit(type_id, cause + 1, test | ANSWERED[mode]))
                else:
                    assert each.inward(message, 0.0) == (message, None)
                if gripped and (mode, cause) in CHANGED:
                    told = CHANGED[mode, cause]
                    assert each.outward(message, 0.0) == (None if told is None else unit(type_id, told, test))
                else:
                    assert each.outward(message, 0.0) == message


def test_a_negative_confirmation_of_the_device_stays_negative_with_another_cause() -> None:
    assert commanded("wrong-cause").outward(unit(45, 7, 0x40), 0.0) == unit(45, 5, 0x40)
