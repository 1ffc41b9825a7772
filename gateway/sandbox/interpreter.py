"""The Python that executes the code, and which folders of the machine it needs to do so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from gateway.sandbox.values import SandboxFailed

# where libraries and programs of a Linux are; what a machine lacks is left out
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
QUESTION = "import json, sys; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix]))"


class Interpreter(NamedTuple):
    """``python`` is its path, ``shown`` what the code gets to see besides its own folder."""

    python: str
    shown: tuple[str, ...]


@cache
def found(python: str) -> Interpreter:
    """Return the interpreter at ``python``; "": the gateway's own, without its packages. Raises ``SandboxFailed``."""
    path = python or os.path.realpath(sys.executable)
    try:
        said = subprocess.run(  # noqa: S603 the path is the operator's
            [path, "-I", "-c", QUESTION], capture_output=True, timeout=30, env={}, check=True
        )
        executable, *prefixes = json.loads(said.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxFailed(f"TOLLGATE_SANDBOX_PYTHON: {path} is no Python that works here: {error}") from None
    folder, name = os.path.split(executable)
    shown = [*filter(os.path.lexists, SYSTEM), *map(os.path.realpath, prefixes)]
    return Interpreter(f"{os.path.realpath(folder)}/{name}", tuple(outermost(shown)))


def outermost(paths: Iterable[str]) -> Sequence[str]:
    """Return ``paths`` without those that lie within others."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(lies_in(path, other) for other in kept):
            kept.append(path)
    return kept


def lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
