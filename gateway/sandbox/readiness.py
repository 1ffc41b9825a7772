"""Whether this machine can keep what ``TOLLGATE_SANDBOX`` promises; who executes code does not start otherwise."""

from __future__ import annotations

import asyncio
import platform
import sys

from django.conf import settings
from django.core.files.storage import storages

from gateway.sandbox import interpreter
from gateway.sandbox.execution import execute, is_configured
from gateway.sandbox.locked import forbidden, launcher
from gateway.sandbox.values import SandboxFailed

# what is promised, tried: each line is an error where it is not so
PROBE = """
import os, socket
def is_refused(call, *words):
    try:
        call(*words)
    except OSError:
        return True
assert is_refused(socket.socket), "it could reach the network"
assert all(is_refused(os.listdir, path) for path in {folders!r}), "it could read the gateway's files"
parent = os.getppid()  # 1: of a namespace, which no signal from within reaches
assert parent == 1 or is_refused(os.kill, parent, 0), "it could signal the gateway's processes"
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if not child:
            os.read(0, 1)
            os._exit(0)
        children.append(child)
except OSError:
    pass
assert len(children) < 100, "it could start processes without end"
assert not any(name.startswith(("TOLLGATE", "DATABASE", "REDIS")) for name in os.environ), "it saw the environment"
"""
REMEDY = {
    launcher.NAMESPACES: (
        "It needs Linux 5.14 with user namespaces; containers must be allowed to make them. TOLLGATE_SANDBOX=process"
        " asks for less and promises less: docs/code-interpreter.md."
    ),
    launcher.PROCESS: (
        "It needs Linux 6.2 with Landlock and seccomp, and of a gateway that is run as root a TOLLGATE_SANDBOX_PYTHON"
        " that every user may execute: docs/code-interpreter.md."
    ),
}


def problem() -> str:
    """Return what of the setting's promises is not so here, "" where all are or it promises nothing."""
    try:
        if is_configured():
            _ensure()
    except SandboxFailed as error:
        return str(error)
    return ""


def _ensure() -> None:
    if sys.platform != "linux" or platform.machine() not in forbidden.MACHINES:
        raise SandboxFailed(f"TOLLGATE_SANDBOX needs Linux on {' or '.join(forbidden.MACHINES)}.")
    folders = [str(settings.DATA), *_folder_of_files()]
    _check_shown(folders)
    try:
        outcome = asyncio.run(execute(PROBE.format(folders=folders)))
    except SandboxFailed as error:
        raise SandboxFailed(f"{error}. {REMEDY[settings.SANDBOX]}") from None
    if outcome.ended != "completed":
        last = outcome.logs.rsplit("\n", 1)[-1]
        raise SandboxFailed(
            f"TOLLGATE_SANDBOX={settings.SANDBOX} does not hold here: {last}. {REMEDY[settings.SANDBOX]}"
        )


def _folder_of_files() -> list[str]:
    location = getattr(storages["files"], "location", "")
    return [location] if location.startswith("/") else []


def _check_shown(folders: list[str]) -> None:
    for shown in interpreter.found(settings.SANDBOX_PYTHON).shown:
        for folder in folders:
            if interpreter.lies_in(folder, shown) or interpreter.lies_in(shown, folder):
                raise SandboxFailed(
                    f"The sandbox's code would see {folder}: what it needs of {shown} lies in one place with it."
                    " Move TOLLGATE_DATA or TOLLGATE_FILES, or the Python of TOLLGATE_SANDBOX_PYTHON."
                )
