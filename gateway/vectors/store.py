"""Vector stores in the database: made, listed, filled with files, let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet, Sum
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.callers import Caller
from billing import clock, database
from gateway.fieldchecks import Invalid
from gateway.files.rows import StoredFile
from gateway.files.store import UnknownFile
from gateway.files.store import visible as visible_files
from gateway.lists import places
from gateway.owned import owner_of
from gateway.responses.listing import Query, paged
from gateway.responses.refusals import is_id, sought
from gateway.vectors import shown
from gateway.vectors.asked import USUAL, Listing, NewFile, NewStore
from gateway.vectors.refusals import NoBatch, NoFile, NoStore, StoreExpired
from gateway.vectors.rows import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    VectorBatch,
    VectorChunk,
    VectorFile,
    VectorStore,
    new_handle,
)
from gateway.vectors.shown import Tally

SECONDS = 5
MOST_FILES = 10_000
PAGE = 1_000
# who searches all the time need not write it down each time
TOUCHED_AGAIN_AFTER = timedelta(minutes=1)


class Seen(NamedTuple):
    """What a caller sees of a store, a file or a batch: ``body``; ``model`` embeds the store's pieces."""

    body: dict[str, Any]
    model: str = ""
    is_busy: bool = False


# stores ---------------------------------------------------------------------------------------------------------------


def make(caller: Caller, asked: NewStore, model: str) -> Seen:
    """Make a store that ``model`` embeds; its files are yet to be read. Raises ``UnknownFile``."""
    now = clock.now()
    with database.writing(SECONDS):
        row = VectorStore(
            handle=new_handle("vs_"),
            name=asked.name,
            description=asked.description,
            metadata=dict(asked.metadata or {}),
            expires_days=asked.expires_days,
            chunking=asked.chunking,
            model=model,
            created_at=now,
            last_active_at=now,
            expires_at=_expiry(now, asked.expires_days),
            **owner_of(caller),
        )
        row.save(force_insert=True)
        _put(caller, row, [NewFile(id) for id in asked.file_ids], None)
        return _seen(row)


def one(caller: Caller, handle: str, *, lock: bool = False) -> VectorStore:
    """Return the caller's store. Raises ``NoStore``."""
    found = VectorStore.objects.visible_to(caller).filter(handle=sought(handle, NoStore))
    row = (found.select_for_update(no_key=True) if lock else found).first()
    if row is None:
        raise NoStore(handle)
    return row


def see(caller: Caller, handle: str) -> Seen:
    """Raises ``NoStore``."""
    with database.reading(SECONDS):
        return _seen(one(caller, handle))


def _seen(row: VectorStore) -> Seen:
    tally = _tallies(VectorFile.objects.filter(store=row)).get(row.pk, Tally())
    return Seen(shown.store(row, tally, clock.now()), row.model, tally.is_busy)


def page(caller: Caller, query: Query) -> dict[str, Any]:
    """Return a page of the caller's stores. Raises ``Invalid``."""
    with database.reading(SECONDS):
        rows = places.next_to(VectorStore.objects.visible_to(caller), query, _stores_of(caller))
        tallies, now = _tallies(VectorFile.objects.filter(store__in=rows)), clock.now()
    return paged([shown.store(row, tallies.get(row.pk, Tally()), now) for row in rows], query)


def change(caller: Caller, handle: str, columns: Mapping[str, Any]) -> Seen:
    """Raises ``NoStore``."""
    with database.writing(SECONDS):
        row = one(caller, handle, lock=True)
        for name, value in columns.items():
            setattr(row, name, value)
        _be_active(row)
        row.save(update_fields=[*columns, "last_active_at", "expires_at"])
        return _seen(row)


def delete(caller: Caller, handle: str) -> None:
    """Let nobody see the store any more, nor read files for it; the sweep removes what is in it. Raises ``NoStore``."""
    with database.writing(SECONDS):
        row = one(caller, handle, lock=True)
        places.note([(_stores_of(caller), row.handle, row.pk)])
        VectorStore.objects.filter(pk=row.pk).update(**NOBODY)
        row.files.filter(status=IN_PROGRESS).update(status=CANCELLED, lease_until=None)


def _stores_of(caller: Caller) -> str:
    return places.name_of("vector stores", caller.user_id, caller.team_id)


# whose a store is that was deleted
NOBODY: dict[str, None] = {"user": None, "team": None}


def _expiry(active: datetime, days: int | None) -> datetime | None:
    return None if days is None else active + timedelta(days=days)


def _be_active(row: VectorStore) -> None:
    """Let a store live on from now; one that has expired stays so."""
    now = clock.now()
    if not has_expired(row, now):
        row.last_active_at, row.expires_at = now, _expiry(now, row.expires_days)


