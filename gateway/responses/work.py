"""The worker's side of background responses: made like any call, told as they go on, ended when they are cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from contextlib import aclosing, suppress
from typing import Any

from accounts.callers import Caller
from gateway import inference, working
from gateway.asking import DatabaseAway, OwnThreads, in_store
from gateway.callers import caller_with
from gateway.calls import Call
from gateway.errors import ApiError, translate
from gateway.inquiry import Inquiry
from gateway.places import Places, Turns
from gateway.ratelimits import LimitReached
from gateway.responses import queue
from gateway.responses.answer import Draft
from gateway.responses.events import EventWriter
from gateway.responses.following import ENDS
from gateway.responses.queue import Taken
from gateway.responses.turn import AWAY, Turn
from providers.client import Chunk

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
TELL_SECONDS = 0.2
# what is paid for is not given up while the database is away for a moment
FINISH_ATTEMPTS, FINISH_WAIT_SECONDS = 6, 5.0
# who waits in the background may wait longer: for the response before it in its conversation, for rate limits
PATIENCE_SECONDS, LIMIT_SECONDS = 600.0, 2.0
NEVER = ("x-should-retry", "false")
# what a process has no room for waits for its next place, and is offered to others meanwhile
MOST_AT_ONCE, MOST_WAITING_OF_ONE = 100, 1_000
SHUT_DOWN = "The gateway was shut down while it made this response."

in_thread = OwnThreads("responses", 1).run


def _has_begun(owner: Hashable, id: str) -> bool:
    return working.has_begun(made, queue.take(id), owner, lambda taken: queue.put_back(taken.id))


turns = Turns(Places(MOST_AT_ONCE, MOST_WAITING_OF_ONE), queue.owner_of, _has_begun)


async def made(taken: Taken, owner: Hashable) -> None:
    """Make a response and store its end, whatever that is; then leave its owner's place."""
    try:
        await _made(taken)
    finally:
        turns.leave(owner)
    with suppress(DatabaseAway):  # what waits is hinted at again
        await in_thread(turns.go_on)


async def _made(taken: Taken) -> None:
    try:
        caller = await caller_with(taken.api_key or 0)
    except Exception as error:  # noqa: BLE001 the outermost edge: translate() logs what nobody foresaw
        said = translate(error)
        response = _draft(taken).failed(said.code, said.message)
        await in_thread(queue.fail_taken, taken.id, response)
        return
    headers = {name.encode(): value.encode("latin-1") for name, value in taken.request["headers"].items()}
    inquiry = Inquiry(headers, caller, left_as="cancelled", request_id=taken.request["request_id"])
    await Making(caller, Turn.of(inquiry, taken)).run()


def _draft(taken: Taken) -> Draft:
    body = taken.request["body"]
    return Draft(body, taken.id, taken.created_at, body.get("model") or "")


class Making:
    """One response that this process makes."""

    def __init__(self, caller: Caller, turn: Turn) -> None:
        self._caller, self._turn = caller, turn
        self._teller = _Teller(caller, turn)
        turn.patience = PATIENCE_SECONDS

    async def run(self) -> None:
        """Make it, unless it is cancelled meanwhile."""
        work = asyncio.ensure_future(self._end())
        watch = asyncio.ensure_future(self._until_unwanted())
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _ended(work, watch)
            await self._finish(self._teller.failed(None, SHUT_DOWN), attempts=1)
            raise
        await _ended(work, watch)

    async def _end(self) -> None:
        try:
            async with self._turn:
                await self._finish(await self._answered())
        except Exception as error:  # noqa: BLE001 the outermost edge: translate() logs what nobody foresaw
            said = translate(error)
            await self._finish(self._teller.failed(said.code, said.message))

    async def _answered(self) -> dict[str, Any]:
        """Return the response. Raises what its call is refused for."""
        call = await self._admitted()
        await in_store(queue.show, self._caller, self._turn.id, self._turn.draft.started())
        if self._turn.body.get("stream"):
            return await self._teller.told(call)
        return self._turn.finished((await inference.complete(call)).body)

    async def _admitted(self) -> Call:
        """Return the call as soon as rate limits let it through: who asks for the background is in no hurry."""
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            try:
                return await self._turn.admit()
            except LimitReached as error:
                if NEVER in error.headers or asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(LIMIT_SECONDS)

    async def _finish(self, response: dict[str, Any], attempts: int = FINISH_ATTEMPTS) -> None:
        for attempt in range(attempts):
            try:
                await in_store(queue.finish, self._caller, self._turn.kept(response), self._teller.untold)
                return
            except AWAY:
                logger.warning("%s is done, and cannot be stored yet (%d)", self._turn.id, attempt + 1)
            await asyncio.sleep(FINISH_WAIT_SECONDS if attempt + 1 < attempts else 0)

    async def _until_unwanted(self) -> None:
        """Return when somebody has cancelled or deleted the response; be heard of until then."""
        until = None
        while True:
            try:
                until = await in_store(queue.renew, self._caller, self._turn.id, until)
            except AWAY:
                logger.info("%s goes on without the database", self._turn.id)
            else:
                if until is None:
                    return
            await asyncio.sleep(LOOK_SECONDS)


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Teller:
    """Tells a streamed response's events as they come, some at a time. ``untold`` are those that came since."""

    def __init__(self, caller: Caller, turn: Turn) -> None:
        self.untold: list[dict[str, Any]] = []
        self._caller, self._turn = caller, turn
        self._events: EventWriter | None = None
        self._is_over = asyncio.Event()

    async def told(self, call: Call) -> dict[str, Any]:
        """Return the response that the call's stream ends with."""
        self._events = self._turn.events(is_background=True)
        self.untold = self._events.begin()[2:]  # that it was queued was told when it was
        telling = asyncio.ensure_future(self._tell())
        try:
            async with aclosing(await inference.stream(call, self)) as stream:
                async for _ in stream.pieces():
                    pass
        finally:
            self._is_over.set()
            await telling
        return self._events.response

    def failed(self, code: str | None, message: str) -> dict[str, Any]:
        """Return the response that failed; where it is streamed, its end is to be told."""
        if self._events is None:
            return self._turn.draft.failed(code, message)
        # an end that could not be stored is none
        self.untold = [event for event in self.untold if event["type"] not in ENDS]
        self.untold += self._events.fail(code, message)
        return self._events.response

    def chunk(self, chunk: Chunk) -> bytes:
        self.untold += self._events.feed(chunk.data)
        return b""

    async def end(self) -> bytes:
        self.untold += self._events.end()
        return b""

    def error(self, error: ApiError) -> bytes:
        self.failed(error.code, error.message)
        return b""

    async def _tell(self) -> None:
        """Tell until it is over; the last ones are told with the response's end."""
        while not self._is_over.is_set():
            if self.untold:
                await self._tell_now()
            with suppress(TimeoutError):
                async with asyncio.timeout(TELL_SECONDS):
                    await self._is_over.wait()

    async def _tell_now(self) -> None:
        events, self.untold = self.untold, []
        try:
            await in_store(queue.tell, self._caller, self._turn.id, events)
        except AWAY:
            self.untold = events + self.untold
