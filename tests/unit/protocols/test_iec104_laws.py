"""What holds for IEC 60870-5-104 whatever a peer sends and whatever the devices do."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hat.drivers.iec60870.encodings import iec101 as hat101
from hypothesis import given, settings
from hypothesis import strategies as st
from iec104_bench import START_S, Bench, Master, columns_of, float_element, i, s, spec_of, taken_apart, u, unit

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, STOPDT_ACT, TESTFR_ACT
from pilotfarm.emulators.protocols.iec60870.application import Application
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Asdu, Cause, Format, Type
from pilotfarm.emulators.protocols.iec60870.control import UNFINISHED_MAX
from pilotfarm.emulators.protocols.iec60870.sector import Alone
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation
from pilotfarm.emulators.protocols.iec60870.table import GENERAL

SMALL = spec_of(["active_power_w", "online", "grid_switch_closed", "energy_exported_wh", "start", "grid_switch"])
ROOM = 12 * 255 + 64 * 6
"""Octets: a full window of the longest frames, and a few short ones."""


@pytest.mark.parametrize("kind", registry.DEVICES)
@pytest.mark.parametrize("every", [1, 5])
def test_a_master_that_listens_knows_every_value_to_within_its_deadband(kind: str, every: int) -> None:
    """However often it is served: an interrogation at the start, changes ever after."""
    spec = registry.device(kind)
    bench = Bench(2, spec)
    master = Master(bench)
    picture: dict[tuple[int, int], tuple[float, int]] = {}

    def take(asdus: list[Asdu]) -> None:
        sizes = {1: 1, 3: 1, 13: 5, 30: 8, 31: 8, 36: 12}
        for each in asdus:
            if each.type not in sizes:
                continue
            step = 3 + sizes[each.type]
            assert len(each.body) == step * each.count
            for at in range(0, len(each.body), step):
                ioa, rest = int.from_bytes(each.body[at : at + 3], "little"), each.body[at + 3 : at + step]
                floating = each.type in (13, 36)
                value = struct.unpack("<f", rest[:4])[0] if floating else float(rest[0] & 3)
                picture[each.address, ioa] = value, rest[4] if floating else rest[0] & 0xF0

    take(master.ask(Type.INTERROGATION, Cause.ACTIVATION, 0xFFFF, 0, b"\x14"))
    rng = np.random.default_rng(104)
    blocks = {
        point.ioa: np.broadcast_to(point.deadband.width(bench.columns) * point.gain, 2) for point in bench.plan.monitor
    }
    for step in range(40):
        for each in spec.quantities:
            column = bench.columns[each.name]
            if each.is_binary:
                bench.columns[each.name] = (rng.random(2) < 0.3).astype(np.float64)
            else:
                bench.columns[each.name] = column + rng.normal(0.0, 0.02 + np.abs(column) * 0.01)
        stale = rng.random(2) < 0.5
        bench.quality = {"active_power_w": (stale * 0x40).astype(np.uint8)}
        bench.step()
        if step % every:
            continue
        master.pull()
        take(master.heard())
        for point in bench.plan.monitor:
            if point.type is MonitorType.TOTAL:
                continue
            for row in range(2):
                true = float(point.source.of(bench.columns)[row])
                told, quality = picture[row + 1, point.ioa]
                assert abs(told - true) <= blocks[point.ioa][row] + 1e-6 * abs(true), (point, told, true)
                assert quality == (0x40 if stale[row] and point.source.quantities == ("active_power_w",) else 0)


@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_octets_raise_or_fill_the_room(chunks: list[bytes], started: bool) -> None:
    engine = Bench(1, SMALL).station.connect("peer", 0.0)
    if started:
        engine.receive(u(STARTDT_ACT), 0.0)
    for now_s, chunk in enumerate(chunks):
        engine.receive(chunk, float(now_s))
        engine.advance(float(now_s))
        assert len(engine.take_output()) <= ROOM
    engine.hang_up(float(len(chunks)))


asdus = st.builds(
    unit,
    st.sampled_from([*Type, 1, 13, 48, 49, 110, 122, 255]),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 0xFFFF]),
    st.sampled_from([0, 1000, 1100, 2000, 3000, 4000, 4100, 5000, 0xFFFFFF]),
    st.binary(max_size=14),
    st.sampled_from([1, 1, 1, 0, 2, 0x81, 0xFF]),
)


@given(st.lists(st.one_of(asdus, st.sampled_from(["stop", "start", "test", "confirm", "step"])), max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_conversation_raises_and_our_numbers_stay_in_sequence_inside_the_window(moves: list[bytes | str]) -> None:
    bench = Bench(2, SMALL)
    engine = bench.station.connect("peer", 0.0)
    engine.receive(u(STARTDT_ACT), 0.0)
    sent = received = acknowledged = 0
    for move in moves:
        if engine.closed:
            break
        match move:
            case bytes():
                engine.receive(i(sent, acknowledged, move), 0.0)
                sent += 1
            case "confirm":
                engine.receive(s(acknowledged := received), 0.0)
            case "step":
                bench.set("active_power_w", 0, 1e5 * (1.0 + sent))
                bench.step()
                engine.advance(0.0)
            case _:
                engine.receive(u({"stop": STOPDT_ACT, "start": STARTDT_ACT, "test": TESTFR_ACT}[move]), 0.0)
        output = engine.take_output()
        while output:
            frame, output = output[: 2 + output[1]], output[2 + output[1] :]
            if not frame[2] & 1:
                assert struct.unpack_from("<H", frame, 2)[0] >> 1 == received
                received += 1
        assert received - acknowledged <= 12
    engine.hang_up(0.0)


def test_the_same_application_speaks_the_narrow_addresses_of_iec_101() -> None:
    form = Format(cause_octets=1, address_octets=1, object_octets=2, limit=255)
    bench = Bench(1)
    table = PROTOCOL.table(bench.plan, 1, columns_of(bench.spec, 1), form)
    table.refresh(bench.columns, {}, START_S)
    seat = Seat(bench.devices[0], table, 0, 7)
    application = Application(ControlledStation("iec101", form, {7: Alone([seat])}, PROTOCOL.options_model()), "line 1")
    application.start()
    application.handle(bytes((Type.INTERROGATION, 1, Cause.ACTIVATION, 0xFF, 0, 0, 20)), 0.0)
    encoder = hat101.Encoder(
        cause_size=hat101.CauseSize.ONE,
        asdu_address_size=hat101.AsduAddressSize.ONE,
        io_address_size=hat101.IoAddressSize.TWO,
    )
    seen = []
    while (unit := application.outbox.next()) is not None:
        asdu, _ = unit
        assert len(asdu) <= 255
        decoded, rest = encoder.decode_asdu(asdu)
        assert not rest
        assert decoded.address == 7, "of the broadcast address 255 each station's own is left"
        seen += [io.address for io in decoded.ios if decoded.cause.type is hat101.CauseType.INTERROGATED_STATION]
    assert sorted(seen) == sorted(point.ioa for point in bench.plan.monitor if point.type is not MonitorType.TOTAL)


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_an_interrogation_of_a_device_is_a_few_full_data_units(kind: str) -> None:
    bench = Bench(1, registry.device(kind))
    cuts = bench.table.interrogated[GENERAL]  # type: ignore[attr-defined]
    assert all(6 + cut.stop - cut.start <= 249 for cut in cuts)
    floats = sum(cut.count for cut in cuts if cut.type == MonitorType.FLOAT)
    assert len([cut for cut in cuts if cut.type == MonitorType.FLOAT]) == -(-floats // 30)
    singles = sum(cut.count for cut in cuts if cut.type == MonitorType.SINGLE)
    assert len([cut for cut in cuts if cut.type == MonitorType.SINGLE]) == -(-singles // 60)


def test_ends_of_commands_that_a_master_does_not_take_are_bounded_and_a_step_bears_it() -> None:
    bench = Bench(1, termination="after_step")
    sectors = {1: Alone(bench.seats[:1])}
    station = ControlledStation("iec104", FORMAT_104, sectors, PROTOCOL.options_model(termination="after_step"))
    application = Application(station, "one that takes confirmations alone")
    application.start()
    command = unit(Type.SETPOINT, Cause.ACTIVATION, 1, IOA["active_power_setpoint_w"], float_element(1.0))
    confirmed = []
    for _ in range(1_500):
        application.handle(command, 0.0)
        while (found := application.outbox.next()) is not None and found[0][0] != Type.SETPOINT:
            pass
        assert found is not None
        confirmed.append(taken_apart(found[0]).negative)
        if len(confirmed) % 400 == 0:
            bench.step()
            application.stepped(bench.unix_s)
    assert confirmed == [False] * UNFINISHED_MAX + [True] * (1_500 - UNFINISHED_MAX)
