"""Files that wait to be read: taken by one process at a time, written down piece by piece, ended once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Length

from billing import clock, database
from gateway.files.rows import StoredFile
from gateway.vectors.embedding import dimensions
from gateway.vectors.rows import COMPLETED, FAILED, IN_PROGRESS, VectorChunk, VectorFile, VectorStore

SECONDS = 5
LEASE = timedelta(seconds=settings.VECTOR_LEASE_SECONDS)
# a file that ends the process that reads it does so only so often
MOST_TAKEN = 3
FATAL = "The file could not be read: each process that tried has ended before it was done."
AT_ONCE = 200


class Lost(Exception):
    """Another process reads the file now, or nobody wants it any more: nothing of it may be written."""


class OtherDimensions(Exception):
    """The store's vectors have another length: its model is embedded by something else now."""


class Taken(NamedTuple):
    """A file that this process alone reads now, for the key ``api_key``. ``done`` pieces of it are written already.

    ``stored`` is None where the file is gone.
    """

    id: int
    fence: int
    store: str
    store_id: int
    model: str
    api_key: int | None
    size: int
    overlap: int
    stored: StoredFile | None
    done: int


def take(but: Collection[int | None] = ()) -> Taken | None:
    """Return a file that waits; None where none waits. Files that the API keys ``but`` pay for are left to others.

    Those go first of whose key nobody has a file in hand, then those of whose store nobody has.
    """
    while True:
        with database.writing(SECONDS):
            row = _next(but)
            if row is None:
                return None
            row.fence, row.attempts, row.lease_until = row.fence + 1, row.attempts + 1, database.now() + LEASE
            if row.attempts <= MOST_TAKEN:
                row.save(update_fields=["fence", "attempts", "lease_until"])
                return _taken(row)
            _end(row, FAILED, {"code": "server_error", "message": FATAL})


def waiting(most: int) -> int:
    """Return how many files wait, ``most`` if they are more."""
    return len(_waiting(database.now()).values_list("pk")[:most])


def _waiting(now: datetime) -> QuerySet[VectorFile]:
    return VectorFile.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), status=IN_PROGRESS)


def _next(but: Collection[int | None]) -> VectorFile | None:
    now = database.now()
    rows = _waiting(now)
    if but:
        rows = rows.exclude(store__api_key__in=but)
    held = VectorFile.objects.filter(status=IN_PROGRESS, lease_until__gte=now)
    skips = connection.features.has_select_for_update_skip_locked
    first = rows.select_for_update(of=("self",), skip_locked=True) if skips else rows.select_for_update()
    return first.order_by(_among(held, "store__api_key"), _among(held, "store"), "created_at", "pk").first()


def _among(held: QuerySet[VectorFile], column: str) -> Case:
    """Return 1 for a file whose ``column`` is that of one of ``held`` too, else 0."""
    values = held.filter(**{f"{column}__isnull": False}).values(column)
    return Case(When(**{f"{column}__in": values}, then=Value(1)), default=Value(0))


def _taken(row: VectorFile) -> Taken:
    store, cut = row.store, row.chunking["static"]
    return Taken(
        row.pk,
        row.fence,
        store.handle,
        store.pk,
        store.model,
        store.api_key_id,
        cut["max_chunk_size_tokens"],
        cut["chunk_overlap_tokens"],
        StoredFile.objects.there(clock.now()).filter(pk=row.file).first(),
        row.chunks.count(),
    )


def renew(taken: Taken) -> None:
    """Be heard of. Raises ``Lost``."""
    if not _own(taken).update(lease_until=database.now() + LEASE):
        raise Lost


def release(taken: Taken) -> None:
    """Let another process go on at once; it was not the file that ended this one."""
    row = _own(taken).first()
    if row is not None:
        _own(taken).update(lease_until=None, attempts=row.attempts - 1)


def put_off(taken: Taken, seconds: float) -> None:
    """Let any process go on, but not before so many ``seconds``; it was not the file that has to wait."""
    _own(taken).update(
        lease_until=database.now() + timedelta(seconds=seconds), fence=F("fence") + 1, attempts=F("attempts") - 1
    )


def write(taken: Taken, model: str, number: int, texts: Sequence[str], vectors: Sequence[bytes]) -> None:
    """Write down pieces from ``number`` on. Raises ``Lost``, ``OtherDimensions``."""
    with database.writing(SECONDS):
        _check_alike(taken.store_id, model, dimensions(vectors[0]))
        row = _held(taken)
        VectorChunk.objects.bulk_create(
            [
                VectorChunk(file=row, store_id=taken.store_id, number=number + at, text=text, vector=vector)
                for at, (text, vector) in enumerate(zip(texts, vectors, strict=True))
            ],
            batch_size=AT_ONCE,
        )
        row.lease_until = database.now() + LEASE
        row.save(update_fields=["lease_until"])


def _check_alike(store_id: int, model: str, length: int) -> None:
    """Note what a store's vectors are with the first of them. Raises ``OtherDimensions``, ``Lost``."""
    store = VectorStore.objects.filter(pk=store_id)
    if store.filter(model=model, dimensions=length).exists():
        return
    # before the file, as those who add files lock the store first too; others may have written the first one meanwhile
    row = store.select_for_update(no_key=True).first()
    if row is None:
        raise Lost
    if row.dimensions and (row.model, row.dimensions) != (model, length):
        raise OtherDimensions
    store.update(model=model, dimensions=length)


def finish(taken: Taken) -> None:
    """Let the file be found. Raises ``Lost``."""
    with database.writing(SECONDS):
        row = _held(taken)
        sums = row.chunks.aggregate(texts=Sum(Length("text")), count=Count("pk"))
        length = VectorStore.objects.values_list("dimensions", flat=True).get(pk=row.store_id)
        row.usage_bytes = (sums["texts"] or 0) + sums["count"] * length * 4
        _end(row, COMPLETED, None)


def fail(taken: Taken, code: str, message: str) -> None:
    """Note why the file cannot be found. Raises ``Lost``."""
    with database.writing(SECONDS):
        row = _held(taken)
        row.chunks.all().delete()
        _end(row, FAILED, {"code": code, "message": message})


def _end(row: VectorFile, status: str, error: dict[str, str] | None) -> None:
    row.status, row.last_error, row.lease_until = status, error, None
    row.save(update_fields=["status", "last_error", "lease_until", "usage_bytes", "fence", "attempts"])


def _own(taken: Taken) -> QuerySet[VectorFile]:
    return VectorFile.objects.filter(pk=taken.id, fence=taken.fence, status=IN_PROGRESS)


def _held(taken: Taken) -> VectorFile:
    row = _own(taken).select_for_update().first()
    if row is None:
        raise Lost
    return row
