"""Looks at the logs of all runs that a process follows, together: when the bell rings, and now and then by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from gateway import runtime
from gateway.asking import DatabaseAway, OwnThreads
from gateway.assistants import bell, reading
from gateway.assistants.reading import Place, Progress
from gateway.errors import Starting

logger = logging.getLogger(__name__)

# what a lost ring costs at most
LOOK_SECONDS = 0.5
# how long who follows waits for a database that is away
PATIENCE_SECONDS = 30.0

in_thread = OwnThreads("following", 1).run


class Follower:
    """Who wants to know what comes after ``place``."""

    def __init__(self, place: Place, wake: Callable[[], None]) -> None:
        self.place = place
        self.waits_since = 0.0
        self._wake = wake
        self._may_have_news = True
        self._news: asyncio.Future[Progress | None] | None = None

    async def news(self) -> Progress | None:
        """Return what there is beyond its place as soon as there is: events, an end, or None where the run is gone.

        Raises ``DatabaseAway``, or ``Starting`` where the process ends.
        """
        loop = asyncio.get_running_loop()
        self.waits_since, self._news = loop.time(), loop.create_future()
        if self._may_have_news:
            self._wake()
        return await self._news

    @property
    def is_to_look(self) -> bool:
        return self._may_have_news and self._news is not None and not self._news.done()

    def rung(self) -> None:
        self._may_have_news = True
        if self.is_to_look:
            self._wake()

    def looks(self) -> None:
        self._may_have_news = False

    def tell(self, progress: Progress | None) -> None:
        is_news = progress is None or progress.events or progress.is_at_rest
        if is_news and self._news is not None and not self._news.done():
            self._news.set_result(progress)

    def fail(self, error: Exception) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_exception(error)


class Watch:
    """Of one event loop, from its first follower on."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._followers: dict[int, set[Follower]] = {}
        self._woken = asyncio.Event()
        self._away_since: float | None = None

    @contextmanager
    def follower(self, place: Place) -> Iterator[Follower]:
        """Somebody who follows, until the block ends; who moves its place on when it has used what it was told."""
        follower = Follower(place, self._woken.set)
        self._followers.setdefault(place.run, set()).add(follower)
        try:
            yield follower
        finally:
            self._followers[place.run].remove(follower)
            if not self._followers[place.run]:
                del self._followers[place.run]

    async def run(self) -> None:
        """Look until cancelled."""
        bell.add_listener(self._heard)
        others = bell.others(self._ring, self._ring_all)
        listening = asyncio.ensure_future(others) if others is not None else None
        try:
            await self._look_always()
        finally:
            bell.remove_listener(self._heard)
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            for each in self._all():
                each.fail(Starting())

    async def _look_always(self) -> None:
        all_at = self.loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(all_at):
                    await self._woken.wait()
            if self.loop.time() >= all_at:
                all_at = self.loop.time() + LOOK_SECONDS
                self._ring_all()
            self._woken.clear()
            if followers := [each for each in self._all() if each.is_to_look]:
                await self._look(sorted(followers, key=lambda each: each.waits_since))

    async def _look(self, followers: list[Follower]) -> None:
        for each in followers:
            each.looks()
        try:
            look = await in_thread(reading.look, [each.place for each in followers])
        except DatabaseAway as error:
            self._miss(followers, error)
        except Exception as error:
            logger.exception("runs cannot be followed")
            for each in followers:
                each.fail(error)
        else:
            self._away_since = None
            for each, progress in zip(followers, look.found, strict=False):
                each.tell(progress)
            if not look.is_all:  # the last one may have more, and those behind it have not been looked for
                for each in followers[len(look.found) - 1 :]:
                    each.rung()

    def _miss(self, followers: list[Follower], error: DatabaseAway) -> None:
        """Let them look again later, but not for ever."""
        self._away_since = self._away_since or self.loop.time()
        if self.loop.time() - self._away_since > PATIENCE_SECONDS:
            for each in followers:
                each.fail(error)

    def _heard(self, runs: Collection[int]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._ring, runs)

    def _ring(self, runs: Iterable[int]) -> None:
        for run in runs:
            for each in self._followers.get(run, ()):
                each.rung()

    def _ring_all(self) -> None:
        self._ring(self._followers)

    def _all(self) -> list[Follower]:
        return [each for followers in self._followers.values() for each in followers]


_watch: Watch | None = None
_running: asyncio.Future[None] | None = None


def current() -> Watch:
    """Return the watch of this process, which begins with its first follower."""
    global _watch, _running
    if _watch is None or _running is None or _running.done():
        _watch = Watch()
        _running = asyncio.ensure_future(runtime.current().look_after(_watch.run()))
    return _watch
