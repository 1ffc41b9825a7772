"""Taking over the journals of dead neighbours: what they wrote is stored, what they left open is interrupted."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from billing import clock, database, ids, interrupted, store
from billing.journal import BALLAST, LOCK, UNFINISHED, segments, seq_of
from billing.lines import NewerFormat
from billing.models import Segment

logger = logging.getLogger(__name__)

UNFINISHED_SECONDS = 60.0


def neighbours(root: Path) -> Iterator[Path]:
    """Yield the folders of holders under ``root``, living and dead, and what was left of making one."""
    for path in sorted(root.iterdir()):
        if path.is_dir() and not (path.name.startswith(UNFINISHED) and _is_young(path)):
            yield path


def take_lock(folder: Path) -> int | None:
    """Return the lock of a dead holder's folder, None while it lives or where the folder is gone."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == os.stat(folder / LOCK).st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def give_back_lock(lock: int) -> None:
    os.close(lock)


def recover(folder: Path, machine: str) -> bool:
    """Take over ``folder`` if its process is dead; say whether there is nothing left to be done for it.

    Every step may be repeated by whoever comes next. Raises what the database raises.
    """
    lock = take_lock(folder)
    if lock is None:
        return False
    try:
        if folder.name.startswith(UNFINISHED):
            shutil.rmtree(folder)
        else:
            _hand_over(folder, machine)
            _tidy(folder)
    except NewerFormat as reason:
        logger.info("journal %s is left to a newer release: %s", folder.name, reason)
    finally:
        give_back_lock(lock)
    return True


def drop(folder: Path) -> bool:
    """Delete a recovered folder once its files were put aside long enough ago; say whether it is gone."""
    lock = take_lock(folder)
    if lock is None:
        return not folder.exists()
    try:
        store.drop_old(folder)
        if segments(folder):
            return False
        shutil.rmtree(folder)
        return True
    finally:
        give_back_lock(lock)


def _is_young(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime < UNFINISHED_SECONDS
    except FileNotFoundError:
        return True


def _hand_over(folder: Path, machine: str) -> None:
    holder = folder.name
    files = segments(folder)
    with database.writing():
        store.register(holder, machine, ids.instant(ids.moment(holder)))
    for seq in store.missing(holder, files):
        with database.writing():
            store.insert_file(folder, holder, seq)
    last = max([*files, store.highest(holder)], default=0)
    payloads = _newest_first(holder, files)
    newest = next(payloads, b"")
    if interrupted.has_ended(newest):
        return
    unsettled = interrupted.left_open(_chained(newest, payloads))
    closing = interrupted.closing(holder, last + 1, unsettled, clock.now_us())
    with database.writing():
        store.insert(holder, last + 1, closing)
    logger.warning("took over the journal of dead holder %s: %d requests were interrupted", holder, len(unsettled))


def _chained(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _newest_first(holder: str, files: dict[int, Path]) -> Iterator[bytes]:
    """Yield the journal's files from the newest on, from the disk or else from the table."""
    stored = set(Segment.objects.filter(holder_id=holder).values_list("seq", flat=True))
    for seq in sorted(stored | files.keys(), reverse=True):
        if seq in files:
            yield files[seq].read_bytes()
        else:
            yield store.unpacked(Segment.objects.values_list("payload", flat=True).get(holder_id=holder, seq=seq))


def _tidy(folder: Path) -> None:
    """Put the stored files aside, in case the database goes back to an older state."""
    for path in folder.glob("*.journal"):
        store.move(folder, seq_of(path))
    (folder / BALLAST).unlink(missing_ok=True)
