"""What of wrong bits on a serial line the checks find: CRC-16 of Modbus RTU, and sum and parity of FT1.2.

Bits go over a line from the lowest of each octet to the highest. A check that is linear misses a pattern of errors if,
and only if, what its bits do to the check cancels out, whatever the frame says; so all patterns of a long frame are
looked at by what each bit does alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

import numpy as np
import pytest

from pilotfarm.emulators.protocols.iec101.frames import Deframer, Framing
from pilotfarm.emulators.wire.rtu import CHECK_OCTETS, FRAME_MAX, check, framed, is_whole

READ = framed(1, bytes.fromhex("03 9c40 0002"))
LONGEST = framed(17, Random(1).randbytes(FRAME_MAX - CHECK_OCTETS - 1))


def flipped(octets: bytes, bits: Sequence[int]) -> bytes:
    number = int.from_bytes(octets, "little")
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(len(octets), "little")


def differs(frame: bytes) -> int:
    """What is between the check that a frame has and the one it should have, the first bit on the line the lowest."""
    counted, has = frame[:-CHECK_OCTETS], frame[-CHECK_OCTETS:]
    return int.from_bytes(check(counted), "little") ^ int.from_bytes(has, "little")


def of_each_bit(frame: bytes) -> list[int]:
    return [differs(flipped(frame, [bit])) for bit in range(8 * len(frame))]


# ------------------------------------------------------------------------------------- Modbus RTU


def test_the_check_is_linear() -> None:
    alone, draw = of_each_bit(LONGEST), Random(2)
    for _ in range(200):
        bits = draw.sample(range(8 * len(LONGEST)), draw.randint(1, 40))
        together = 0
        for bit in bits:
            together ^= alone[bit]
        assert differs(flipped(LONGEST, bits)) == together


def test_up_to_three_wrong_bits_of_a_request_are_found() -> None:
    for count in (1, 2, 3):
        assert not any(is_whole(flipped(READ, bits)) for bits in combinations(range(8 * len(READ)), count))


def test_up_to_three_wrong_bits_of_the_longest_frame_are_found() -> None:
    """None does nothing, no two do the same, and no third what two do together."""
    alone = np.array(of_each_bit(LONGEST))
    assert alone.all()
    is_one = np.zeros(1 << 16, dtype=bool)
    is_one[alone] = True
    assert np.count_nonzero(is_one) == len(alone)
    assert not any(is_one[alone[k] ^ alone[k + 1 :]].any() for k in range(len(alone)))


def test_bursts_of_up_to_sixteen_bits_are_found() -> None:
    """Nothing that begins with a wrong bit and ends within sixteen cancels out: what these do is independent."""
    alone = of_each_bit(LONGEST)
    for start in range(len(alone) - 15):
        basis: list[int] = []
        for each in alone[start : start + 16]:
            left = each
            for known in basis:
                left = min(left, left ^ known)
            assert left, start
            basis.append(left)


def test_some_burst_of_seventeen_bits_is_not() -> None:
    """The polynomial itself: x^16 + x^15 + x^2 + 1."""
    assert is_whole(flipped(LONGEST, [800 + bit for bit in (0, 1, 14, 16)]))


# ------------------------------------------------------------------------- IEC 60870-5-101, 8E1

FRAMINGS = [Framing(octets) for octets in (0, 1, 2)]
CHARACTER = 9
"""Bits of a character that may be wrong here: eight of data and the parity; a wrong start or stop is none."""


def with_parity(octets: bytes) -> int:
    """The characters of a frame, each with its even parity above its data."""
    return sum((octet | (octet.bit_count() & 1) << 8) << CHARACTER * k for k, octet in enumerate(octets))


def received(characters: int, count: int) -> bytes | None:
    """What a receiver hands over; nothing if a parity is wrong."""
    found = [characters >> CHARACTER * k & 0x1FF for k in range(count)]
    return None if any(each.bit_count() & 1 for each in found) else bytes(each & 0xFF for each in found)


def heard(framing: Framing, octets: bytes) -> int:
    """How many frames there are in octets on an idle line, followed by silence."""
    deframer = Deframer(framing, 0.0)
    return len(deframer.receive(octets, 10.0) + deframer.advance(20.0))


def damaged(octets: bytes) -> Iterator[bytes]:
    """What gets by the parity of a frame with one to three wrong bits."""
    sent, bits = with_parity(octets), CHARACTER * len(octets)
    for count in (1, 2, 3):
        for wrong in combinations(range(bits), count):
            if count == 2 and wrong[0] // CHARACTER != wrong[1] // CHARACTER:
                continue  # one in each of two characters: both have a wrong parity
            if count == 3 and len({bit // CHARACTER for bit in wrong}) == 3:
                continue
            mask = sum(1 << bit for bit in wrong)
            if (octets_ := received(sent ^ mask, len(octets))) is not None:
                yield octets_


@pytest.mark.parametrize("framing", FRAMINGS)
def test_up_to_three_wrong_bits_of_a_frame_are_found(framing: Framing) -> None:
    """The Hamming distance of FT1.2 is four (IEC 60870-5-1:1990, 6.2.4.2)."""
    address = 3 if framing.address_octets else 0
    for octets in (framing.encode(0x5B, address), framing.encode(0x08, address, bytes((0x68, 0x10, 0xE5, 0x16)))):
        assert heard(framing, octets) == 1
        assert received(with_parity(octets), len(octets)) == octets
        count = 0
        for wrong in damaged(octets):
            assert not heard(framing, wrong), wrong.hex()
            count += 1
        assert count == 36 * len(octets)  # two of nine bits of one character, and nothing else


def test_up_to_three_wrong_bits_of_the_single_character_are_found() -> None:
    assert heard(FRAMINGS[1], b"\xe5") == 1
    assert not any(heard(FRAMINGS[1], wrong) for wrong in damaged(b"\xe5"))


def test_some_four_wrong_bits_are_not() -> None:
    """One up and one down in two characters each, which the sum does not see, nor their parities."""
    framing = FRAMINGS[1]
    good = framing.encode(0x08, 3, bytes((0b0101, 0b1010)))
    wrong = framing.encode(0x08, 3, bytes((0b0110, 0b1001)))
    assert (with_parity(good) ^ with_parity(wrong)).bit_count() == 4
    assert heard(framing, wrong) == 1
