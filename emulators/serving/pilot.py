"""A site brought up: its farm, tables, servers and pace, on one event loop."""

from __future__ import annotations

from collections.abc import Callable

from pilotfarm.emulators.clock import Clock, WallClock
from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm
from pilotfarm.emulators.farm.observer import Observer, SeesOutages
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.serving.media import Media
from pilotfarm.emulators.serving.runner import Runner
from pilotfarm.emulators.serving.server import Server
from pilotfarm.emulators.serving.ways import Ways
from pilotfarm.emulators.site.layout import SiteLayout


class Pilot:
    """Everything of a running site but its REST interface.

    ``start`` listens everywhere or nowhere, ``run`` steps until ``stop`` is called from elsewhere on
    the loop, and ``close`` ends what ``start`` began.
    """

    def __init__(
        self,
        layout: SiteLayout,
        clock: Clock | None = None,
        *,
        speed: float = 1.0,
        max_late_s: float | None = None,
    ) -> None:
        self.clock = WallClock() if clock is None else clock
        self.layout = layout
        self.farm = Farm(layout)
        self.farm.step(WARM_UP_S, self.clock.now_s())
        self.images = Images(self.farm)
        self.server = Server(self.images.places, self.clock)
        media = Media(self.images.places, self.clock, layout.seed)
        self.ways = Ways(self.farm.faults, self.images.places, self.server, layout.seed, media)
        self.attendants: list[Callable[[], None]] = []
        """Called after each step, once masters can have what came of it."""
        self.runner = Runner(self.step, layout.step_s, self.clock, speed=speed, max_late_s=max_late_s)

    def observe(self, observer: Observer) -> None:
        """Let somebody keep a record of every step from now on."""
        self.farm.observers.append(observer)

    async def start(self) -> None:
        await self.server.start()

    async def run(self) -> None:
        await self.runner.run()

    def stop(self) -> None:
        self.runner.stop()

    async def close(self) -> None:
        await self.server.stop()
        self.images.close()

    def step(self, dt_s: float) -> None:
        """Take one step, and let masters have what came of it."""
        self.farm.step(dt_s, self.clock.now_s())
        self.ways.update()
        self.images.refresh()
        self._tell_outages()
        self.server.after_step()
        for attend in self.attendants:
            attend()

    def _tell_outages(self) -> None:
        for name, concentrator in self.images.concentrators.items():
            for observer in self.farm.observers:
                if isinstance(observer, SeesOutages):
                    observer.outages(name, [*concentrator.outages()], self.farm.moment)
