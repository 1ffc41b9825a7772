"""Processes that code leaves behind, and how they are told from all others."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

SECONDS = 30


def stays(token: str) -> str:
    """Code that starts a process which leaves its parent and sleeps."""
    return f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{token}"])
    os._exit(0)
"""


def running(token: str) -> list[int]:
    return [each.pid for each in psutil.process_iter(["cmdline"]) if token in (each.info["cmdline"] or ())]


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
