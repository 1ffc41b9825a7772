"""Programs that do the work of a local engine: without a shell, without our secrets, and never for long."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# an engine takes a whole processor: who comes while all are busy waits
THREADS = 2
SECONDS = 60.0
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="local-engine")
ROOT = Path(__file__).resolve().parents[2]


class EngineMissing(Exception):
    """The program or package of an engine is not installed; the message says how it is."""


class EngineFailed(Exception):
    """The program came to no good end, or not in time."""


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` returns, done in one of a few threads."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: work(*args, **kwargs))


def run(command: Sequence[str], given: bytes = b"", seconds: float = SECONDS) -> bytes:
    """Return what a program writes. Raises ``EngineFailed``, ``EngineMissing`` where there is no such program."""
    try:
        done = subprocess.run(  # noqa: S603 no shell; the words are ours, what callers say comes by ``given`` or a file
            command, input=given, capture_output=True, timeout=seconds, env=_environment(), check=False
        )
    except FileNotFoundError:
        raise EngineMissing(f"The program '{command[0]}' is not installed on the gateway's machine.") from None
    except subprocess.TimeoutExpired:
        raise EngineFailed(f"'{Path(command[0]).name}' took longer than {seconds:g} seconds.") from None
    if done.returncode:
        raise EngineFailed(f"'{Path(command[0]).name}' ended with {done.returncode}.")
    return done.stdout


def _environment() -> dict[str, str]:
    """Return what a program needs to be found and to read text: none of the gateway's settings."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
