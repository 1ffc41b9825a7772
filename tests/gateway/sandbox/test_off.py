"""Where no sandbox is, or none that keeps its promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway import sandbox
from gateway.sandbox import readiness

ROOT = Path(__file__).resolve().parents[3]


async def test_without_a_setting_nothing_is_executed() -> None:
    assert not sandbox.is_configured()
    with pytest.raises(sandbox.SandboxFailed, match="TOLLGATE_SANDBOX"):
        await sandbox.execute("1")


def test_without_a_setting_nothing_is_promised() -> None:
    assert readiness.problem() == ""


def test_a_folder_of_ours_that_the_code_would_see_is_a_problem(settings: Any) -> None:
    settings.SANDBOX, settings.DATA = "namespaces", Path("/usr/share/tollgate")
    assert "would see /usr/share/tollgate" in readiness.problem()


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (["manage.py", "serve"], {}),
        (["-m", "celery", "-A", "gateway", "worker", "--pool", "threads"], {"REDIS_URL": "redis://127.0.0.1:1/0"}),
    ],
)
def test_who_executes_code_does_not_start_without_what_is_promised(
    tmp_path: Path, command: list[str], environment: dict[str, str]
) -> None:
    names = {"DATABASE_URL", "REDIS_URL"}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    told = {"TOLLGATE_DATA": str(tmp_path), "TOLLGATE_SANDBOX": "namespaces", "TOLLGATE_SANDBOX_PYTHON": "/nonsense"}
    done = subprocess.run(
        [sys.executable, *command], env={**inherited, **told, **environment}, cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "TOLLGATE_SANDBOX_PYTHON: /nonsense is no Python that works here" in done.stderr


def test_a_mode_that_there_is_not_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], env={**os.environ, "TOLLGATE_SANDBOX": "open"}, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "TOLLGATE_SANDBOX must be namespaces, process or empty" in done.stderr
