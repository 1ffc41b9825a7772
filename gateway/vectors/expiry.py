"""Stores whose time is over: of those that have expired the files go, of those that were deleted everything."""

from __future__ import annotations

from django.db.models import QuerySet

from billing import database
from gateway.vectors.rows import VectorChunk, VectorFile, VectorStore
from gateway.vectors.store import NOBODY

# what is removed in one transaction: rows with vectors are large
CHUNKS_AT_ONCE, STORES_AT_ONCE = 1_000, 100


def sweep() -> None:
    expired = VectorStore.objects.filter(expires_at__lte=database.now(), files__isnull=False).distinct()
    for store in list(expired.values_list("pk", flat=True)[:STORES_AT_ONCE]):
        _empty(VectorFile.objects.filter(store=store), VectorChunk.objects.filter(store=store))
    for store in list(VectorStore.objects.filter(**NOBODY).values_list("pk", flat=True)[:STORES_AT_ONCE]):
        _empty(VectorFile.objects.filter(store=store), VectorChunk.objects.filter(store=store))
        with database.writing(database.POSTING_SECONDS):
            VectorStore.objects.filter(pk=store, **NOBODY).delete()


def _empty(files: QuerySet[VectorFile], chunks: QuerySet[VectorChunk]) -> None:
    """Remove files and their pieces, some at a time; what is being read ends at its next step."""
    with database.writing(database.POSTING_SECONDS):
        files.update(status="cancelled", lease_until=None)
    while some := list(chunks.values_list("pk", flat=True)[:CHUNKS_AT_ONCE]):
        with database.writing(database.POSTING_SECONDS):
            VectorChunk.objects.filter(pk__in=some).delete()
    with database.writing(database.POSTING_SECONDS):
        files.delete()
