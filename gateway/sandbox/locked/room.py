"""The files that the code sees: the system's libraries and its interpreter, read-only, and a folder in memory.

All of it is gone with the last process of the namespace, however that ends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import calls

FOLDER = "/mnt/data"  # as models know it from elsewhere
TEMPORARY, SHARED = "/tmp", "/dev/shm"  # noqa: S108 the namespace's own
PROGRAMS = "/sandbox"
DEVICES = ("null", "zero", "full", "random", "urandom")
FILES = 4096  # how many files and folders the code can make
_NEW, _OLD = "/new", "/old"
_SYSTEM = calls.ATTR_RDONLY | calls.ATTR_NOSUID | calls.ATTR_NODEV
_DEVICE = calls.ATTR_NOSUID | calls.ATTR_NOEXEC


def enter(shown: Sequence[str], programs: dict[str, bytes], size: int, owner: int) -> int:
    """Make it the root of this process: ``shown`` where they are, ``programs`` in ``PROGRAMS``, and the code's folders.

    Return a descriptor of its `/proc`, which the code does not see. Raises ``OSError``.
    """
    calls.mount("none", "/", flags=calls.MS_REC | calls.MS_PRIVATE)
    _step_aside()
    os.chdir("/")
    _make_folders(size, owner)  # first: a Python may lie below one of them
    for path in shown:
        _show(path)
    for name in DEVICES:
        _show(f"/dev/{name}", _DEVICE)
    _write_programs(programs)
    processes = _processes()
    os.chdir(_NEW)
    calls.pivot_root(".", ".")
    calls.unmount(".")
    os.chdir("/")
    calls.set_attributes("/", _SYSTEM, recursive=False)
    calls.set_host_name("sandbox")
    return processes


def _step_aside() -> None:
    """Go to an empty root with the machine's at ``_OLD``: mounted anywhere else, the new one would hide something."""
    calls.mount("tmpfs", "/tmp", "tmpfs", calls.MS_NOSUID | calls.MS_NODEV, "size=16m,mode=755")  # noqa: S108
    for path in (_NEW, _OLD):
        os.mkdir(f"/tmp{path}")  # noqa: S108
    calls.pivot_root("/tmp", f"/tmp{_OLD}")  # noqa: S108
    calls.mount("tmpfs", _NEW, "tmpfs", calls.MS_NOSUID | calls.MS_NODEV, "size=16m,mode=755")


def _show(path: str, attributes: int = _SYSTEM) -> None:
    old, new = _OLD + path, _NEW + path
    os.makedirs(os.path.dirname(new), exist_ok=True)
    if os.path.islink(old):
        os.symlink(os.readlink(old), new)
        return
    if os.path.isdir(old):
        os.makedirs(new, exist_ok=True)
    else:
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o644))
    calls.bind(old, new, attributes)


def _write_programs(programs: dict[str, bytes]) -> None:
    os.mkdir(_NEW + PROGRAMS)
    for name, text in programs.items():
        with open(f"{_NEW}{PROGRAMS}/{name}", "wb") as file:
            file.write(text)


def _make_folders(size: int, owner: int) -> None:
    """One file system for all of them, so that its size bounds them together; only they are seen of it."""
    whole = f"{_NEW}/whole"
    os.mkdir(whole)
    options = f"size={size},nr_inodes={FILES},mode=755"
    calls.mount("tmpfs", whole, "tmpfs", calls.MS_NOSUID | calls.MS_NODEV, options)
    for path in (FOLDER, TEMPORARY, SHARED):
        inside = f"{whole}/{os.path.basename(path)}"
        os.mkdir(inside, 0o700)
        os.chown(inside, owner, owner)
        os.makedirs(_NEW + path)
        calls.mount(inside, _NEW + path, flags=calls.MS_BIND)
    calls.unmount(whole)
    os.rmdir(whole)


def _processes() -> int:
    place = f"{_NEW}/proc"
    os.mkdir(place)
    calls.mount("proc", place, "proc", calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    calls.unmount(place)
    os.rmdir(place)
    return descriptor
