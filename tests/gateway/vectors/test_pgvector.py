"""PostgreSQL that has pgvector compares vectors by itself, and finds the same as this process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT

pgserver = pytest.importorskip("pgserver", reason="PyPI's pgserver, a PostgreSQL with pgvector, is not installed")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("postgresql")
    server = pgserver.get_server(folder / "data")
    try:
        environment = {**os.environ, "TOLLGATE_DATA": str(folder), "DATABASE_URL": server.get_uri(), "REDIS_URL": ""}
        _run(environment, "migrate", "-v0")
        printed = _run(environment, "shell", "-c", "from tests.gateway.vectors.comparing import compare; compare()")
        yield json.loads(printed.splitlines()[-1])
    finally:
        server.cleanup()


def _run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, str(Path(ROOT) / "manage.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_is_found_with_pgvector_and_without(said):
    assert (said["was there"], said["is there"], said["left"]) == (False, True, 0)
    assert said["with"] == said["without"]
    assert [len(found) for found in said["with"]] == [10, 10]


def test_what_is_not_in_its_column_yet_is_found_too(said):
    assert (said["not in it"], said["in it"]) == (60, 0)
    assert said["late"] == said["filled"]
    assert any(text.startswith("d ") for text, _ in said["late"][0])


def test_what_is_deleted_is_found_no_more(said):
    assert not any(text.startswith("a ") for text, _ in said["deleted"][0])
    assert said["deleted"][1] == said["filled"][1]
