"""What the disk under the journal can take: its kind, its room, and 8 MiB kept back for what must be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Locks and fsync of these do not mean what a journal needs them to mean.
NETWORK = frozenset([
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "gfs2", "ocfs2", "glusterfs", "lustre", "beegfs",
    "gpfs", "pvfs2", "orangefs", "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.ceph",
])  # fmt: skip
JOURNAL_BYTES = 1 << 30
DISK_SHARE = 0.95
TIGHT_SHARE = 0.90
BALLAST_BYTES = 8 << 20


class NetworkFileSystem(Exception):
    """The journal's folder is on another machine."""


def refuse_network(folder: Path) -> None:
    """Raise ``NetworkFileSystem`` where ``folder`` is on one. Unknown on systems without /proc: allowed."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except FileNotFoundError:
        return
    kind = kind_of(folder.resolve(), mounts)
    if kind in NETWORK:
        raise NetworkFileSystem(f"{folder} is on {kind}: the journal needs a local disk (TOLLGATE_DATA)")


def kind_of(folder: Path, mountinfo: str) -> str:
    """Return the file system of an absolute ``folder``, given the text of /proc/self/mountinfo."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        fields = line.split()
        point = fields[4].encode().decode("unicode_escape")
        if len(point) >= len(best) and folder.is_relative_to(point):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def is_full(root: Path) -> bool:
    """Say whether the disk, or what waits under ``root`` to be stored, leaves too little room for new requests."""
    return _share(root) > DISK_SHARE or sum(_waiting(root)) > JOURNAL_BYTES


def is_tight(root: Path) -> bool:
    """Say whether the disk nears the share above which new requests are refused."""
    return _share(root) > TIGHT_SHARE


def keep_ballast(path: Path) -> None:
    """Make the ballast where it is missing. Raises ``OSError`` when even that does not fit."""
    if path.exists():
        return
    unfinished = path.with_suffix(".new")
    try:
        unfinished.write_bytes(bytes(BALLAST_BYTES))
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _share(root: Path) -> float:
    disk = os.statvfs(root)
    used = disk.f_blocks - disk.f_bfree
    return used / ((used + disk.f_bavail) or 1)


def _waiting(root: Path) -> Iterator[int]:
    """Yield the sizes of the journals' files that are not put aside yet."""
    for path in root.glob("*/*.journal"):
        try:
            yield path.stat().st_size
        except FileNotFoundError:
            continue  # put aside meanwhile
