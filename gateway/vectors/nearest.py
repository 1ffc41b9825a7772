"""Which pieces of stores are nearest to what is asked for: by PostgreSQL where it can, else in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef
from django.utils.module_loading import import_string

from accounts.callers import Caller
from billing import clock, database
from gateway.files.rows import StoredFile
from gateway.vectors import indexing, store
from gateway.vectors.asked import Asked
from gateway.vectors.filters import Filter
from gateway.vectors.rows import COMPLETED, VectorChunk, VectorFile, VectorStore

SECONDS = 8


class Place(NamedTuple):
    """A store that can be searched, with what embeds its pieces; ``dimensions`` 0 where it has none."""

    id: int
    handle: str
    model: str
    dimensions: int
    has_expired: bool


class Found(NamedTuple):
    """A piece of a file. ``score`` is between 0 and 1; ``file_id`` the id of the stored file."""

    file_id: str
    filename: str
    score: float
    text: str
    attributes: dict[str, Any]


def places(caller: Caller, handles: Sequence[str]) -> list[Place]:
    """Return the caller's stores, which are in use now. Raises ``NoStore``."""
    now = clock.now()
    with database.writing(SECONDS):
        rows = [store.one(caller, handle) for handle in dict.fromkeys(handles)]
        store.touched(rows)
    return [Place(row.pk, row.handle, row.model, row.dimensions, store.has_expired(row, now)) for row in rows]


def best(caller: Caller, stores: Sequence[int], queries: Sequence[bytes], asked: Asked) -> list[Found]:
    """Return the pieces of these stores that are nearest to any of the vectors ``queries``, the best first."""
    with database.reading(SECONDS):
        files = _files(stores, asked.passes, len(queries[0]) // 4)
        if not files:
            return []
        scored = _scored({id: row.fence for id, row in files.items()}, queries, asked.most)
        scored = [(min(score, 1.0), id) for score, id in scored if score >= asked.threshold and score > 0]
        pieces = VectorChunk.objects.filter(pk__in=[id for _, id in scored]).defer("vector").in_bulk()
    # a piece may have gone since it was compared
    return [_found(pieces[id], files[pieces[id].file_id], score) for score, id in scored if id in pieces]


def _files(stores: Sequence[int], passes: Filter | None, dimensions: int) -> Mapping[int, VectorFile]:
    """Return the files that are searched: read, still there, and such as the filter lets through."""
    there = StoredFile.objects.there(clock.now()).filter(pk=OuterRef("file"))
    rows = VectorFile.objects.filter(
        Exists(there),
        store__in=VectorStore.objects.filter(pk__in=stores, dimensions=dimensions),
        status=COMPLETED,
    ).only("file", "filename", "attributes", "fence")
    return {row.pk: row for row in rows if passes is None or passes(row.attributes)}


def _scored(files: Mapping[int, int], queries: Sequence[bytes], most: int) -> list[tuple[float, int]]:
    if not indexing.is_there():
        return import_string("gateway.vectors.exact.best")(files, queries, most)
    found = indexing.best(list(files), queries, most)
    if rest := indexing.left_out(list(files)):
        found += import_string("gateway.vectors.exact.best_of_rows")(rest, queries, most)
    return sorted(found, key=lambda scored: (-scored[0], scored[1]))[:most]


def _found(piece: VectorChunk, file: VectorFile, score: float) -> Found:
    return Found(file.file, file.filename, score, piece.text, file.attributes)
