"""Channels consumers: runs followed from where they begin, go on, or where a client lost them."""

from __future__ import annotations

from urllib.parse import parse_qs

from gateway.asking import in_store
from gateway.assistants import beginning, runstore
from gateway.assistants.beginning import Begun, Query
from gateway.assistants.following import Following
from gateway.consumers import StreamConsumer
from gateway.fieldchecks import Invalid
from gateway.inquiry import Inquiry

LAST_EVENT = "Last-Event-ID"
LONGEST_NUMBER = 15


class FollowingConsumer(StreamConsumer):
    """Streams the events of a run. It goes on without the client, where that leaves."""

    operation = "runs"

    async def open(self) -> Following:
        begun = await self.begun(**self.scope["url_route"]["kwargs"])
        return Following(begun.run.pk, begun.run.handle, begun.after)

    async def begun(self, **path: str) -> Begun:
        """Return the run, and which event the client has last."""
        raise NotImplementedError

    @property
    def query(self) -> Query:
        return parse_qs(self.scope.get("query_string", b"").decode("latin-1"))


class RunStream(FollowingConsumer):
    """Streams a run on a thread."""

    async def begun(self, thread_id: str) -> Begun:
        return await beginning.begun(self.inquiry, thread_id, self.query)


class RunWithThreadStream(FollowingConsumer):
    """Streams a thread and the run that is made with it."""

    async def begun(self) -> Begun:
        return await beginning.begun_with_thread(self.inquiry, self.query)


class ToolOutputsStream(FollowingConsumer):
    """Streams what becomes of a run once it knows what came of its calls."""

    async def begun(self, thread_id: str, run_id: str) -> Begun:
        return await beginning.submitted(self.inquiry, thread_id, run_id)


class EventStream(FollowingConsumer):
    """Streams a run again, from the event after the last one that the client has."""

    async def begun(self, thread_id: str, run_id: str) -> Begun:
        after = last_event_of(self.inquiry)
        run = await in_store(runstore.one, self.inquiry.caller, thread_id, run_id)
        return Begun(run, thread_id, after)


def last_event_of(inquiry: Inquiry) -> int:
    """Return the number of the last event that the client has, 0 where it has none. Raises ``Invalid``."""
    said = inquiry.headers.get(LAST_EVENT.lower().encode(), b"")
    if not said:
        return 0
    if not said.isdigit() or len(said) > LONGEST_NUMBER:
        raise Invalid(f"Invalid value for '{LAST_EVENT}': expected the number of an event.", LAST_EVENT)
    return int(said)
