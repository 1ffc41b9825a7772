"""The helpers of OpenAI's own clients, which are the strictest readers of runs' streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.scratch import SCRATCH, NotInstallable, node_of
from tests.live import Gateway

HERE = Path(__file__).parent
OLDER, NODE = SCRATCH / "openai2/bin/python", SCRATCH / "js"
INSTALLED = "`make conformance` installs it into scratch/"


def answered(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_installed_client(gateway: Gateway):
    answered(sys.executable, HERE / "helpers.py", gateway.url, gateway.key)


@pytest.mark.skipif(not OLDER.exists(), reason=f"openai 2 for Python is absent: {INSTALLED}")
def test_the_client_of_the_major_release_before(gateway: Gateway):
    answered(OLDER, HERE / "helpers.py", gateway.url, gateway.key)


@pytest.mark.skipif(not (NODE / "node_modules/openai").exists(), reason=f"openai for Node is absent: {INSTALLED}")
def test_the_client_for_node(gateway: Gateway):
    try:
        node = node_of(NODE)
    except NotInstallable as reason:
        pytest.skip(str(reason))
    answered(node, HERE / "helpers.mjs", NODE, gateway.url, gateway.key)
