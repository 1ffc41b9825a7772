"""Code executed in the sandbox that the settings name."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.sandbox import interpreter
from gateway.sandbox.locked import frames, keeper
from gateway.sandbox.program import Program
from gateway.sandbox.values import File, GivenTooMuch, Outcome, SandboxFailed, safe_name

RUNNER = (Path(__file__).parent / "locked" / "runner.py").read_bytes()
BESIDE_SECONDS = 20.0  # to start, to end what is left, to take the files
TOLD = {
    keeper.TIME: "[Ended: it took longer than {0.SANDBOX_SECONDS:g} seconds.]",
    keeper.MEMORY: "[Ended: it used more than {0.SANDBOX_MEMORY_BYTES:,} bytes of memory.]",
    keeper.OUTPUT: "[Ended: it printed more than {0.SANDBOX_OUTPUT_BYTES:,} bytes; the rest is lost.]",
    keeper.FILES: "[Ended: its files have more than {0.SANDBOX_FILES_BYTES:,} bytes.]",
}


def is_configured() -> bool:
    """Whether code can be executed; runs that would need to are refused otherwise, naming ``TOLLGATE_SANDBOX``."""
    return bool(settings.SANDBOX)


async def execute(code: str, files: Sequence[File] = ()) -> Outcome:
    """Execute Python in a process that can reach nothing but ``files``. As ``execute_with``."""
    return await execute_with(code, lambda: files)


async def execute_with(code: str, fetch: Callable[[], Sequence[File]]) -> Outcome:
    """Execute Python in a process that can reach nothing but what ``fetch`` returns, in its folder (``/mnt/data``).

    Each call begins anew: what is to be there the next time is given along. Of two files of one name the later
    counts. Cancelling ends the process. Waits while ``TOLLGATE_SANDBOX_PARALLEL`` others of this process are at
    work, and has ``fetch`` called in a thread only then: who waits holds no files in memory. Raises ``GivenTooMuch``,
    ``SandboxFailed``, and what ``fetch`` does.
    """
    if not is_configured():
        raise SandboxFailed("No sandbox is configured: TOLLGATE_SANDBOX is empty.")
    program = Program(settings.SANDBOX_SECONDS + BESIDE_SECONDS, settings.SANDBOX_FILES_BYTES)
    try:
        loop = asyncio.get_running_loop()
        header, made = await loop.run_in_executor(_threads(), _run, program, code.encode("utf-8", "replace"), fetch)
    finally:
        program.stop()
    return _outcome(header, made)


def _run(
    program: Program, code: bytes, fetch: Callable[[], Sequence[File]]
) -> tuple[dict[str, Any], list[frames.Named]]:
    given = {safe_name(file.name): file.data for file in fetch()}
    if len(code) + sum(map(len, given.values())) > settings.SANDBOX_FILES_BYTES:
        raise GivenTooMuch(f"Code and its files have more than {settings.SANDBOX_FILES_BYTES:,} bytes together.")
    files = [("code.py", code), *given.items()]
    python = interpreter.found(settings.SANDBOX_PYTHON)
    request = {
        "mode": settings.SANDBOX,
        "python": python.python,
        "shown": python.shown,
        "scratch": f"{tempfile.gettempdir()}/tollgate-sandbox-{secrets.token_hex(16)}",
        "limits": {
            "seconds": settings.SANDBOX_SECONDS,
            "memory": settings.SANDBOX_MEMORY_BYTES,
            "files": settings.SANDBOX_FILES_BYTES,
            "output": settings.SANDBOX_OUTPUT_BYTES,
        },
    }
    return program.run(frames.written(request, [files[0], ("runner.py", RUNNER), *files[1:]]))


def _outcome(header: dict[str, Any], made: Sequence[frames.Named]) -> Outcome:
    if "error" in header:
        raise SandboxFailed(f"TOLLGATE_SANDBOX={settings.SANDBOX} does not work here: {header['error']}")
    lines = [header["logs"]]
    if header["left_out"]:
        lines.append(f"[Too many or too large to be kept: {', '.join(header['left_out'])}]")
    if header["ended"] in TOLD:
        lines.append(TOLD[header["ended"]].format(settings))
    elif header["code"] < 0:
        lines.append(f"[Ended by signal {-header['code']}.]")
    elif header["code"] > 1:  # 1 is an exception's, which is said already
        lines.append(f"[Ended with exit code {header['code']}.]")
    logs = "\n".join(line.rstrip("\n") for line in lines if line)
    return Outcome(logs, tuple(File(*file) for file in made), header["ended"])


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.SANDBOX_PARALLEL, thread_name_prefix="sandbox")
