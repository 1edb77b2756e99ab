"""Every kind of fault over every protocol, met by a client nobody here wrote: pymodbus, c104 and opendnp3.

The table says what each sees when it looks once while the fault stands; afterwards each sees what it saw before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from faults_met import BATTERY, PROTOCOLS, SITE, STATIONS, TABLE, USUAL, WRITES, Row
from running_farm import RunningFarm, brought_up
from what_is_seen import SOON_S, WORDS, Case, Said, Seen, came_back
from who_looks import Clients

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import (
    ClockFault,
    DeviceFault,
    FaultSpec,
    GridFault,
    LinkFault,
    Override,
    ProtocolFault,
    acts_on,
    needed,
)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    folder = tmp_path_factory.mktemp("met")
    (folder / "met.yaml").write_text(SITE)
    with brought_up(folder, str(folder / "met.yaml")) as site:
        site.tell(BATTERY, **USUAL)
        site.step(60)
        yield site


@pytest.fixture(scope="module")
def clients(farm: RunningFarm) -> Iterator[Clients]:
    made = Clients(farm)
    yield made
    made.end()


AS_BEFORE: Final = dict.fromkeys(PROTOCOLS, WORDS["as before"])
NUMBERS: Final = itertools.count(1)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_client_sees_what_the_table_says_and_then_what_it_saw_before(
    farm: RunningFarm, clients: Clients, row: Row
) -> None:
    words, written = row.words(), values_to_write() if row.write else None
    with clients.pymodbus(row.device, words["modbus"].patience_s) as pymodbus:
        before = earlier = clients.look(row.device, pymodbus, row.of, AS_BEFORE, fresh=row.fresh)
        usual = judged(farm, row, before, before, before)
        if row.looks == 1 and not row.later_s:
            vain = [each for each in PROTOCOLS if words[each].holds(usual[each]) and words[each] is not AS_BEFORE[each]]
            assert not vain, f"{vain}: it would be seen without the fault"
        with broken(farm, row):
            for _ in range(row.looks - 1):
                earlier = clients.look(row.device, pymodbus, row.of, words)
            seen = clients.look(
                row.device, pymodbus, row.of, words, written, stop=row.stop, fresh=row.fresh, link=row.link
            )
            cases = judged(farm, row, seen, before, earlier)
            hold(row.sees, words, followed(farm, row.device, written, cases) if written else cases)
        written = written and values_to_write()
        with clients.pymodbus(row.device) if words["modbus"].patience_s < SOON_S else nullcontext(pymodbus) as again:
            if row.cut_at_end:
                clients.look(row.device, again, row.of, AS_BEFORE)
            seen = clients.look(row.device, again, row.of, AS_BEFORE, written)
            cases = judged(farm, row, seen, before, before)
            hold("as before", AS_BEFORE, followed(farm, row.device, written, cases) if written else cases)
            if isinstance(registry.fault(row.kind), DeviceFault | GridFault | Override):  # which move what is true
                assert all(map(came_back, cases.values())), "\n".join(map(str, cases.values()))


@contextmanager
def broken(farm: RunningFarm, row: Row) -> Iterator[None]:
    answer = farm.rest.post("faults", json=row.request())
    assert answer.status_code == 201, answer.text
    assert row.device in answer.json()["hit"]
    try:
        for told in row.told:
            if told:
                farm.tell(row.device, **told)
            farm.step(row.steps)
        yield
        fault = farm.rest.get(f"faults/{answer.json()['id']}").json()
        assert fault["bites"] or not bites(registry.fault(row.kind)) or row.shown_by, fault
    finally:
        farm.rest.delete("faults").raise_for_status()
        farm.tell(BATTERY, **USUAL)
        if row.then:
            farm.tell(row.device, **row.then)
        farm.step(5 if any(row.told) or row.write or row.steps > 1 else 1)


def bites(spec: FaultSpec) -> bool:
    """Whether it is counted how often a fault of the kind has changed what passes."""
    return isinstance(spec, LinkFault) or (isinstance(spec, ProtocolFault) and spec.by_message)


def values_to_write() -> dict[str, float]:
    """What nobody has written yet."""
    number = next(NUMBERS)
    return {"modbus": 0.1 + 0.001 * number, "iec104": 10.0 * number, "dnp3": 1_000.0 + 10.0 * number}


def judged(
    farm: RunningFarm, row: Row, seen: Mapping[str, Seen], before: Mapping[str, Seen], earlier: Mapping[str, Seen]
) -> dict[str, Case]:
    """What each has seen beside what there is to see now."""
    quantities = farm.rest.get(f"devices/{row.device}").json()["quantities"]
    true, reported = (
        {name: math.nan if each[which] is None else each[which] for name, each in quantities.items()}
        for which in ("value", "reported")
    )
    there = (true, reported, farm.time, row.of, row.later_s)
    return {each: Case(seen[each], before[each], earlier[each], *there) for each in PROTOCOLS}


def hold(sees: str | tuple[str, ...], words: Mapping[str, Said], cases: Mapping[str, Case]) -> None:
    wrong = [f"{each}: {case}" for each, case in cases.items() if not words[each].holds(case)]
    assert not wrong, "\n".join((f"{sees}:", *wrong))


def followed(
    farm: RunningFarm, device: str, written: Mapping[str, float], cases: Mapping[str, Case]
) -> dict[str, Case]:
    """Whether what each has written was done, one step later."""
    farm.step()
    values = farm.values(device)
    done = {each: math.isclose(values[WRITES[each]], written[each], rel_tol=1e-6) for each in PROTOCOLS}
    said = {each: f"{case.now.wrote}, {'done' if done[each] else 'not done'}" for each, case in cases.items()}
    return {each: case._replace(now=replace(case.now, wrote=said[each])) for each, case in cases.items()}


# ----------------------------------------------------------------------------------------- the table


def touches(spec: FaultSpec, protocol: str) -> bool:
    """Whether a kind of fault can be seen over a protocol at all."""
    if isinstance(spec, LinkFault | ProtocolFault):
        return acts_on(spec, protocol)
    if isinstance(spec, ClockFault):
        return protocol != "modbus"  # it has no time tags, and of the maps only that of alfen a clock
    return "station" not in needed(spec) or protocol in STATIONS


def test_the_table_has_every_kind_of_fault_and_no_other() -> None:
    missing = set(registry.FAULTS) - {row.kind for row in TABLE}
    assert not missing, f"no client has met {sorted(missing)}: the table needs a row of each"
    assert {row.kind for row in TABLE} <= set(registry.FAULTS)


@pytest.mark.parametrize("kind", registry.FAULTS)
def test_a_kind_is_seen_over_every_protocol_that_it_acts_on_and_over_no_other(kind: str) -> None:
    rows, spec = [row for row in TABLE if row.kind == kind], registry.fault(kind)
    for protocol in PROTOCOLS:
        seen = {name for row in rows for name in WORDS if row.words()[protocol] is WORDS[name]} - {"as before"}
        assert bool(seen) == touches(spec, protocol), f"{kind} over {protocol}: {seen}"


def test_every_word_is_of_use() -> None:
    used = {word for row in TABLE for word in ((row.sees,) if isinstance(row.sees, str) else row.sees)}
    assert used == set(WORDS)


@pytest.mark.parametrize("row", [row for row in TABLE if row.shown_by], ids=str)
def test_what_no_client_here_can_show_is_shown_by_a_test_that_there_is(row: Row) -> None:
    file, _, name = row.shown_by.partition("::")
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