def has_expired(row: VectorStore, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def touched(rows: Iterable[VectorStore]) -> None:
    """Note that these stores are in use."""
    now = clock.now()
    for row in rows:
        if now - row.last_active_at > TOUCHED_AGAIN_AFTER:
            _be_active(row)
            VectorStore.objects.filter(pk=row.pk).update(last_active_at=row.last_active_at, expires_at=row.expires_at)


# files ----------------------------------------------------------------------------------------------------------------


def add(caller: Caller, handle: str, files: Sequence[NewFile]) -> list[VectorFile]:
    """Add files to a store, to be read. One that is there is read again only where it was not, or is cut otherwise.

    Raises ``NoStore``, ``StoreExpired``, ``UnknownFile``, ``Invalid``.
    """
    with database.writing(SECONDS):
        return _put(caller, _living(caller, handle), files, None)


def add_together(caller: Caller, handle: str, files: Sequence[NewFile]) -> Seen:
    """Add files as a batch. Raises as ``add``."""
    with database.writing(SECONDS):
        row = _living(caller, handle)
        batch = VectorBatch(store=row, handle=new_handle("vsfb_"), created_at=clock.now())
        batch.save(force_insert=True)
        _put(caller, row, files, batch)
        return _seen_batch(batch, row.handle)


def _living(caller: Caller, handle: str) -> VectorStore:
    row = one(caller, handle, lock=True)
    if has_expired(row, clock.now()):
        raise StoreExpired(handle)
    return row


def _put(caller: Caller, store: VectorStore, files: Sequence[NewFile], batch: VectorBatch | None) -> list[VectorFile]:
    """Return the rows of ``files`` in ``store``; within a transaction that holds its row."""
    if not files:
        return []
    stored = visible_files(caller).in_bulk([each.id for each in files if is_id(each.id)])
    unknown = next((each.id for each in files if each.id not in stored), None)
    if unknown is not None:
        raise UnknownFile(unknown)
    there = {row.file: row for row in store.files.select_for_update().filter(file__in=stored)}
    if store.files.count() + len(files) - len(there) > MOST_FILES:
        raise Invalid(f"A vector store has at most {MOST_FILES} files.", "file_ids")
    for each in files:
        if each.id in there:
            _put_again(there[each.id], each)
        else:
            there[each.id] = _new(store, stored[each.id], each)
    VectorFile.objects.bulk_create([row for row in there.values() if row.pk is None])
    if batch is not None:
        batch.files.add(*there.values())
    # the key that adds files pays for them: the one that has made the store may be gone
    store.api_key_id = caller.key_id
    _be_active(store)
    store.save(update_fields=["api_key", "last_active_at", "expires_at"])
    return [there[each.id] for each in files]


def _new(store: VectorStore, stored: StoredFile, asked: NewFile) -> VectorFile:
    return VectorFile(
        store=store,
        file=stored.pk,
        filename=stored.filename,
        chunking=asked.chunking or store.chunking or USUAL,
        attributes=asked.attributes or {},
        created_at=clock.now(),
    )


def _put_again(row: VectorFile, asked: NewFile) -> None:
    is_cut_otherwise = asked.chunking is not None and asked.chunking != row.chunking
    if asked.attributes is not None:
        row.attributes = asked.attributes
    if row.status in (FAILED, CANCELLED) or is_cut_otherwise:
        row.chunks.all().delete()
        row.status, row.last_error, row.usage_bytes = IN_PROGRESS, None, 0
        row.chunking = asked.chunking or row.chunking
        row.fence, row.attempts, row.lease_until = row.fence + 1, 0, None
    row.save()


def file_of(caller: Caller, handle: str, id: str) -> VectorFile:
    """Return a file of the caller's store. Raises ``NoStore``, ``NoFile``."""
    with database.reading(SECONDS):
        return _file(one(caller, handle), id)


def _file(store: VectorStore, id: str, *, lock: bool = False) -> VectorFile:
    """Return a file of the store; with ``lock`` nobody else writes it, or pieces of it, in this transaction."""
    found = store.files.filter(file=sought(id, NoFile))
    row = (found.select_for_update() if lock else found).first()
    if row is None:
        raise NoFile(id)
    return row


def files_page(caller: Caller, handle: str, listing: Listing, batch: str = "") -> dict[str, Any]:
    """Return a page of a store's files, or of a batch's. Raises ``NoStore``, ``NoBatch``, ``Invalid``."""
    with database.reading(SECONDS):
        store = one(caller, handle)
        among = _batch(store, batch).files.all() if batch else store.files.all()
        # one file after the other leaves the list of those that are read: whichever was the last, the others follow it
        found = among.filter(status=listing.status) if listing.status else among
        rows = places.next_to(found, listing.query, _files_of(store.pk), among=among, column="file")
    return paged([shown.file(row, handle) for row in rows], listing.query)


def describe(caller: Caller, handle: str, id: str, attributes: Mapping[str, Any]) -> VectorFile:
    """Give a file other attributes. Raises ``NoStore``, ``NoFile``."""
    with database.writing(SECONDS):
        row = _file(one(caller, handle), id, lock=True)
        row.attributes = dict(attributes)
        row.save(update_fields=["attributes"])
    return row


def remove(caller: Caller, handle: str, id: str) -> None:
    """Take a file out of a store; the file itself stays. Raises ``NoStore``, ``NoFile``."""
    with database.writing(SECONDS):
        row = _file(one(caller, handle), id, lock=True)
        _note_gone([row])
        row.delete()


def texts(caller: Caller, handle: str, id: str, after: int) -> tuple[list[str], int | None]:
    """Return pieces of a file's text from the number ``after`` on, and where they go on.

    Raises ``NoStore``, ``NoFile``.
    """
    with database.reading(SECONDS):
        row = _file(one(caller, handle), id)
        found = row.chunks.filter(number__gte=after) if row.status == COMPLETED else row.chunks.none()
        pieces = list(found.order_by("number").values_list("text", flat=True)[: PAGE + 1])
    return pieces[:PAGE], after + PAGE if len(pieces) > PAGE else None


@receiver(post_delete, sender=StoredFile)
def _goes_from_all_stores(instance: StoredFile, **_: Any) -> None:
    """A file that is deleted, or has expired, is found no more."""
    rows = VectorFile.objects.filter(file=instance.pk)
    # who reads one writes its pieces under its lock: none may come while the others go
    _note_gone(rows.select_for_update().order_by("pk"))
    rows.delete()


def _note_gone(rows: Iterable[VectorFile]) -> None:
    places.note((_files_of(row.store_id), row.file, row.pk) for row in rows)


def _files_of(store: int) -> str:
    return places.name_of("files", store)


# batches --------------------------------------------------------------------------------------------------------------


def see_batch(caller: Caller, handle: str, id: str) -> Seen:
    """Raises ``NoStore``, ``NoBatch``."""
    with database.reading(SECONDS):
        return _seen_batch(_batch(one(caller, handle), id), handle)


def cancel(caller: Caller, handle: str, id: str) -> Seen:
    """Read no more files of a batch but those that another one waits for; those that are read stay.

    Raises ``NoStore``, ``NoBatch``.
    """
    with database.writing(SECONDS):
        batch = _batch(one(caller, handle), id)
        going = list(batch.files.select_for_update(of=("self",)).filter(status=IN_PROGRESS))
        wanted = _wanted_beside(batch, going)
        ended = [row for row in going if row.pk not in wanted]
        for row in ended:
            row.status, row.fence, row.lease_until = CANCELLED, row.fence + 1, None
        VectorFile.objects.bulk_update(ended, ["status", "fence", "lease_until"])
        VectorChunk.objects.filter(file__in=ended).delete()
        if going:
            batch.status = CANCELLED
            batch.save(update_fields=["status"])
        return _seen_batch(batch, handle)


def _wanted_beside(batch: VectorBatch, files: Sequence[VectorFile]) -> set[int]:
    """Return the keys of those of ``files`` that are of another batch too, which nobody has cancelled."""
    members = VectorFile.batches.through.objects.filter(vectorfile__in=files).exclude(vectorbatch=batch)
    return set(members.exclude(vectorbatch__status=CANCELLED).values_list("vectorfile_id", flat=True))


def _batch(store: VectorStore, id: str) -> VectorBatch:
    row = store.batches.filter(handle=sought(id, NoBatch)).first()
    if row is None:
        raise NoBatch(id)
    return row


def _seen_batch(batch: VectorBatch, store: str) -> Seen:
    tally = _tallies(batch.files.all()).get(batch.store_id, Tally())
    return Seen(shown.batch(batch, store, tally), is_busy=tally.is_busy)


# what both are made of ------------------------------------------------------------------------------------------------


def _tallies(files: QuerySet[VectorFile]) -> dict[int, Tally]:
    """Return how many ``files`` have each status, by the id of their store."""
    counted = files.values_list("store", "status").annotate(Count("pk"), Sum("usage_bytes")).order_by()
    found: dict[int, Tally] = {}
    for id, status, count, size in counted:
        before = found.get(id, Tally())
        found[id] = Tally({**before.counts, status: count}, before.usage_bytes + size)
    return found


def check(caller: Caller, handles: Iterable[str]) -> None:
    """Raises ``NoStore`` for the first of these that the caller does not have."""
    with database.reading(SECONDS):
        for handle in handles:
            one(caller, handle)


def is_ready(caller: Caller, handles: Sequence[str]) -> bool:
    """Whether no file of these stores of the caller's is still being read."""
    stores = VectorStore.objects.visible_to(caller).filter(handle__in=[each for each in handles if is_id(each)])
    with database.reading(SECONDS):
        return not VectorFile.objects.filter(store__in=stores, status=IN_PROGRESS).exists()
