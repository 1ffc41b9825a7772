"""What goes into the sandbox and what comes out of it. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple


class File(NamedTuple):
    """A file of the folder that code works in; ``name`` is relative to it, such as ``plots/a.png``."""

    name: str
    data: bytes


class Outcome(NamedTuple):
    """What came of some code.

    ``logs`` is all it printed, tracebacks too, and the value of its last expression. ``files`` are those that are new
    or changed. ``ended`` is ``completed``, ``failed`` (an exception, an exit code, a signal), or the limit that ended
    it: ``time``, ``memory``, ``output``, ``files``; the last line of ``logs`` then says so in words.
    """

    logs: str
    files: tuple[File, ...]
    ended: str


class SandboxFailed(Exception):
    """The sandbox could not execute the code, which is not the code's fault. The message is for admins."""


class GivenTooMuch(ValueError):
    """The code or its files are larger than ``TOLLGATE_SANDBOX_FILES_BYTES``."""


def safe_name(name: str) -> str:
    """Return ``name`` as one that leads nowhere else: no root, no way up, nothing that is not printed."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", "//")]
    kept = ["".join(character if character.isprintable() else "_" for character in part)[:80] for part in parts]
    return "/".join(kept[-4:]) or "file"
