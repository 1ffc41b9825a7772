"""The newcomer's first minutes, from a bare clone to a stopped gateway: `python -m bench.newcomer`."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Program, free_port
from bench.scratch import CHECKOUT, SCRATCH

INSTALL_AND_START_SECONDS = 600
POSTING_SECONDS = 30

# Run by the checkout's own Python: the clone has no openai, as a user's machine would have it elsewhere.
SDK_CALLS = """
import json, sys
from openai import OpenAI
client = OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
messages = [{"role": "user", "content": "Say hello."}]
plain = client.chat.completions.create(model="demo", messages=messages)
chunks = client.chat.completions.create(model="demo", messages=messages, stream=True)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
print(json.dumps({"plain": plain.choices[0].message.content, "streamed": streamed}))
"""


class Failed(Exception):
    """A step that a newcomer would have been stuck at."""


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="tollgate-newcomer-"))
    begun = time.monotonic()
    try:
        _walk(folder / "tollgate")
    except (Failed, subprocess.SubprocessError) as stuck:
        print(f"FAILED: {stuck}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"done in {time.monotonic() - begun:.1f} s")
    return 0


def _walk(clone: Path) -> None:
    with _step("git clone"):
        _run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)])
    port = free_port()
    settings = _bare_environment() | {"PORT": str(port)}
    log = SCRATCH / "logs/newcomer.log"
    with Program(["make", "serve"], log, environment=settings, folder=clone) as serving:
        with _step("make serve, until Ready"):
            url = serving.wait_for(r"^Ready: (\S+)", INSTALL_AND_START_SECONDS)[1]
            key = serving.wait_for(r"^API key: (sk-tg-\S+)", 5)[1]
        with _step("openai SDK, plain and streamed"):
            _call(url, key)
        with _step("both calls in the ledger, under the key"):
            _wait_for_records(clone / "var/tollgate.sqlite3", key)
        with _step("tollgate verify_ledger"):
            _run([str(clone / ".venv/bin/tollgate"), "verify_ledger"], clone)
        with _step("SIGTERM, until stopped"):
            _stop(serving)


def _call(url: str, key: str) -> None:
    said = json.loads(_run([sys.executable, "-c", SDK_CALLS, url, key]))
    empty = [name for name, text in said.items() if not text]
    if empty:
        raise Failed(f"the demo model said nothing: {', '.join(empty)}")


def _wait_for_records(database: Path, key: str) -> None:
    """Wait until the ledger has the two calls, completed and priced, under the key with this public id."""
    public_id = key.removeprefix("sk-tg-").split("-")[0]
    query = """SELECT count(*) FROM billing_usagerecord r JOIN accounts_apikey k ON k.id = r.api_key_id
               WHERE k.public_id = ? AND r.status = 'completed' AND r.cost > 0 AND r.user_id IS NOT NULL"""
    deadline, found = time.monotonic() + POSTING_SECONDS, 0
    while time.monotonic() < deadline and found < 2:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            found = connection.execute(query, (public_id,)).fetchone()[0]
        time.sleep(0.1)
    if found != 2:
        raise Failed(f"{found} of 2 calls stand in the ledger as completed and priced")


def _stop(serving: Program) -> None:
    """Send SIGTERM to the gateway itself: make, signalled, would die of that whatever its child says."""
    gateway = next((member for member in serving.tree() if _is_tollgate(member.cmdline())), None)
    if gateway is None:
        raise Failed("no `tollgate serve` runs below make")
    gateway.send_signal(signal.SIGTERM)
    code = serving.process.wait(60)
    if code:
        raise Failed(f"make serve ended with {code}: {serving.output()[-500:]}")


def _is_tollgate(command: list[str]) -> bool:
    return "serve" in command and any(part.endswith("/tollgate") for part in command)


def _bare_environment() -> dict[str, str]:
    """Return overrides for what a developer's shell may hold and a newcomer's does not."""
    names = ("DATABASE_URL", "REDIS_URL", "TOLLGATE_DATA", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
    return {name: "" for name in names if name in os.environ}


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Failed(f"{Path(command[0]).name} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


@contextmanager
def _step(name: str) -> Iterator[None]:
    begun = time.monotonic()
    print(f"{name} … ", end="", flush=True)
    yield
    print(f"{time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
