"""What goes into the sandbox and what comes out of it. Pure."""

from __future__ import annotations

from collections.abc import Container
from pathlib import PurePosixPath
from typing import NamedTuple

# bytes that Linux takes for a name; endings are kept up to this length; folders within folders, as many are taken out
LONGEST_NAME, LONGEST_ENDING, MOST_FOLDERS = 255, 16, 8


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
    """Return ``name`` as one that leads nowhere else: no root, no way up, nothing that is not printed, nothing longer
    than a file system takes. Names of files that code has made are such names.
    """
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", "//")]
    return "/".join(_fitting(part) for part in parts[-MOST_FOLDERS:]) or "file"


def free_name(name: str, taken: Container[str]) -> str:
    """Return the safe name, without folders, of an uploaded file in a folder that has ``taken``.

    Of several of one name those that come later have a number before their ending: ``data.csv``, ``data_2.csv``.
    """
    free = plain = safe_name(PurePosixPath(name.replace("\\", "/")).name)
    number = 1
    while free in taken:
        number += 1
        free = _fitting(plain, f"_{number}")
    return free


def _fitting(part: str, mark: str = "") -> str:
    """Return a name with ``mark`` before its ending, which is kept where the name is cut."""
    path = PurePosixPath("".join(character if character.isprintable() else "_" for character in part))
    end = mark + (path.suffix if len(path.suffix.encode()) <= LONGEST_ENDING else "")
    whole = path.name.removesuffix(end[len(mark) :])
    return whole.encode()[: LONGEST_NAME - len(end.encode())].decode("utf-8", "ignore") + end
