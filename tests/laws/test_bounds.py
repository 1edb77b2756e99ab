"""Whatever has a bound lets the oldest go first, keeps the newest in order, and counts what it lost."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from iec104_bench import Bench, Master, spec_of

from pilotfarm.emulators.maps.iec104 import IOA
from pilotfarm.emulators.protocols.iec60870.asdu import Type

ROOM = 16
STATES, MEASURED = ("running", "available", "fault_trip"), ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
NARROW = spec_of([*STATES, *MEASURED])

# ----------------------------------------------------------------------------------------- IEC 104

changes = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([*STATES, *MEASURED])), min_size=20, max_size=90)


@given(changes)
@settings(max_examples=200, deadline=None)
def test_of_changes_that_wait_for_an_iec_104_master_the_oldest_measurement_goes_first_then_the_oldest_state(
    moves: list[tuple[int, str]],
) -> None:
    """One change a step, to the same point again or to another; only a measurement's newest value waits."""
    bench = Bench(6, NARROW, event_queue=ROOM)
    master = Master(bench)
    master.block()
    states: list[tuple[int, int, float]] = []
    measured: dict[tuple[int, int], float] = {}
    lost = 0
    for k, (row, name) in enumerate(moves, 1):
        value = 1.0 - bench.columns[name][row] if name in STATES else 1_000.0 * k
        bench.set(name, row, value)
        bench.step()
        place = row + 1, IOA[name]
        if place not in measured and len(states) + len(measured) == ROOM:
            lost += 1
            if measured:
                del measured[next(iter(measured))]
            elif name in MEASURED:
                continue  # it takes no state's place
            else:
                del states[0]
        if name in STATES:
            states.append((*place, value))
        else:
            measured[place] = value
    master.acknowledge()
    told = [
        (each.type, (each.address, int.from_bytes(body[:3], "little")), body[3:])
        for each in master.heard()
        if each.type in (Type.SINGLE_TAGGED, Type.FLOAT_TAGGED)
        for body in pieces(each.body, each.count)
    ]
    assert [(*place, float(data[0] & 1)) for kind, place, data in told if kind == Type.SINGLE_TAGGED] == states
    floats = {place: struct.unpack("<f", data[:4])[0] for kind, place, data in told if kind == Type.FLOAT_TAGGED}
    assert floats == measured
    assert master.engine.lost_events == lost  # type: ignore[attr-defined]


def pieces(body: bytes, count: int) -> list[bytes]:
    size = len(body) // count
    return [body[at : at + size] for at in range(0, len(body), size)]
