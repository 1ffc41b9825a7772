"""Files of assistants and messages at the addresses of the v1 era; what they name is kept as tool resources."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from accounts.callers import Caller
from gateway.asking import in_store
from gateway.assistants import asked, attaching, rows, shown, store
from gateway.assistants.refusals import NoFile
from gateway.replies import Reply
from gateway.responses.listing import page, query_of
from gateway.views.api import ApiView, inquiry_of


class AssistantFiles(ApiView):
    """Give an assistant a file, for those of its tools that read files; list what it has."""

    async def post(self, request: Request, assistant_id: str) -> Reply:
        caller, id = inquiry_of(request).caller, asked.file_of(inquiry_of(request).body)
        row = await in_store(store.attach_to_assistant, caller, assistant_id, id)
        return Reply.json(shown.assistant_file(id, row))

    async def get(self, request: Request, assistant_id: str) -> Reply:
        query = query_of(dict(request.query_params.lists()))
        row = await in_store(store.one_assistant, inquiry_of(request).caller, assistant_id)
        files = [shown.assistant_file(id, row) for id in shown.resource_files(row.body)]
        return Reply.json(page(files, query))


class AssistantFile(ApiView):
    """Describe a file of an assistant, or take it away; the file itself stays."""

    async def get(self, request: Request, assistant_id: str, file_id: str) -> Reply:
        row = await _assistant_with(inquiry_of(request).caller, assistant_id, file_id)
        return Reply.json(shown.assistant_file(file_id, row))

    async def delete(self, request: Request, assistant_id: str, file_id: str) -> Reply:
        caller = inquiry_of(request).caller
        row = await _assistant_with(caller, assistant_id, file_id)
        if file_id in (row.body.get("store_files") or ()):
            await in_store(store.take_from_store, caller, attaching.store_of(row.body), file_id)
        await in_store(store.detach_from_assistant, caller, assistant_id, file_id)
        return Reply.json({"id": file_id, "object": "assistant.file.deleted", "deleted": True})


class MessageFiles(ApiView):
    """List the files of a message."""

    async def get(self, request: Request, thread_id: str, message_id: str) -> Reply:
        query = query_of(dict(request.query_params.lists()))
        files = await _files_of_message(inquiry_of(request).caller, thread_id, message_id)
        return Reply.json(page(files, query))


class MessageFile(ApiView):
    """Describe a file of a message."""

    async def get(self, request: Request, thread_id: str, message_id: str, file_id: str) -> Reply:
        files = await _files_of_message(inquiry_of(request).caller, thread_id, message_id)
        found = next((file for file in files if file["id"] == file_id), None)
        if found is None:
            raise NoFile(file_id)
        return Reply.json(found)


async def _assistant_with(caller: Caller, assistant: str, file: str) -> rows.Assistant:
    row = await in_store(store.one_assistant, caller, assistant)
    if file not in shown.resource_files(row.body):
        raise NoFile(file)
    return row


async def _files_of_message(caller: Caller, thread: str, message: str) -> list[dict[str, Any]]:
    row = await in_store(store.one_message, caller, thread, message)
    return [shown.message_file(id, row) for id in shown.message_files(row)]
