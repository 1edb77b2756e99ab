"""How a station answers what a master asked: mirrored, confirmed, terminated, at the right common addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Format
from pilotfarm.emulators.protocols.iec60870.outbox import Outbox

_CONFIRMED: Final = {Cause.ACTIVATION: Cause.ACTIVATION_CON, Cause.DEACTIVATION: Cause.DEACTIVATION_CON}

_NEGATIVE: Final = "negative_confirmation"


class Replies:
    """Answers to one master.

    What was asked of every station is answered by each with its own common address, or with ``once`` by all of
    them together with the address that was asked.
    """

    __slots__ = ("_form", "_once", "_outbox", "_traffic")

    def __init__(self, form: Format, outbox: Outbox, traffic: Traffic, *, once: bool) -> None:
        self._form = form
        self._outbox = outbox
        self._traffic = traffic
        self._once = once

    def mirror(self, asked: Asdu, cause: Cause) -> None:
        """Send a data unit back as it came, negative."""
        self._traffic.refuse(_NEGATIVE if cause in _CONFIRMED.values() else cause.name.lower())
        self._outbox.answer(self._form.answer(asked, cause, negative=True))

    def confirm(
        self,
        asked: Asdu,
        addresses: Sequence[int],
        negative: bool = False,
        body: Callable[[int], bytes] | None = None,
    ) -> None:
        """Confirm for some stations; ``body`` makes what stands in place of what was asked, by common address."""
        cause = _CONFIRMED.get(Cause(asked.cause), Cause.UNKNOWN_OBJECT)
        if negative:
            self._traffic.refuse(_NEGATIVE)
        self._outbox.answer_all(self._each(asked, addresses, cause, negative, body))

    def terminations(self, asked: Asdu, addresses: Sequence[int]) -> Iterator[bytes]:
        return self._each(asked, addresses, Cause.ACTIVATION_TERM)

    def _each(
        self,
        asked: Asdu,
        addresses: Sequence[int],
        cause: Cause,
        negative: bool = False,
        body: Callable[[int], bytes] | None = None,
    ) -> Iterator[bytes]:
        together = self._once and asked.address == self._form.broadcast
        for address in addresses[:1] if together else addresses:
            shown = asked.address if together else address
            yield self._form.answer(asked, cause, negative, None if body is None else body(address), shown)
