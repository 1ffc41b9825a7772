"""One response in the making: what it continues, the call of a model that makes it, what is kept of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import Any, Self

from accounts.callers import Caller
from billing import clock
from gateway import inference, runtime
from gateway.asking import Busy, DatabaseAway, in_store
from gateway.calls import Call
from gateway.inquiry import Inquiry
from gateway.responses import dialogue, files, items, references, store, ways
from gateway.responses.answer import Draft
from gateway.responses.events import EventWriter, cut
from gateway.responses.queue import Taken
from gateway.responses.refusals import ConversationBusy
from gateway.responses.store import NOTHING, Before, Kept
from gateway.responses.ways import CHAT, Way

logger = logging.getLogger(__name__)

DOOR = "responses"
# what does not come through now; too much at one time is no other trouble
AWAY = (DatabaseAway, Busy)
# how long a response waits for the one before it in its conversation, and how often it looks
WAIT_SECONDS, LOOK_SECONDS = 5.0, 0.2
RENEW_SECONDS = dialogue.LEASE.total_seconds() / 4


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(24)}"


class Turn:
    """``body`` is a checked request's. ``async with`` it: inside nobody else works on its conversation."""

    def __init__(self, inquiry: Inquiry, body: dict[str, Any], id: str = "", created_at: int = 0) -> None:
        self.inquiry, self.body = inquiry, body
        self.id = id or new_id("resp")
        self.created_at = created_at or int(clock.now().timestamp())
        self.items: list[dict[str, Any]] = []
        self.before: Before = NOTHING
        self.patience = WAIT_SECONDS
        self.way = CHAT
        self.draft = self._draft(body.get("model") or "")
        self._renewing: asyncio.Task[None] | None = None
        self._is_kept = False

    @classmethod
    def of(cls, inquiry: Inquiry, taken: Taken) -> Self:
        """Return the making of a response that has waited for it."""
        turn = cls(inquiry, taken.request["body"], taken.id, taken.created_at)
        turn.items = taken.items
        return turn

    @property
    def caller(self) -> Caller:
        return self.inquiry.caller

    @property
    def previous(self) -> str:
        return self.body.get("previous_response_id") or ""

    @property
    def conversation(self) -> str:
        """The id of the conversation that this is part of, "" for none."""
        said = self.body.get("conversation") or ""
        return said["id"] if isinstance(said, dict) else said

    @property
    def is_stored(self) -> bool:
        return self.body.get("store") is not False

    @property
    def needs_keeping(self) -> bool:
        return (self.is_stored or bool(self.conversation)) and not self._is_kept

    async def __aenter__(self) -> Self:
        try:
            if self.conversation:
                claimed = await self._claim()
                self._renewing = asyncio.create_task(self._renew())
                self.before = Before(claimed.items, context_end=claimed.end)
            await self.look_back()
        except BaseException:
            await self.end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def look_around(self) -> None:
        """Read what it would continue now, though others work on its conversation. Raises as entering does."""
        if self.conversation:
            row = await in_store(dialogue.one, self.caller, self.conversation)
            self.before = Before(await in_store(dialogue.read, self.caller, row.pk))
        await self.look_back()

    async def look_back(self) -> None:
        """Read what it continues and refers to. Raises ``NoPrevious``, ``PreviousUnfinished``, ``NoItem``."""
        if self.previous:
            self.before = await in_store(store.before, self.caller, self.previous)
        given = self.items or await self._referred(items.items_of(self.body.get("input")))
        self.items = references.distinct(given, self.before.items)

    async def _referred(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        wanted = references.wanted(given)
        known = {item["id"]: item for item in self.before.items if item.get("id")}
        if missing := [id for id in wanted if id not in known]:
            known |= await in_store(store.references, self.caller, missing)
        return references.resolved(given, known)

    async def _claim(self) -> dialogue.Claimed:
        until = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                return await in_store(dialogue.claim, self.caller, self.conversation, self.id)
            except ConversationBusy:
                if asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    async def _renew(self) -> None:
        """Be heard of, so that nobody takes the conversation for abandoned."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with suppress(*AWAY):  # one of the next comes through in time, or the end says that it was too late
                await in_store(dialogue.renew, self.caller, self.conversation, self.id)

    async def asking(self, way: Way = CHAT) -> Inquiry:
        """Return the inquiry that says in a way what this asks for: for a chat. Raises ``Invalid``."""
        told = await files.told(self.caller, [*self.before.items, *self.items], len(self.items))
        self.inquiry.body = way.body(self.body, told)
        return self.inquiry

    async def admit(self) -> Call:
        """Return the admitted call of the model that this asks for."""
        self._take_the_way()
        call = await inference.admit(self.way.operation, await self.asking(self.way), door=DOOR)
        self.draft = self._draft(call.model)
        return call

    async def consider(self) -> None:
        """Raise what the call would be refused for now."""
        self._take_the_way()
        inference.considered(self.way.operation, await self.asking(self.way), door=DOOR)

    def _take_the_way(self) -> None:
        sounded = Inquiry(self.inquiry.headers, self.caller, ways.sounding(self.body))
        call = inference.considered(CHAT.operation, sounded, door=DOOR)
        self.way = ways.way_of(call.plan)
        if self.way is not CHAT:
            self.body = {**self.body, "model": call.model}

    def finished(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the response that a whole answer makes."""
        return self.way.finished(self.draft, answer)

    def events(self, *, is_background: bool = False) -> EventWriter:
        """Return what says a stream's chunks as events."""
        return self.way.writer(self.draft, is_background=is_background)

    def _draft(self, model: str) -> Draft:
        return Draft(self.body, self.id, self.created_at, model, self.previous or None, self.conversation or None)

    def kept(self, response: dict[str, Any]) -> Kept:
        return Kept(response, self.items, self.before, self.conversation, self.is_stored)

    async def keep_failed(self, response: dict[str, Any]) -> None:
        """Store what has failed, if that can be done: the failure is to be told in any case."""
        try:
            await self.keep(response)
        except (*AWAY, ConversationBusy) as error:
            logger.warning("%s cannot be stored: %s", self.id, error)
            self._is_kept = True

    async def keep(self, response: dict[str, Any]) -> None:
        """Store what has come of it. Where that cannot be done ``response`` says so; it is paid for all the same.

        Raises ``ConversationBusy``, ``DatabaseAway`` or ``Busy`` where a conversation would go on without it.
        """
        if not self.needs_keeping:
            return
        try:
            await in_store(store.keep, self.caller, self.kept(response))
        except AWAY:
            if self.conversation:
                raise
            logger.warning("%s is delivered, and cannot be stored", self.id)
            response["store"] = False
        self._is_kept = True

    def leave(self, output: list[dict[str, Any]]) -> None:
        """The client has left: what it got is kept as cancelled, though nobody waits for that."""
        if self.needs_keeping:
            response = {**self.draft.cancelled(), "output": [cut(item) for item in output]}
            runtime.current().read_on(self.keep_failed(response))

    async def end(self) -> None:
        """Let others work on the conversation."""
        if self._renewing is None:
            return
        self._renewing.cancel()
        self._renewing = None
        if not self._is_kept:
            runtime.current().read_on(self._release())

    async def _release(self) -> None:
        with suppress(*AWAY):  # its lease ends by itself
            await in_store(_release, self.caller, self.conversation, self.id)


def _release(caller: Caller, conversation: str, response: str) -> None:
    dialogue.release(conversation, response)
