"""Media that devices share, by numbers: serial buses, radio meshes, power lines. One exchange is under way at a time.

Nothing beneath repeats what is lost, as TCP does on other media: whoever asked hears nothing, and asks again. A frame's
*access* is what it takes a hop beside the passing of its octets: waiting for a free channel, repeats of the link
itself, converters. A serial line has characters of so many bits, and silence between two frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Final

from pilotfarm.profiles.media import numbers, title

SHARED: Final = ("rs485", "zigbee", "radio_mesh", "plc_g3", "plc_prime")
"""What several devices may be behind, one exchange at a time."""
MESHES: Final = ("radio_mesh", "plc_g3", "plc_prime")
"""Those of them that a data concentrator reads meters over, some hops away."""
HOPS_MAX: Final = 4
FAST_BIT_S: Final = 19_200.0
"""Above it a serial line's silence does not get shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMedium:
    """A shared medium's numbers; what it has none of is left at its default.

    A hop loses ``loss_frac`` of the frames, and those with a wrong bit, which ``bit_error_rate`` of the bits are. These
    shares of devices are two, three and four hops away, the others one. A device answers after ``turnaround_min_s`` to
    ``turnaround_max_s``. ``rate_bit_s`` holds for a line of which no other is set.

    Where a concentrator reads meters, not all hops are alike: of ``poor_frac`` of the meters a hop lets pass
    ``poor_kept_frac`` of the exchanges, of the others ``good_kept_min_frac`` to all. In a noisy quarter of an hour it
    is ``noise_kept_frac`` of that; of the quarters from 18 to 23 h ``noise_evening_frac`` are noisy, of the others
    ``noise_frac``.
    """

    name: str
    title: str
    rate_bit_s: float
    access_median_s: float
    access_p95_s: float
    access_p99_s: float
    access_max_s: float
    frame_octets: float = 0.0
    """The most payload of a frame, with ``header_octets`` before it; 0 for any."""
    header_octets: float = 0.0
    character_bits: float = 8.0
    silence_characters: float = 0.0
    silence_min_s: float = 0.0
    loss_frac: float = 0.0
    bit_error_rate: float = 0.0
    turnaround_min_s: float = 0.0
    turnaround_max_s: float = 0.0
    hops_2_frac: float = 0.0
    hops_3_frac: float = 0.0
    hops_4_frac: float = 0.0
    good_kept_min_frac: float = 1.0
    poor_frac: float = 0.0
    poor_kept_frac: float = 1.0
    noise_kept_frac: float = 1.0
    noise_evening_frac: float = 0.0
    noise_frac: float = 0.0

    @property
    def serial(self) -> bool:
        """Whether it is a serial line, of which parity and rate are set."""
        return self.silence_characters > 0.0


@cache
def shared_medium(name: str) -> SharedMedium:
    """Return a shared medium by its name; ``KeyError`` if there is none."""
    if name not in SHARED:
        raise KeyError(name)
    found = {key: each.value for key, each in numbers(name).items()}
    return SharedMedium(name=name, title=title(name), **found)


def silence_s(medium: SharedMedium, rate_bit_s: float) -> float:
    """Return how long a line is silent between two frames. [s]

    A Modbus line is silent for 3.5 characters, above 19,200 bit/s for 1.75 ms (MODBUS over Serial Line V1.02, 2.5.1.1).
    """
    if rate_bit_s > FAST_BIT_S:
        return medium.silence_min_s
    return medium.silence_characters * medium.character_bits / rate_bit_s


def frames(medium: SharedMedium, octets: int) -> int:
    """Return in how many frames octets pass."""
    return max(1, ceil(octets / medium.frame_octets)) if medium.frame_octets else 1


def hop_s(medium: SharedMedium, octets: int, rate_bit_s: float) -> float:
    """Return how long octets pass a hop in frames, with the silence between two of them. [s]"""
    count = frames(medium, octets)
    return _bits(medium, octets) / rate_bit_s + count * silence_s(medium, rate_bit_s)


def kept_frac(medium: SharedMedium, octets: int) -> float:
    """Return the share of messages of so many octets that pass a hop."""
    kept: float = (1.0 - medium.loss_frac) ** frames(medium, octets)
    right: float = (1.0 - medium.bit_error_rate) ** _bits(medium, octets)
    return kept * right


def _bits(medium: SharedMedium, octets: int) -> float:
    return (octets + frames(medium, octets) * medium.header_octets) * medium.character_bits
