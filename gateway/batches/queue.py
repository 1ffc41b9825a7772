"""Batches in the database: queued, taken by one process at a time, worked off line by line, ended once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q

from accounts.callers import Caller
from billing import clock, database
from gateway.batches.asked import WINDOWS, Asked
from gateway.batches.lines import Checked
from gateway.batches.outcomes import Outcome, added
from gateway.batches.rows import (
    CANCELLABLE,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    FINALIZING,
    IN_PROGRESS,
    OPEN,
    VALIDATING,
    Batch,
    BatchLine,
)
from gateway.cursors import Cursor
from gateway.fieldchecks import Invalid
from gateway.files import store
from gateway.files.rows import PROCESSED, StoredFile
from gateway.owned import owner_of

SECONDS = 5
LEASE = timedelta(seconds=settings.BATCH_LEASE_SECONDS)
BEGUN_AT_ONCE = 20
# when a batch came to each end
ENDED_AT = {
    COMPLETED: "completed_at", FAILED: "failed_at", EXPIRED: "expired_at", CANCELLED: "cancelled_at",
}  # fmt: skip


class UnknownBatch(Exception):
    """Not there, or not the caller's."""


class NotCancellable(Exception):
    """The batch has ended, or is about to; its status stands in it."""


class Lost(Exception):
    """Another process works on the batch now, or it is gone: nothing of it may be written any more."""


class Sent(NamedTuple):
    """A line that is sent now, and the id of its record to come; None: it was not sent, after all."""

    number: int
    record: str | None


Note = Sent | Outcome


def enqueue(caller: Caller, asked: Asked) -> Batch:
    """Store a batch to be worked off. Raises ``Invalid`` where its input cannot be."""
    now = clock.now()
    with database.writing(SECONDS):
        _check_input(caller, asked.input_file_id)
        batch = Batch(
            endpoint=asked.endpoint,
            input_file_id=asked.input_file_id,
            completion_window=asked.window,
            metadata=asked.metadata,
            lasts=asked.lasts and int(asked.lasts.total_seconds()),
            created_at=now,
            expires_at=now + WINDOWS[asked.window],
            **owner_of(caller),
        )
        batch.save(force_insert=True)
    return batch


def _check_input(caller: Caller, id: str) -> None:
    try:
        stored = store.one(caller, id)
    except store.UnknownFile:
        raise Invalid(f"No such File object: {id:.64}", "input_file_id") from None
    if stored.purpose != "batch":
        raise Invalid("The input file's purpose is not 'batch'.", "input_file_id")


def one(caller: Caller, id: str) -> Batch:
    """Return the caller's batch. Raises ``UnknownBatch``."""
    if "\0" in id:
        raise UnknownBatch(id)
    with database.reading(SECONDS):
        found = Batch.objects.visible_to(caller).filter(pk=id).first()
    if found is None:
        raise UnknownBatch(id)
    return found


def listed(caller: Caller, cursor: Cursor) -> list[Batch]:
    """Return the batches of a page, and one more where there are more."""
    with database.reading(SECONDS):
        return list(store.next_to(Batch.objects.visible_to(caller), cursor))


def cancel(caller: Caller, id: str) -> Batch:
    """Let no further line be sent. Raises ``UnknownBatch``, ``NotCancellable``."""
    with database.writing(SECONDS):
        own = Batch.objects.visible_to(caller).filter(pk=one(caller, id).pk)
        own.filter(status__in=CANCELLABLE).update(status=CANCELLING, cancelling_at=clock.now())
        batch = own.get()
    if batch.status != CANCELLING:
        raise NotCancellable(batch.status)
    return batch


# what workers do ----------------------------------------------------------------------------------------------------


def due() -> list[str]:
    """Return the ids of batches that nobody works on, the oldest first."""
    free = Q(lease_until=None) | Q(lease_until__lt=database.now())
    waiting = Batch.objects.filter(free, status__in=OPEN).order_by("created_at")
    return list(waiting.values_list("pk", flat=True)[:BEGUN_AT_ONCE])


def take(id: str) -> Batch | None:
    """Let this process work on the batch; None where another one does, or where it has ended."""
    with database.writing(SECONDS):
        batch = Batch.objects.select_for_update().filter(pk=id, status__in=OPEN).first()
        now = database.now()
        if batch is None or (batch.lease_until is not None and batch.lease_until >= now):
            return None
        batch.fence += 1
        batch.lease_until = now + LEASE
        batch.save(update_fields=["fence", "lease_until"])
    return batch


