"""The events that a master is owed, in buffers that can be made smaller while they are in use."""

from __future__ import annotations

from py1815.events import EventBuffers


class Buffers(EventBuffers):
    """py1815's buffers, whose size is not for good."""

    def resize(self, capacity: int) -> None:
        """Keep so many events of each class, one at least; the oldest that are too many are lost, as by an overflow."""
        self._capacity = capacity
        for buffer in self._buffers.values():
            buffer.capacity = capacity
            excess = len(buffer.events) - capacity
            if excess > 0:
                lost = [buffer.events.popleft() for _ in range(excess)]
                buffer.overflowed = True
                self._overflow_generation += excess
                for event in lost:
                    self._forget(event)
