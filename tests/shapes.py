"""Which tests run in which shape: what is the same in both is tried once, with nothing but SQLite."""

from __future__ import annotations

import os
from pathlib import Path

PRODUCTION = bool(os.environ.get("DATABASE_URL"))
TESTS = Path(__file__).parent
# what goes over the wire, what pages look like, what files and code may do: the same whatever keeps the rows
KNOW_NO_DATABASE = (
    "billing/test_holder.py", "conformance", "e2e", "gateway/files/test_filestore.py", "gateway/sandbox",
    "gateway/test_dialects.py", "gateway/test_odd_requests.py", "gateway/test_openapi.py",
    "gateway/test_openapi_live.py", "gateway/test_upstream_trouble.py", "gateway/vectors/test_reading.py", "providers",
)  # fmt: skip
# who kills workers over and over does so where several share a database; all else that dies is tried in both shapes
WANT_PRODUCTION = ("gateway/batches/test_kill.py", "billing/test_kill.py")
# these wait for most of their time, for processes that die or start: they begin first, so that others work meanwhile
LONG = (
    "chaos", "complaints", "gateway/test_processes.py", "gateway/responses/test_background_live.py",
    "gateway/assistants/test_runs_many_live.py", "gateway/batches", "gateway/vectors/test_work_live.py",
)  # fmt: skip
# of what never asks a database, these do
ASK_A_DATABASE = {"test_adding_a_provider.py", "test_quirks.py", "test_routes.py", "test_sharing.py"}
# what goes over the wire in a way of its own: bodies, streams, forms, files, errors, clients that leave
ON_EACH_SERVER = {
    "test_bad_input.py", "test_chat.py", "test_client_gone.py", "test_ends.py", "test_files.py", "test_odd_requests.py",
    "test_recordings.py",
}  # fmt: skip
# into how many bytes an upstream's answers are cut, 0: not at all
CUTS = {"whole events": 0} if PRODUCTION else {"whole events": 0, "7 bytes at a time": 7}


def is_tried_elsewhere(path: Path) -> bool:
    """Whether this file is not for this shape: it knows no database, or wants the other one."""
    if path.suffix != ".py" or path.name in ASK_A_DATABASE:
        return False
    if not PRODUCTION:
        return any(path == TESTS / name for name in WANT_PRODUCTION)
    return path.name.endswith("_pure.py") or any(path.is_relative_to(TESTS / folder) for folder in KNOW_NO_DATABASE)


def turn(path: Path) -> int:
    """Return after how many others a file's tests begin."""
    within = (number for number, name in enumerate(LONG) if path.is_relative_to(TESTS / name))
    return next(within, len(LONG))


def is_said_already(path: Path, name: str) -> bool:
    """Whether a test's second server adds nothing: it sees neither an upstream's bytes nor what a call means."""
    return "daphne" in name and ("7 bytes at a time" in name or path.name not in ON_EACH_SERVER)
