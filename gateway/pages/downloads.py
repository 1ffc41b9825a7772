"""Files that an address of the admin answers: made while they are sent, so that none stands in memory whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from gateway.pages import tables
from gateway.pages.tables import Row


class Download(StreamingHttpResponse):
    """A streamed file; under ASGI each piece is fetched from the database in the request's thread.

    Django by itself would collect all of it first.
    """

    def __init__(self, name: str, form: str, columns: Sequence[str], batches: Iterable[Iterable[Row]]) -> None:
        pieces = tables.written(form, columns, batches)
        super().__init__(pieces, content_type=tables.FORMATS[form].content_type)
        self._pieces = pieces
        self.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await sync_to_async(next)(self._pieces, None)) is not None:
            yield piece.encode()
