"""The program itself: reads what is to be executed, locks itself in, executes it, and writes what came of it.

Its input stays open as long as somebody waits; with its end all processes end.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import sys
from typing import Any, NoReturn

from . import calls, crowds, folder, forbidden, frames, identity, keeper, reach, room

NAMESPACES, PROCESS = "namespaces", "process"
CODE, RUNNER = "code.py", "runner.py"
Named = tuple[str, bytes]
ENVIRONMENT = {
    "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg",
    # libraries for numbers start one thread per processor otherwise, each with memory of its own
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
}  # fmt: skip


def main() -> None:
    os.umask(0o022)
    request, files = frames.read(_exactly, frames.MOST_HEADER * 64)
    try:
        MODES[request["mode"]](request, files)
    except keeper.NobodyWaits:
        sys.exit(0)
    except (OSError, KeyError, keeper.NotStarted) as error:
        _answer({"error": f"{error}"}, [])


def _in_namespaces(request: dict[str, Any], files: list[Named]) -> None:
    is_root = os.geteuid() == 0
    identity.enter_namespaces()
    first = os.fork()
    if first:
        for descriptor in (0, 1):
            os.close(descriptor)  # the other's alone
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) != 0)
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)  # with the first process all others of the namespace end
    _be_untouchable()
    programs, given = dict(files[:2]), files[2:]
    size = request["limits"]["files"]
    processes = room.enter(request["shown"], programs, size, identity.CODE)
    limits = keeper.Limits(**request["limits"])
    known = folder.put(room.FOLDER, given, identity.CODE)

    def lock() -> None:
        identity.become_code(is_root=is_root)
        keeper.forbid(forbidden.program(platform.machine()))

    environment = {**ENVIRONMENT, "HOME": room.TEMPORARY, "TMPDIR": room.TEMPORARY}
    command = _command(request["python"], room.PROGRAMS, room.FOLDER)
    ended = keeper.keep(command, environment, room.FOLDER, limits, lock, crowds.InNamespace(processes))
    _tell(ended, room.FOLDER, known, limits.files)


def _as_a_process(request: dict[str, Any], files: list[Named]) -> None:
    _be_untouchable()
    base = request["scratch"]
    os.mkdir(base, 0o711)
    try:
        _in_folder(base, request, files)
    finally:
        shutil.rmtree(base)


def _in_folder(base: str, request: dict[str, Any], files: list[Named]) -> None:
    is_root = os.geteuid() == 0
    user = identity.unused() if is_root else os.geteuid()
    work, temporary, programs = (f"{base}/{name}" for name in ("data", "tmp", "programs"))
    for path in (work, temporary, programs):
        os.mkdir(path, 0o755 if path == programs else 0o700)
        if is_root and path != programs:
            os.chown(path, user, user)
    # the folder has another name here than code is told
    folder.put(programs, [(name, text.replace(room.FOLDER.encode(), work.encode())) for name, text in files[:2]], None)
    known = folder.put(work, files[2:], user if is_root else None)
    room_left = keeper.PROCESSES + (0 if is_root else crowds.tasks_of(user))
    limits = keeper.Limits(**request["limits"], processes=room_left)

    def lock() -> None:
        identity.become_code(is_root=False)
        if is_root:
            identity.become(user)
        calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
        reach.limit([*request["shown"], programs], [work, temporary], [f"/dev/{name}" for name in room.DEVICES])
        keeper.forbid(forbidden.program(platform.machine(), os.getpid()))

    environment = {**ENVIRONMENT, "HOME": temporary, "TMPDIR": temporary}
    command = _command(request["python"], programs, work)
    ended = keeper.keep(command, environment, work, limits, lock, crowds.Descendants([work, temporary]))
    _tell(ended, work, known, limits.files)


MODES = {NAMESPACES: _in_namespaces, PROCESS: _as_a_process}


def _be_untouchable() -> None:
    """Let the code, which may be the same user, neither look into us nor stop us."""
    calls.prctl(calls.PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _command(python: str, programs: str, work: str) -> list[str]:
    return [python, "-I", "-B", "-u", "-X", "utf8", f"{programs}/{RUNNER}", f"{programs}/{CODE}", work]


def _tell(ended: keeper.Ended, work: str, known: dict[str, bytes], most: int) -> None:
    made, left_out = folder.take(work, known, most)
    logs = ended.output.decode("utf-8", "replace")
    _answer({"ended": ended.why, "code": ended.code, "logs": logs, "left_out": left_out}, made)


def _answer(header: dict[str, Any], files: list[Named]) -> None:
    sys.stdout.buffer.write(frames.written(header, files))
    sys.stdout.buffer.flush()


def _exactly(count: int) -> bytes:
    data = sys.stdin.buffer.read(count)
    if len(data) != count:
        _leave()
    return data


def _leave() -> NoReturn:
    sys.exit(0)
