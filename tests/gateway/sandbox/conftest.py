"""The ways in which a sandbox is run here: each mode, as the user of the tests and, where that is root, as another."""

from __future__ import annotations

import os
import shutil
from typing import Any
from uuid import uuid4

import pytest

from gateway.sandbox import program, readiness

SYSTEM_PYTHON = "/usr/bin/python3"  # who is not root may not read every Python
ANOTHER = ["--reuid", "54321", "--regid", "54321", "--clear-groups", SYSTEM_PYTHON]
WAYS = ["namespaces", "process", "namespaces of another user", "process of another user"]

_told: dict[str, str] = {}  # each is tried once


@pytest.fixture(params=WAYS)
def sandbox_way(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Configure a sandbox; skip where the machine has no such one."""
    mode, _, another = request.param.partition(" of ")
    settings.SANDBOX = mode
    settings.SANDBOX_PYTHON = SYSTEM_PYTHON if os.path.exists(SYSTEM_PYTHON) else ""
    setpriv = shutil.which("setpriv")
    if another:
        if os.geteuid() or not setpriv or not settings.SANDBOX_PYTHON:
            pytest.skip("only root, with setpriv and a Python of the system, can be somebody else")
        monkeypatch.setattr(program, "COMMAND", [setpriv, *ANOTHER, *program.COMMAND[1:]])
    if request.param not in _told:
        _told[request.param] = readiness.problem()
    if _told[request.param]:
        pytest.skip(_told[request.param])
    return request.param


@pytest.fixture
def token() -> str:
    """A word that processes of the code carry in their command line."""
    return uuid4().hex
