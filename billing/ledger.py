"""Stored segments become usage records, spend and budgets: in order, each once, one transaction at a time."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from django.db import DatabaseError, OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now

from billing import adjustments, bulk, database, lines, periods, posting, store
from billing.lines import Line, NewerFormat, Numbered, Reading, Unreadable
from billing.models import Allowance, Holder, RejectedLine, Segment
from billing.posting import Batch

logger = logging.getLogger(__name__)

MOST_LINES = 2000
MOST_TRIES = 5
# How often one line may fail to be finished (as it kills its process) once a segment is posted line by line.
MOST_TRIES_OF_A_LINE = 10


class OvertakenError(Exception):
    """Somebody else posted the holder meanwhile: everything of this transaction is undone."""


class Claim(NamedTuple):
    """The next segments of a holder, in order, how often the first was tried, and how many of its lines are done."""

    seqs: list[int]
    tries: int
    done: int

    @property
    def is_by_line(self) -> bool:
        """Whether the segment failed too often, or was begun line by line: what a line gave back comes back once."""
        return self.tries > MOST_TRIES or self.done > 0


def post(holder: str) -> int:
    """Post what is stored of a holder; return how many segments that were.

    Segments that somebody else posts at this moment are left to them. Raises ``OperationalError`` where the database
    is away; whatever was not committed is posted by the next call, from whom ever it comes.
    """
    posted = 0
    while claim := _claim(holder):
        try:
            done = _post_by_line(holder, claim) if claim.is_by_line else _post_segments(holder, claim)
        except (OvertakenError, NewerFormat) as reason:
            logger.info("holder %s is left alone: %s", holder, reason)
            _take_back(holder, claim)
            return posted
        except OperationalError as error:
            if database.was_hindered(error):
                _take_back(holder, claim)
            raise
        except DatabaseError:
            logger.exception("segment %d of holder %s cannot be posted, try %d", claim.seqs[0], holder, claim.tries)
            if claim.is_by_line:
                raise
            continue
        if not done:
            _take_back(holder, claim)
            return posted
        posted += done
    return posted


def waiting() -> list[str]:
    """Return the holders of which segments wait to be posted."""
    holders = Segment.objects.filter(posted_at__isnull=True).order_by().values_list("holder_id", flat=True)
    return [str(holder) for holder in holders.distinct()]


def replay(rejected: RejectedLine) -> None:
    """Post a rejected line that can be read now, and drop it. Raises ``BadLine`` or ``NewerFormat``.

    Only a record or a return can be missing: where its journal has ended, nothing is held any more.
    """
    batch = posting.batch_of([lines.decode(bytes(rejected.raw))])
    with database.writing(database.POSTING_SECONDS):
        record(str(rejected.holder_id), batch._replace(has_ended=False))
        rejected.delete()


def record(holder: str, batch: Batch, posted_seq: int | None = None) -> Holder:
    """Write what a batch says, within the caller's transaction, in the one order of locks; return the locked holder.

    Raises ``OvertakenError`` where ``posted_seq`` is given and is not the holder's any more.
    """
    inserted = bulk.insert_records(batch.settled.values())
    new = [line for id, line in batch.settled.items() if id in inserted]
    spend = posting.spend_of(new)
    met = adjustments.meet((line for id, line in batch.settled.items() if id not in inserted), spend)
    bulk.add_spend(spend)
    locked: Holder = Holder.objects.select_for_update().get(pk=holder)
    if posted_seq is not None and locked.posted_seq != posted_seq:
        raise OvertakenError(f"posted up to {locked.posted_seq} by somebody else")
    charges, hours = posting.charges_of(new), posting.hours_of(new)
    for corrected, correction in met:
        charges.update(correction.charges)
        hours.update(periods.hours_of_moment(correction.charges, corrected.created_at))
    gives = posting.gives_of(new, batch, periods.held(holder))
    periods.settle(holder, charges, gives, hours, new)
    if batch.has_ended:
        close(holder)
    return locked


def close(holder: str) -> None:
    """Close a holder whose allowances have given back all they hold."""
    Allowance.objects.filter(holder_id=holder).exclude(used=F("granted")).update(used=F("granted"))
    Holder.objects.filter(pk=holder, closed_at__isnull=True).update(closed_at=Now())


def _claim(holder: str) -> Claim | None:
    """Count a try of the next segments, committed before it is made: one that kills its poster is counted too."""
    posted_seq = Holder.objects.filter(pk=holder).values_list("posted_seq", flat=True).first()
    if posted_seq is None:
        return None
    with database.writing():
        rows = list(_unposted(holder).filter(seq__gt=posted_seq).values_list("seq", "lines", "tries", "done")[:8])
        if not rows or rows[0][0] != posted_seq + 1:
            return None
        seqs = _together([row[:3] for row in rows])
        Segment.objects.filter(holder_id=holder, seq__in=seqs).update(tries=F("tries") + 1)
        return Claim(seqs, rows[0][2] + 1, rows[0][3])


def _take_back(holder: str, claim: Claim) -> None:
    Segment.objects.filter(holder_id=holder, seq__in=claim.seqs, tries__gt=0).update(tries=F("tries") - 1)


def _together(rows: list[tuple[int, int, int]]) -> list[int]:
    """Return which of (seq, lines, tries) go into one transaction: one on SQLite, and where one has failed before."""
    (first, count, tries), *others = rows
    seqs = [first]
    if connection.vendor == "sqlite" or tries:
        return seqs
    for seq, more, tried in others:
        count += more
        if seq != seqs[-1] + 1 or tried or count > MOST_LINES:
            break
        seqs.append(seq)
    return seqs


def _unposted(holder: str):  # type: ignore[no-untyped-def]
    rows = Segment.objects.filter(holder_id=holder, posted_at__isnull=True)
    return rows.order_by("seq").select_for_update(skip_locked=True)


def _post_segments(holder: str, claim: Claim) -> int:
    with database.writing(database.POSTING_SECONDS):
        locked = list(_unposted(holder).filter(seq__in=claim.seqs, done=0).values_list("seq", "payload"))
        if [seq for seq, _ in locked] != claim.seqs:
            return 0
        said: list[Line] = []
        for seq, payload in locked:
            reading = _read(payload)
            _reject(holder, seq, reading.unreadable)
            said += (line for _, line, _ in reading.lines)
        record(holder, posting.batch_of(said), claim.seqs[0] - 1)
        _advance(holder, claim.seqs)
    return len(claim.seqs)


def _read(payload: bytes | memoryview) -> Reading:
    try:
        return lines.read(store.unpacked(payload))
    except zlib.error as error:
        return Reading([], [Unreadable(0, bytes(payload), f"the payload cannot be unpacked: {error}")])


def _post_by_line(holder: str, claim: Claim) -> int:
    """Post a segment that failed too often, each line by itself; those that cannot be posted are rejected."""
    seq = claim.seqs[0]
    segment = Segment.objects.get(holder_id=holder, seq=seq)
    reading = _read(segment.payload)
    for place, numbered in enumerate(reading.lines[segment.done :], segment.done):
        if place == segment.done and claim.tries > MOST_TRIES + MOST_TRIES_OF_A_LINE:
            error = "its posting was never finished"
        else:
            error = _post_line(holder, seq, place, numbered)
        if error:
            logger.error("line %d of segment %d of holder %s is rejected: %s", numbered.number, seq, holder, error)
            with database.writing():
                _reject(holder, seq, [Unreadable(numbered.number, numbered.raw, error)])
                _count_line(holder, seq, place)
    with database.writing():
        _reject(holder, seq, reading.unreadable)
        if Holder.objects.select_for_update().get(pk=holder).posted_seq != seq - 1:
            raise OvertakenError("posted by somebody else")
        _advance(holder, [seq])
    return 1


def _post_line(holder: str, seq: int, place: int, numbered: Numbered) -> str:
    """Post one line, of which ``place`` are before it; return why it cannot be."""
    try:
        with database.writing(database.POSTING_SECONDS):
            if not list(_unposted(holder).filter(seq=seq, done=place).values_list("seq")):
                raise OvertakenError("another poster has it")
            record(holder, posting.batch_of([numbered.line]), seq - 1)
            _count_line(holder, seq, place)
    except (OperationalError, OvertakenError):
        raise
    except Exception as error:
        logger.exception("a poison line")
        return f"{type(error).__name__}: {error}"
    return ""


def _count_line(holder: str, seq: int, place: int) -> None:
    """Note that a line is done, which must be the next one."""
    counted = Segment.objects.filter(holder_id=holder, seq=seq, done=place).update(done=place + 1, tries=MOST_TRIES)
    if not counted:
        raise OvertakenError("another poster has done it")


def _advance(holder: str, seqs: list[int]) -> None:
    Segment.objects.filter(holder_id=holder, seq__in=seqs).update(posted_at=Now())
    Holder.objects.filter(pk=holder).update(posted_seq=seqs[-1])


def _reject(holder: str, seq: int, unreadable: Iterable[Unreadable]) -> None:
    rows = [
        RejectedLine(
            holder_id=holder, seq=seq, line=each.number, raw=each.raw, error=each.error, rejected_at=Now()
        )
        for each in unreadable
    ]  # fmt: skip
    RejectedLine.objects.bulk_create(rows, ignore_conflicts=True)
