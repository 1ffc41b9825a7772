"""/v1/vector_stores: stores, their files, batches of those, search."""

from __future__ import annotations

from rest_framework.request import Request

from gateway.asking import in_store
from gateway.fieldchecks import Invalid
from gateway.replies import JSON, Reply
from gateway.responses.listing import query_of
from gateway.vectors import asked, embedding, keeping, searching, shown, store
from gateway.vectors.rows import IN_PROGRESS, VectorFile
from gateway.vectors.shown import POLL_AFTER
from gateway.vectors.store import Seen
from gateway.views.api import ApiView, inquiry_of


class VectorStores(ApiView):
    """Make a store; list the caller's."""

    body_is_optional = True

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        return _reply(await keeping.make(inquiry.caller, asked.store_of(inquiry.body)))

    async def get(self, request: Request) -> Reply:
        query = query_of(_given(request))
        return Reply.json(await in_store(store.page, inquiry_of(request).caller, query))


class VectorStore(ApiView):
    """Describe, change or delete a store."""

    async def get(self, request: Request, vector_store_id: str) -> Reply:
        return _reply(await in_store(store.see, inquiry_of(request).caller, vector_store_id))

    async def post(self, request: Request, vector_store_id: str) -> Reply:
        inquiry = inquiry_of(request)
        columns = asked.changes_of(inquiry.body)
        return _reply(await in_store(store.change, inquiry.caller, vector_store_id, columns))

    async def delete(self, request: Request, vector_store_id: str) -> Reply:
        await in_store(store.delete, inquiry_of(request).caller, vector_store_id)
        return Reply.json({"id": vector_store_id, "object": "vector_store.deleted", "deleted": True})


class Search(ApiView):
    """Find the pieces of a store that mean what is asked for."""

    calls_models = True

    async def post(self, request: Request, vector_store_id: str) -> Reply:
        inquiry = inquiry_of(request)
        wanted = asked.search_of(inquiry.body)
        done = await searching.search_one(inquiry, vector_store_id, wanted)
        return Reply(Reply.json(shown.results(wanted.queries, done.found)).body, [JSON, *done.headers])


class Files(ApiView):
    """Add a file to a store; list its files."""

    async def post(self, request: Request, vector_store_id: str) -> Reply:
        inquiry = inquiry_of(request)
        (row,) = await keeping.put(inquiry.caller, vector_store_id, [asked.file_of(inquiry.body)])
        return _file(row, vector_store_id)

    async def get(self, request: Request, vector_store_id: str) -> Reply:
        listing = asked.listing_of(_given(request))
        return Reply.json(await in_store(store.files_page, inquiry_of(request).caller, vector_store_id, listing))


class File(ApiView):
    """Describe a file of a store, change its attributes, or take it out."""

    async def get(self, request: Request, vector_store_id: str, file_id: str) -> Reply:
        row = await in_store(store.file_of, inquiry_of(request).caller, vector_store_id, file_id)
        return _file(row, vector_store_id)

    async def post(self, request: Request, vector_store_id: str, file_id: str) -> Reply:
        inquiry = inquiry_of(request)
        attributes = asked.attributes_of(inquiry.body)
        row = await in_store(store.describe, inquiry.caller, vector_store_id, file_id, attributes)
        return _file(row, vector_store_id)

    async def delete(self, request: Request, vector_store_id: str, file_id: str) -> Reply:
        await in_store(store.remove, inquiry_of(request).caller, vector_store_id, file_id)
        return Reply.json({"id": file_id, "object": "vector_store.file.deleted", "deleted": True})


class FileContent(ApiView):
    """The text of a file, in the pieces that are searched."""

    async def get(self, request: Request, vector_store_id: str, file_id: str) -> Reply:
        start = _place(_given(request).get("page", ["0"])[-1])
        texts, next = await in_store(store.texts, inquiry_of(request).caller, vector_store_id, file_id, start)
        return Reply.json(shown.content(texts, None if next is None else str(next)))


class FileBatches(ApiView):
    """Add several files to a store."""

    async def post(self, request: Request, vector_store_id: str) -> Reply:
        inquiry = inquiry_of(request)
        files = asked.batch_of(inquiry.body)
        return _reply(await keeping.put_together(inquiry.caller, vector_store_id, files))


class FileBatch(ApiView):
    """Describe files that were added together."""

    async def get(self, request: Request, vector_store_id: str, batch_id: str) -> Reply:
        return _reply(await in_store(store.see_batch, inquiry_of(request).caller, vector_store_id, batch_id))


class CancelFileBatch(ApiView):
    """Read no more files of a batch."""

    body_is_optional = True

    async def post(self, request: Request, vector_store_id: str, batch_id: str) -> Reply:
        return _reply(await in_store(store.cancel, inquiry_of(request).caller, vector_store_id, batch_id))


class FileBatchFiles(ApiView):
    """List files that were added together."""

    async def get(self, request: Request, vector_store_id: str, batch_id: str) -> Reply:
        listing = asked.listing_of(_given(request))
        caller = inquiry_of(request).caller
        return Reply.json(await in_store(store.files_page, caller, vector_store_id, listing, batch_id))


def _given(request: Request) -> dict[str, list[str]]:
    return dict(request.query_params.lists())


def _place(said: str) -> int:
    if not (said.isascii() and said.isdigit() and len(said) < 10):
        raise Invalid("Invalid value for 'page': expected a 'next_page' of this list.", "page")
    return int(said)


def _reply(seen: Seen) -> Reply:
    """Show a store or a batch; while its files are read, say when to look again."""
    headers = [*([POLL_AFTER] if seen.is_busy else []), *(embedding.headers_of(seen.model) if seen.model else [])]
    return Reply(Reply.json(seen.body).body, [JSON, *headers])


def _file(row: VectorFile, handle: str) -> Reply:
    headers = [JSON, *([POLL_AFTER] if row.status == IN_PROGRESS else [])]
    return Reply(Reply.json(shown.file(row, handle)).body, headers)
