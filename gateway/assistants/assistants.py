"""/v1/assistants: who is asked, with which tools."""

from __future__ import annotations

from rest_framework.request import Request

from accounts.callers import Caller
from billing import clock
from gateway import runtime
from gateway.asking import in_store
from gateway.assistants import asked, shown, store
from gateway.errors import ModelNotAllowed
from gateway.replies import Reply
from gateway.responses.listing import paged, query_of
from gateway.views.api import ApiView, inquiry_of


class Assistants(ApiView):
    """Make an assistant; list the caller's."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        given = asked.assistant_of(inquiry.body)
        check_model(inquiry.caller, given["model"])
        return Reply.json(shown.assistant(await in_store(store.make_assistant, inquiry.caller, given)))

    async def get(self, request: Request) -> Reply:
        query = query_of(dict(request.query_params.lists()))
        rows = await in_store(store.assistants, inquiry_of(request).caller, query)
        return Reply.json(paged([shown.assistant(row) for row in rows], query))


class Assistant(ApiView):
    """Describe, change or delete an assistant."""

    async def get(self, request: Request, assistant_id: str) -> Reply:
        return Reply.json(
            shown.assistant(await in_store(store.one_assistant, inquiry_of(request).caller, assistant_id))
        )

    async def post(self, request: Request, assistant_id: str) -> Reply:
        inquiry = inquiry_of(request)
        row = await in_store(store.one_assistant, inquiry.caller, assistant_id)
        given = asked.assistant_changes_of(inquiry.body, row.body.get("tools") or ())
        if "model" in given:
            check_model(inquiry.caller, given["model"])
        row = await in_store(store.change_assistant, inquiry.caller, assistant_id, given)
        return Reply.json(shown.assistant(row))

    async def delete(self, request: Request, assistant_id: str) -> Reply:
        await in_store(store.delete_assistant, inquiry_of(request).caller, assistant_id)
        return Reply.json({"id": assistant_id, "object": "assistant.deleted", "deleted": True})


def check_model(caller: Caller, model: str) -> None:
    """Raises ``UnknownModel`` or ``ModelNotAllowed``, as a call of the model would."""
    runtime.current().configuration.routes.resolve(model)
    if not caller.may_use(model, clock.now()):
        raise ModelNotAllowed(model)
