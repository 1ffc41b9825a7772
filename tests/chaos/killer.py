"""Who kills the processes of a site, at moments that a seed decides, and who starts again what is dead."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.programs import DidNotStart
from tests.chaos.site import Site, Unit

LOOK_SECONDS = 0.05
# how long a supervisor waits before it starts a dead process again
PAUSES = (0.2, 2.0)


class Due(NamedTuple):
    """A kill of the schedule: once so many requests were begun. ``unit`` is its place in ``Site.units``."""

    requests: int
    unit: int


class Kill(NamedTuple):
    """One that was done. ``began_at`` and ``done_at`` are seconds since 1970; ``holders`` had their journals in it."""

    name: str
    manner: str
    began_at: float
    done_at: float
    holders: list[str]


def schedule(units: int, kills: int, requests: int, chance: random.Random) -> list[Due]:
    """Return so many kills over a run of ``requests``: each unit in turn, in an order and at moments of chance."""
    turns = [unit for _ in range(-(-kills // units)) for unit in chance.sample(range(units), units)]
    moments = sorted(chance.uniform(0.05, 0.95) * requests for _ in range(kills))
    return [Due(int(moment), unit) for moment, unit in zip(moments, turns, strict=False)]


@dataclass
class Killer:
    site: Site
    chance: random.Random
    kills: list[Kill] = field(default_factory=list)
    restarts: list[tuple[str, float]] = field(default_factory=list)
    ended_by_themselves: list[str] = field(default_factory=list)
    _killed: set[Unit] = field(default_factory=set)
    _is_over: bool = False

    async def work_off(self, dues: Iterable[Due], begun: Callable[[], int]) -> None:
        for due in dues:
            while begun() < due.requests:  # noqa: ASYNC110 a look is cheap, and the callers need not know of it
                await asyncio.sleep(LOOK_SECONDS)
            await self.kill(self.site.units[due.unit])

    async def kill(self, unit: Unit) -> None:
        """Kill it, in the middle of its start too."""
        manner = self.chance.choice(list(unit.kills))
        began_at, holders = time.time(), self.site.holders(unit)
        if manner != "what serves":  # its own parent starts that again
            self._killed.add(unit)
        await asyncio.to_thread(unit.kills[manner], self.chance)
        self.kills.append(Kill(unit.name, manner, began_at, time.time(), holders))

    async def supervise(self) -> None:
        """Start again what is dead until ``finish``."""
        await asyncio.gather(*(self._keep(unit) for unit in self.site.units))

    def finish(self) -> None:
        """Kill nothing any more; the supervisor ends when everything runs."""
        self._is_over = True

    async def _keep(self, unit: Unit) -> None:
        while True:
            if not unit.program.is_running:
                await self._start_again(unit)
            elif self._is_over:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _start_again(self, unit: Unit) -> None:
        if unit in self._killed:
            self._killed.discard(unit)
        else:
            self.ended_by_themselves.append(f"{unit.name} (exit code {unit.program.exit_code}):\n{unit.program.tail()}")
        await asyncio.sleep(self.chance.uniform(*PAUSES))
        began_at = time.time()
        try:
            await asyncio.to_thread(unit.start)
        except DidNotStart:
            return
        self.restarts.append((unit.name, time.time() - began_at))
