"""/v1/files: uploads, lists, contents, deletion."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings
from rest_framework.request import Request

from gateway import cursors
from gateway.asking import in_store
from gateway.files import keeping, reading, store
from gateway.files.asked import described, listing_of, upload_of
from gateway.formnames import OCTETS
from gateway.forms import Limits
from gateway.replies import Reply, Streamed
from gateway.views.api import ApiView, inquiry_of


class Files(ApiView):
    """Upload a file; list the caller's files."""

    body = "form"
    form_limits = Limits(files=settings.MAX_UPLOAD_BYTES, parts=16)

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        asked = upload_of(inquiry.body, inquiry.form.files)
        return Reply.json(described(await keeping.keep(inquiry.caller, asked)))

    async def get(self, request: Request) -> Reply:
        listing = listing_of(dict(request.query_params.lists()))
        rows = await in_store(store.listed, inquiry_of(request).caller, listing)
        return Reply.json(cursors.page([described(row) for row in rows], listing.cursor.limit))


class File(ApiView):
    """Describe or delete a file."""

    async def get(self, request: Request, file_id: str) -> Reply:
        return Reply.json(described(await reading.file_of(inquiry_of(request).caller, file_id)))

    async def delete(self, request: Request, file_id: str) -> Reply:
        await keeping.delete(inquiry_of(request).caller, file_id)
        return Reply.json({"id": file_id, "object": "file", "deleted": True})


class FileContent(ApiView):
    """Give the bytes of a file, as they were uploaded."""

    async def get(self, request: Request, file_id: str) -> Streamed:
        stored = await reading.file_of(inquiry_of(request).caller, file_id)
        # never as the type that the uploader has said: a browser that is led here must not run what it finds
        headers = [
            ("content-type", OCTETS),
            ("content-disposition", _disposition(stored.filename)),
            ("x-content-type-options", "nosniff"),
        ]
        return Streamed(reading.pieces(stored), stored.bytes, headers)


def _disposition(filename: str) -> str:
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "_" for char in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
