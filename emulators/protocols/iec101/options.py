"""What a site file may say of an IEC 60870-5-101 line."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from pilotfarm.emulators.protocols.iec101.frames import LENGTH_MAX, Framing
from pilotfarm.emulators.protocols.iec101.primary import Timing
from pilotfarm.emulators.protocols.iec60870.asdu import Format
from pilotfarm.emulators.protocols.iec60870.options import ApplicationOptions

_COMMON_MAX: Final = 65_534
_TAG_OCTETS: Final = {"cp56": 7, "cp24": 3, "none": 0}


class Iec101Options(ApplicationOptions):
    """What both ends of a line must have in common (clause 8), and timers, which run on wall time."""

    max_connections: int = Field(
        1, ge=1, le=8, description="Connections at once, each a line with all its stations; one more, and the longest "
        "unused is closed"
    )  # fmt: skip
    mode: Literal["unbalanced", "balanced"] = Field("unbalanced", description="Link transmission procedure")
    link_address_octets: Literal[0, 1, 2] = Field(1, description="Octets of a link address; none only balanced")
    cause_octets: Literal[1, 2] = Field(1, description="Octets of a cause of transmission; the second is an originator")
    common_address_octets: Literal[1, 2] = Field(2, description="Octets of a common address")
    object_address_octets: Literal[1, 2, 3] = Field(2, description="Octets of an information object address")
    link_address: int | None = Field(
        None,
        ge=0,
        le=65_534,
        description="One link address for all devices, as of an RTU; by default each has its common address for one, "
        "or balanced all that of the first",
    )
    originator_address: int = Field(
        0, ge=0, le=255, description="Originator in what the station sends of its own accord; needs two octets of cause"
    )
    frame_length: int = Field(
        LENGTH_MAX, ge=32, le=LENGTH_MAX, description="Maximum L of a frame sent: control field, link address and data"
    )
    time_tags: Literal["cp56", "cp24", "none"] = Field(
        "cp56", description="Of events: date and time, minute and seconds within the hour, or none"
    )
    single_character: bool = Field(
        True, description="Whether E5 stands for an acknowledgement, and for no data, where nothing is demanded"
    )
    idle_s: float = Field(
        0.03, ge=0.001, le=1.0, description="Silence after a broken frame until frames are heard again"
    )
    gap_s: float = Field(0.3, ge=0.001, le=10.0, description="Silence that ends a frame which has not come whole")
    silence_s: float = Field(
        60.0,
        ge=1.0,
        le=86_400.0,
        description="Unbalanced, silence of the master after which events are kept for its return",
    )
    timeout_s: float = Field(1.0, ge=0.05, le=60.0, description="Balanced, wait for an answer")
    repeats: int = Field(3, ge=0, le=255, description="Balanced, repetitions of a frame before the link is down")
    test_s: float = Field(20.0, ge=0.0, le=86_400.0, description="Balanced, silence before the link is tested; 0 never")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        octets = self.link_address_octets
        if not octets and self.mode == "unbalanced":
            raise ValueError("link_address_octets may be 0 only balanced: unbalanced a line has several stations")
        if self.link_address is not None and self.link_address > self.framing.address_max:
            raise ValueError(
                f"link_address {self.link_address} is beyond {self.framing.address_max}, the highest that one station "
                f"may have with link_address_octets {octets}"
            )
        if self.originator_address and self.cause_octets == 1:
            raise ValueError("an originator_address needs cause_octets 2: a cause of one octet has no room for it")
        return self

    @property
    def balanced(self) -> bool:
        return self.mode == "balanced"

    @property
    def shares_link_address(self) -> bool:
        """Whether all devices of a line stand behind one link address."""
        return self.balanced or self.link_address is not None

    @property
    def framing(self) -> Framing:
        return Framing(self.link_address_octets, self.idle_s, self.gap_s)

    @property
    def timing(self) -> Timing:
        return Timing(self.timeout_s, self.repeats, self.test_s)

    @property
    def form(self) -> Format:
        """What tables and masters must know of data units."""
        limit = self.frame_length - 1 - self.link_address_octets
        return Format(
            self.cause_octets,
            self.common_address_octets,
            self.object_address_octets,
            limit,
            self.time_zone,
            self.originator_address,
            _TAG_OCTETS[self.time_tags],
        )

    @property
    def address_max(self) -> int:
        """The highest common address of a device; where it has it for its link address too, that must fit."""
        common = min(self.form.broadcast - 1, _COMMON_MAX)
        return common if self.shares_link_address else min(common, self.framing.address_max)
