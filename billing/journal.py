"""One holder's files: the lock that says it lives, the segment being written, the sealed ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from billing import lines
from billing.lines import End

LOCK = "lock"
STORED = "stored"
BALLAST = "ballast"
# A folder with this in front of its name is not finished.
UNFINISHED = ".new-"


class JournalUnavailable(Exception):
    """Nothing can be written now: the disk is full or the folder gone. New requests are refused (503)."""


class Journal:
    """Written by one event loop alone; ``sealed_seq`` may be read from any thread.

    Files up to ``sealed_seq`` never change again; so many ``settled`` requests were written, to each file and in all.
    The flusher notes in ``synced_seq`` and ``stored_seq`` how far it is,
    the poller in ``went_back_to`` that the database has less than that.
    """

    def __init__(self, folder: Path, holder: str, lock: int) -> None:
        self.folder = folder
        self.holder = holder
        self.seq = 0
        self.sealed_seq = 0
        self.synced_seq = 0
        self.stored_seq = 0
        self.went_back_to: int | None = None
        self.lines = 0
        self.settled = 0
        self.settled_up_to: dict[int, int] = {}
        self.has_ended = False
        self._lock: int | None = lock
        self._file: int | None = None
        self._size = 0
        self._is_torn = False

    @classmethod
    def make(cls, root: Path, holder: str) -> Journal:
        """Make the folder of a new holder, locked before anybody can see it."""
        root.mkdir(parents=True, exist_ok=True)
        unfinished, folder = root / (UNFINISHED + holder), root / holder
        (unfinished / STORED).mkdir(parents=True)
        lock = os.open(unfinished / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished.rename(folder)
        sync_folder(root)
        journal = cls(folder, holder, lock)
        journal._begin(lines.head(holder, 1))
        return journal

    @property
    def ballast(self) -> Path:
        return self.folder / BALLAST

    def append(self, line: bytes) -> None:
        """Write one line, whole or not at all. Raises ``JournalUnavailable``."""
        if self._file is None:
            raise JournalUnavailable("the journal is closed")
        if self._is_torn:
            line = b"\n" + line
        try:
            written = os.write(self._file, line)
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            self._cut_back(self._file)
            raise JournalUnavailable(f"the journal cannot be written: {error.strerror}") from error
        self._is_torn = False
        self._size += len(line)
        self.lines += 1

    def seal(self, head: bytes) -> None:
        """End the file being written; the next begins with ``head``. Raises ``JournalUnavailable``, and then goes on
        with the same file."""
        sealed = self._file
        self._begin(head)
        if sealed is not None:
            os.close(sealed)
        self._sealed(self.seq - 1)

    def end(self) -> None:
        """Write that nothing follows, and seal. Raises ``JournalUnavailable``."""
        self.append(lines.encode(End()))
        self.has_ended = True
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._sealed(self.seq)

    def unposted(self, posted_seq: int) -> int:
        """Return how many settled requests are in files after ``posted_seq``; the sums of older ones are forgotten."""
        for seq in [seq for seq in list(self.settled_up_to) if seq < posted_seq]:
            del self.settled_up_to[seq]
        return self.settled - self.settled_up_to.get(posted_seq, 0)

    def release(self) -> None:
        """Give up the lock, and whatever is open: a neighbour may take the folder over."""
        for file in (self._file, self._lock):
            if file is not None:
                os.close(file)
        self._file = self._lock = None

    def _sealed(self, seq: int) -> None:
        self.settled_up_to[seq] = self.settled
        self.sealed_seq = seq

    def _begin(self, head: bytes) -> None:
        path = segment(self.folder, self.seq + 1)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalUnavailable(f"no new journal file: {error.strerror}") from error
        try:
            written = 0
            while written < len(head):
                written += os.write(file, head[written:])
        except OSError as error:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()
            raise JournalUnavailable(f"no new journal file: {error.strerror}") from error
        self._file, self._size, self._is_torn, self.lines = file, len(head), False, 0
        self.seq += 1

    def _cut_back(self, file: int) -> None:
        """Take a line that was cut short out again; if that fails too, the next one starts on a line of its own."""
        try:
            os.ftruncate(file, self._size)
        except OSError:
            self._is_torn = True


def segment(folder: Path, seq: int) -> Path:
    return folder / f"{seq:012d}.journal"


def seq_of(path: Path) -> int:
    return int(path.name.partition(".")[0])


def segments(folder: Path) -> dict[int, Path]:
    """Return the folder's files by number, those of ``stored/`` too, oldest first."""
    paths = [*folder.glob("*.journal"), *(folder / STORED).glob("*.journal")]
    return {seq_of(path): path for path in sorted(paths, key=seq_of)}


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