def release(id: str, fence: int) -> None:
    """Let another process go on at once."""
    Batch.objects.filter(pk=id, fence=fence).update(lease_until=None)


def renew(id: str, fence: int) -> str:
    """Be heard of, and return the batch's status. Raises ``Lost``."""
    own = Batch.objects.filter(pk=id, fence=fence, status__in=OPEN)
    if not own.update(lease_until=database.now() + LEASE):
        raise Lost
    status = own.values_list("status", flat=True).first()
    if status is None:
        raise Lost
    return status


def begin(id: str, fence: int, checked: Checked) -> str:
    """Note that the input is good, or that the batch has failed by it; return the status then. Raises ``Lost``."""
    with database.writing(SECONDS):
        batch = _held(id, fence)
        if batch.status != VALIDATING:
            return batch.status
        if checked.errors:
            batch.errors, batch.lease_until = checked.errors, None
            batch.status, batch.failed_at = FAILED, clock.now()
        else:
            batch.total, batch.model = checked.total, checked.model
            batch.status, batch.in_progress_at = IN_PROGRESS, clock.now()
        batch.save()
    return batch.status


def lines_of(id: str) -> tuple[set[int], dict[int, str]]:
    """Return the numbers of the lines that are answered; of those that were sent and are not, the records' ids too."""
    rows = BatchLine.objects.filter(batch=id)
    sent = {number: str(record or "") for number, record in rows.filter(outcome="").values_list("number", "record")}
    return set(rows.values_list("number", flat=True)) - sent.keys(), sent


def note(id: str, fence: int, notes: Sequence[Note]) -> str:
    """Write down what was sent and what was answered, in one transaction; return the status. Raises ``Lost``."""
    with database.writing(SECONDS):
        batch = _held(id, fence)
        for each in notes:
            if isinstance(each, Outcome):
                _note_answer(batch, each)
            elif each.record is not None:
                BatchLine.objects.update_or_create(
                    batch=batch, number=each.number, defaults={"record": each.record or None}
                )
            else:
                BatchLine.objects.filter(batch=batch, number=each.number, outcome="").delete()
        batch.lease_until = database.now() + LEASE
        batch.save(update_fields=["lease_until", "completed", "failed", "usage"])
    return batch.status


def _note_answer(batch: Batch, outcome: Outcome) -> None:
    row = BatchLine.objects.filter(batch=batch, number=outcome.number, outcome="")
    if not row.update(outcome=outcome.text, has_failed=outcome.has_failed):
        return  # this note came twice: the answer of the first write was lost
    batch.failed += outcome.has_failed
    batch.completed += not outcome.has_failed
    batch.usage = added(batch.usage, outcome.usage)


def finalize(id: str, fence: int) -> str:
    """Note that all lines are done, and the output is being written; return the status. Raises ``Lost``."""
    with database.writing(SECONDS):
        batch = _held(id, fence)
        if batch.status == IN_PROGRESS:
            batch.status, batch.finalizing_at = FINALIZING, clock.now()
            batch.save(update_fields=["status", "finalizing_at"])
    return batch.status


def outcomes(id: str, *, failed: bool) -> Iterable[str]:
    """Yield the output's lines in the order of the input."""
    rows = BatchLine.objects.filter(batch=id, has_failed=failed).exclude(outcome="").order_by("number")
    return rows.values_list("outcome", flat=True).iterator(chunk_size=200)


def end(id: str, fence: int, status: str, output: StoredFile | None, errors: StoredFile | None) -> None:
    """End the batch; its files are there from now on. Raises ``Lost``, and then they are not."""
    with database.writing(database.POSTING_SECONDS):
        batch = _held(id, fence)
        files = [each for each in (output, errors) if each is not None]
        StoredFile.objects.filter(pk__in=[each.pk for each in files]).update(status=PROCESSED)
        BatchLine.objects.filter(batch=batch).delete()
        batch.output_file_id = output.pk if output is not None else ""
        batch.error_file_id = errors.pk if errors is not None else ""
        batch.status, batch.lease_until = status, None
        setattr(batch, ENDED_AT[status], clock.now())
        batch.save()


def fault(id: str, fence: int, error: dict[str, Any]) -> None:
    """Note why the batch cannot go on. Raises ``Lost``."""
    with database.writing(SECONDS):
        batch = _held(id, fence)
        if error not in batch.errors:
            batch.errors = [*batch.errors, error]
            batch.save(update_fields=["errors"])


def _held(id: str, fence: int) -> Batch:
    batch = Batch.objects.select_for_update().filter(pk=id, fence=fence, status__in=OPEN).first()
    if batch is None:
        raise Lost
    return batch
