"""Rows of files: room is taken before the bytes come, and given back after they have gone."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.callers import Caller
from accounts.models import Team, User
from billing import clock, database
from gateway.cursors import Cursor
from gateway.fieldchecks import Invalid
from gateway.files import shelf
from gateway.files.asked import Asked, Listing
from gateway.files.rows import DELETED, PROCESSED, UPLOADING, StoredFile, StoredFileQuerySet, new_id
from gateway.owned import owner_of

logger = logging.getLogger(__name__)

SECONDS = 5
# an upload that takes longer has been left behind
UNFINISHED = timedelta(days=1)
SWEPT_AT_ONCE = 100


class UnknownFile(Exception):
    """Not there, expired, or not the caller's: nobody learns ids by guessing."""


class StorageFull(Exception):
    """The owner's files take all the room that one owner has, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


def reserve(caller: Caller, asked: Asked) -> StoredFile:
    """Return the row of a file to come. Raises ``StorageFull``."""
    now, upload = clock.now(), asked.upload
    with database.writing(SECONDS):
        _check_room(caller, upload.size, now)
        return _insert(
            owner_of(caller),
            filename=upload.filename,
            content_type=upload.content_type,
            bytes=upload.size,
            purpose=asked.purpose,
            created_at=now,
            expires_at=asked.lasts and now + asked.lasts,
        )


def put_aside(owner: dict[str, int | None], file: IO[bytes], *, lasts: timedelta | None, **columns: Any) -> StoredFile:
    """Return a file of the gateway's own making, whole in the storage: it is there when its status says so.

    Nobody is refused for want of room what was paid for already.
    """
    now, size = clock.now(), file.tell()
    with database.writing(SECONDS):
        row = _insert(owner, bytes=size, created_at=now, expires_at=lasts and now + lasts, **columns)
    try:
        shelf.put(row.name, file)
    except BaseException:
        discard(row)
        raise
    return row


def _insert(owner: dict[str, int | None], **columns: Any) -> StoredFile:
    id = new_id()
    row = StoredFile(id=id, name=f"{id[-2:]}/{id}", **owner, **columns)
    row.save(force_insert=True)
    return row


def _check_room(caller: Caller, size: int, now: datetime) -> None:
    """One after the other for each owner, so that two uploads at one time see each other."""
    if caller.user_id is not None:
        User.objects.select_for_update(no_key=True).filter(pk=caller.user_id).first()
        theirs = StoredFile.objects.filter(user=caller.user_id)
    else:
        Team.objects.select_for_update(no_key=True).filter(pk=caller.team_id).first()
        theirs = StoredFile.objects.filter(user=None, team=caller.team_id)
    counted = theirs.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exclude(status=DELETED)
    if (counted.aggregate(total=Sum("bytes"))["total"] or 0) + size > settings.MAX_STORED_BYTES:
        raise StorageFull(settings.MAX_STORED_BYTES)


def fill(row: StoredFile, file: IO[bytes]) -> StoredFile:
    """Put the bytes of ``file`` into the storage; then the file is there. What fails leaves nothing."""
    try:
        shelf.put(row.name, file)
        with database.writing(SECONDS):
            StoredFile.objects.filter(pk=row.pk).update(status=PROCESSED)
    except BaseException:
        discard(row)
        raise
    row.status = PROCESSED
    return row


def discard(row: StoredFile) -> None:
    """Let a file go: nobody sees it from now on. What cannot be done now, the sweep does."""
    try:
        StoredFile.objects.filter(pk=row.pk).update(status=DELETED)
        shelf.remove(row.name)
        row.delete()
    except Exception:  # storages raise what they like, and the sweep comes
        logger.exception("the bytes of %s could not be removed", row.name)


@receiver(post_delete, sender=StoredFile)
def _bytes_go_with_the_row(instance: StoredFile, **_: Any) -> None:
    """Rows go with their user or team too."""
    transaction.on_commit(lambda: shelf.remove(instance.name), robust=True)


def visible(caller: Caller) -> StoredFileQuerySet:
    return StoredFile.objects.visible_to(caller).there(clock.now())


def one(caller: Caller, id: str) -> StoredFile:
    """Return the caller's file. Raises ``UnknownFile``."""
    if "\0" in id:
        raise UnknownFile(id)
    with database.reading(SECONDS):
        found = visible(caller).filter(pk=id).first()
    if found is None:
        raise UnknownFile(id)
    return found


def listed(caller: Caller, listing: Listing) -> list[StoredFile]:
    """Return the files of a page, and one more where there are more."""
    with database.reading(SECONDS):
        found = visible(caller)
        if listing.purpose:
            found = found.filter(purpose=listing.purpose)
        return list(next_to(found, listing.cursor))


def next_to(found: Any, cursor: Cursor) -> Any:
    """Return the rows from the cursor on, by creation, and one more than it asks for. Raises ``Invalid``."""
    beyond, sign = ("lt", "-") if cursor.order == "desc" else ("gt", "")
    if cursor.after:
        last = found.filter(pk=cursor.after).values_list("created_at", "pk").first()
        if last is None:
            raise Invalid(f"Invalid value for 'after': there is no '{cursor.after:.64}' in this list.", "after")
        later = Q(**{f"created_at__{beyond}": last[0]}) | Q(**{"created_at": last[0], f"pk__{beyond}": last[1]})
        found = found.filter(later)
    return found.order_by(f"{sign}created_at", f"{sign}pk")[: cursor.limit + 1]


def delete(caller: Caller, id: str) -> StoredFile:
    """Let the caller's file go, and return what it was; its bytes are yet to be removed. Raises ``UnknownFile``."""
    row = one(caller, id)
    with database.writing(SECONDS):
        if not StoredFile.objects.filter(pk=row.pk, status=PROCESSED).update(status=DELETED):
            raise UnknownFile(id)
    return row


def sweep() -> int:
    """Remove what has expired, was deleted or was left behind, some at a time; return how many files went."""
    now = clock.now()
    left = Q(status=UPLOADING, created_at__lte=now - UNFINISHED)
    due = StoredFile.objects.filter(Q(expires_at__lte=now) | Q(status=DELETED) | left).order_by("pk")
    gone, last = 0, ""
    while rows := list(due.filter(pk__gt=last)[:SWEPT_AT_ONCE]):
        gone, last = gone + len(rows), rows[-1].pk
        for row in rows:
            discard(row)
    return gone
