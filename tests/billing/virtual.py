"""An event loop whose time is only told: it jumps to the next timer, and threads answer after a told latency."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import Any

import pytest

from billing import clock

# five minutes before a midnight in UTC
STARTED_US = 20_833 * 86_400 * 10**6 - 300 * 10**6


class _Jumping(selectors.SelectSelector):
    """Sleeps by adding to ``now``."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self.now += max(0.0, timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """``latency()`` is how many seconds a call in an executor takes; it is made in the middle of them."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        self.latency: Callable[[], float] = lambda: 0.002
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def jump(self, seconds: float) -> None:
        """Let time pass that nobody was awake in."""
        self._jumping.now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        answer = self.create_future()
        half = self.latency() / 2
        self.call_later(half, self._call, answer, half, func, args)
        return answer

    def _call(self, answer: asyncio.Future[Any], half: float, func: Callable[..., Any], args: Any) -> None:
        try:
            result, tell = func(*args), answer.set_result
        except Exception as error:  # noqa: BLE001 as an executor does
            result, tell = error, answer.set_exception
        self.call_later(half, lambda: answer.done() or tell(result))


@contextmanager
def virtual_time() -> Any:
    """Run ``clock`` by a loop of told time."""
    loop = VirtualLoop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "elapsed", loop.time)
        patch.setattr(clock, "now_us", lambda: STARTED_US + int(loop.time() * 1e6))
        try:
            yield loop
        finally:
            loop.close()


def run(story: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    with virtual_time() as loop:
        return loop.run_until_complete(story(loop))
