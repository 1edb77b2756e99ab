"""What may become of octets, whatever they mean."""

from __future__ import annotations

from pilotfarm.emulators.links.channels import Draws


def corrupted(octets: bytes, first: int, draw: Draws, end: int | None = None) -> bytes:
    """Return octets with one bit turned over of those from ``first`` on, up to ``end``; there must be one."""
    last = len(octets) if end is None else end
    bit = 8 * first + int(draw() * 8 * (last - first))
    place, mask = bit // 8, 0x80 >> bit % 8
    return octets[:place] + bytes((octets[place] ^ mask,)) + octets[place + 1 :]
