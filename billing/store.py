"""Handing a holder's sealed files over to the database: a row each, in order, and only then out of the way."""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.db.models import Max
from django.db.models.functions import Now

from billing import disk
from billing.journal import STORED, segment, segments, sync_folder
from billing.models import Holder, RejectedLine, Segment

logger = logging.getLogger(__name__)

KEPT_SECONDS = 3600.0
KEPT_SECONDS_WHEN_TIGHT = 60.0


def register(holder: str, machine: str, started_at: datetime) -> None:
    """Make the holder's row where it is missing."""
    row = Holder(id=holder, machine=machine, started_at=started_at, seen_at=Now())
    Holder.objects.bulk_create([row], ignore_conflicts=True)


def insert(holder: str, seq: int, payload: bytes) -> None:
    """Store one file; nothing happens where it is stored already."""
    row = Segment(
        holder_id=holder, seq=seq, payload=zlib.compress(payload, 3), lines=payload.count(b"\n"), stored_at=Now()
    )
    Segment.objects.bulk_create([row], ignore_conflicts=True)


def insert_file(folder: Path, holder: str, seq: int) -> None:
    """Store file ``seq`` of ``folder``, wherever in it that is. One that is gone leaves a rejected line to be seen."""
    try:
        payload = _find(folder, seq).read_bytes()
    except FileNotFoundError:
        logger.error("file %d of holder %s is gone: its lines are missing in the ledger", seq, holder)
        payload = b""
        gone = RejectedLine(
            holder_id=holder, seq=seq, line=0, raw=b"", error="the journal's file is gone", rejected_at=Now()
        )
        RejectedLine.objects.bulk_create([gone], ignore_conflicts=True)
    insert(holder, seq, payload)


def unpacked(payload: bytes | memoryview) -> bytes:
    """Return the journal's bytes of a stored payload."""
    return zlib.decompress(payload)


def highest(holder: str) -> int:
    """Return the highest number stored of a holder; old rows are dropped, but only posted ones."""
    stored = Segment.objects.filter(holder_id=holder).aggregate(seq=Max("seq"))["seq"] or 0
    posted = Holder.objects.filter(id=holder).values_list("posted_seq", flat=True).first() or 0
    return max(stored, posted)


def missing(holder: str, seqs: Iterable[int]) -> list[int]:
    """Return those of ``seqs`` that the table lacks and still wants, in order."""
    posted = Holder.objects.filter(id=holder).values_list("posted_seq", flat=True).first() or 0
    stored = set(Segment.objects.filter(holder_id=holder).values_list("seq", flat=True))
    return sorted(seq for seq in seqs if seq > posted and seq not in stored)


def move(folder: Path, seq: int) -> None:
    """Put a stored file aside, where it waits an hour for a database that went back."""
    path, aside = segment(folder, seq), segment(folder / STORED, seq)
    try:
        path.rename(aside)
        os.utime(aside)
    except FileNotFoundError:
        return  # moved before


def sync(folder: Path, seq: int) -> None:
    """Make a sealed file survive a power cut."""
    try:
        file = os.open(_find(folder, seq), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fdatasync(file)
    finally:
        os.close(file)
    sync_folder(folder)


def drop_old(folder: Path) -> None:
    """Delete the files put aside long enough ago; sooner where the disk gets tight."""
    kept = KEPT_SECONDS_WHEN_TIGHT if disk.is_tight(folder) else KEPT_SECONDS
    before = time.time() - kept
    for path in segments(folder / STORED).values():
        if path.stat().st_mtime > before:
            return
        path.unlink()


def _find(folder: Path, seq: int) -> Path:
    path = segment(folder, seq)
    return path if path.exists() else segment(folder / STORED, seq)
