"""A gateway as a user runs it: real processes, an empty state folder, a database of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx2 as httpx
import psycopg
import redis

from tests.shapes import PRODUCTION

ROOT = Path(__file__).resolve().parent.parent
# What differs between them is the wire, not what lies behind it: with PostgreSQL only the one that `serve` uses.
SERVERS = ["granian"] if PRODUCTION else ["granian", "daphne"]
START_SECONDS = 120  # on a busy machine four processes and the price data take their time
SETTLE_SECONDS = 90
TAKEN_IN_SECONDS = 60
TAKEN_OVER_SECONDS = 45
# a worker looks for changes as often as a web process, and has nobody whom it tells what it knows
WORKER_SECONDS = 0.6
STOP_SECONDS = 90
REDIS_DATABASES = 16
CLAIM, CLAIMED_SECONDS = "tollgate-test-gateway", 1800


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """One `tollgate serve`, with a Celery worker beside it in the production shape."""

    def __init__(self, server: str = "granian", *, workers: int = 1, worker: bool = True, **environment: str) -> None:
        self.server = server
        self.workers = workers
        self.data = Path(tempfile.mkdtemp(prefix="tollgate-"))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.base}/v1"
        self.database_url = os.environ.get("DATABASE_URL", "")
        template = _template()
        template.copy_to(self.data)
        if self.database_url:
            self.database_url = _create_database(self.database_url, template.database)
        self.redis_url = os.environ.get("REDIS_URL", "")
        if self.redis_url:
            self.redis_url = _claim_redis(self.redis_url)
        self.with_worker = worker and bool(self.redis_url)
        self.environment = {
            **os.environ,
            "TOLLGATE_DATA": str(self.data),
            "DATABASE_URL": self.database_url,
            **({"REDIS_URL": self.redis_url} if self.redis_url else {}),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.output: list[str] = []
        self.key = self.email = self.password = ""
        self.process: subprocess.Popen[str] | None = None
        self.worker: subprocess.Popen[str] | None = None

    def start(self) -> Gateway:
        """Return when it answers. Output, secrets of the first start included, is kept."""
        command = ["serve", "--server", self.server, "--workers", str(self.workers)]
        self.process = self._spawn([sys.executable, "manage.py", *command])
        self._ready = threading.Event()
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        if not self._ready.wait(START_SECONDS):
            raise AssertionError("not ready:\n" + "\n".join(self.output))
        if self.with_worker and self.worker is None:
            self.start_worker()
        return self

    def start_worker(self) -> None:
        self.worker = self._spawn(
            [sys.executable, "-m", "celery", "-A", "gateway", "worker", "--pool", "threads", "-c", "1", "-B",
             "--schedule", str(self.data / "beat"), "--loglevel", "warning"]
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self.worker,), daemon=True).start()

    def kill_worker(self) -> None:
        """Kill -9 the worker, and its beat with it: left alone that would tell the next gateway's workers of tasks."""
        beat = _children(self.worker.pid)
        self.worker.kill()
        self.worker.wait()
        self.worker = None
        for child in beat:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def stop_worker(self) -> None:
        if self.worker is not None:
            _end(self.worker)
            self.worker = None

    def _spawn(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            self.output.append(line.rstrip())
            if found := re.match(r"API key: (\S+)", line):
                self.key = found[1]
            elif found := re.match(r"Admin: \S+ (\S+) (\S+)", line):
                self.email, self.password = found.groups()
            elif line.startswith("Ready: "):
                self._ready.set()

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, and return the exit code."""
        self.stop_worker()
        return _end(self.process, seconds)

    def destroy(self) -> None:
        with contextlib.suppress(Exception):
            self.stop()
        if self.database_url:
            _drop_database(self.database_url)
        if self.redis_url:
            _give_back_redis(self.redis_url)
        shutil.rmtree(self.data, ignore_errors=True)

    def web_process(self) -> int:
        """Return the id of the process that answers."""
        serving = [child for child in _children(self.process.pid) if _serves(child)]
        return serving[0] if serving else self.process.pid

    def kill_web(self) -> None:
        os.kill(self.web_process(), signal.SIGKILL)

    # what an operator does -------------------------------------------------------------------------------------

    def command(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env={**self.environment, **environment}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{arguments} exited {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def apply(self, text: str) -> None:
        """Apply a tollgate.yaml and wait until this gateway has taken it in."""
        path = self.data / f"apply-{secrets.token_hex(4)}.yaml"
        path.write_text(text)
        self.command("apply", str(path))
        self.take_in()

    def take_in(self) -> None:
        """Wait until every process answers by what the database says now."""
        ((version,),) = self.sql("SELECT version FROM accounts_configversion")
        until = time.monotonic() + TAKEN_IN_SECONDS
        while time.monotonic() < until:
            figure = re.search(r"^tollgate_configuration_version (\S+)$", self.get("/metrics").text, re.MULTILINE)
            if figure and float(figure[1]) >= version:
                time.sleep(WORKER_SECONDS if self.worker is not None else 0)
                return
            time.sleep(0.02)
        raise AssertionError("the change is not taken in:\n" + "\n".join(self.output[-40:]))

    def issue_key(self, email: str = "dev@example.com", **options: Any) -> str:
        arguments = [part for name, value in options.items() for part in _option(name, value)]
        return self.command("issue_key", "--user", email, *arguments).stdout.strip()

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the gateway's database; %s marks a parameter."""
        if self.database_url:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                cursor = connection.execute(query, parameters or None)
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(sqlite3.connect(self.data / "tollgate.sqlite3", timeout=20)) as connection, connection:
            return connection.execute(query.replace("%s", "?"), parameters).fetchall()

    def budget(self, amount: int, **fields: Any) -> int:
        """Make a budget of ``amount`` atoms of its unit and return its id once this gateway keeps it."""
        row = {
            "unit": "usd", "period": "month", "timezone": "UTC", "rolling": False, "mode": "enforce", "model": "",
            "alert_at": "[]", "created_at": "2026-11-01 00:00:00+00:00", "amount": amount, **fields,
        }  # fmt: skip
        places = ", ".join("%s" for _ in row)
        ((id,),) = self.sql(
            f"INSERT INTO billing_budget ({', '.join(row)}) VALUES ({places}) RETURNING id", *row.values()
        )
        self.take_in()
        return id

    # what a caller does ----------------------------------------------------------------------------------------

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key if key is None else key}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=30, **options)

    def post(self, path: str, body: Any, key: str | None = None, **options: Any) -> httpx.Response:
        with self.client(key) as client:
            return client.post(path, json=body, **options)

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        with self.client(key) as client:
            return client.get(path)

    # what the ledger says --------------------------------------------------------------------------------------

    def records(self) -> list[dict[str, Any]]:
        """Return all usage records, oldest first, once everything settled before this moment is posted.

        A holder's segments are posted in order, so a call of our own marks the place; it is left out.
        """
        marker = self.post("/v1/embeddings", {"model": "demo-embedding", "input": "marker"})
        assert marker.status_code == 200, marker.text
        self.record(marker.headers["x-request-id"])
        return [row for row in self._records() if row["operation"] != "embeddings" or row["input_tokens"] != 1]

    def tagged(self, tag: str, count: int) -> list[dict[str, Any]]:
        """Return records with a tag, waiting until there are ``count``: workers write journals of their own."""
        until = time.monotonic() + SETTLE_SECONDS
        while len(found := [row for row in self._records() if tag in str(row["tags"])]) < count:
            assert time.monotonic() < until, found
            time.sleep(0.1)
        return found

    def record(self, request_id: str) -> dict[str, Any]:
        """Return the one usage record of a request, waiting until it is posted."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            found = self._records("WHERE request_id = %s", request_id)
            if found:
                assert len(found) == 1, found
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no record of {request_id}:\n" + "\n".join(self.output[-40:]))

    def _records(self, where: str = "", *parameters: Any) -> list[dict[str, Any]]:
        columns = [
            "id", "request_id", "status", "operation", "model", "provider", "upstream_model", "user_id", "team_id",
            "api_key_id", "end_user", "tags", "input_tokens", "cached_input_tokens", "cache_write_tokens",
            "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "cost", "estimated", "usage_mismatch",
            "attempts", "http_status", "latency_ms", "first_token_ms", "retry_of",
        ]  # fmt: skip
        rows = self.sql(f"SELECT {', '.join(columns)} FROM billing_usagerecord {where} ORDER BY id", *parameters)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def verify_ledger(self) -> subprocess.CompletedProcess[str]:
        """Return the verdict once it is clean; as it stands where it is not, though what dies is taken over by then."""
        until = time.monotonic() + TAKEN_OVER_SECONDS
        while (verdict := self.command("verify_ledger", check=False)).returncode and time.monotonic() < until:
            time.sleep(0.5)
        return verdict


def _option(name: str, value: Any) -> Iterator[str]:
    yield f"--{name}"
    yield from map(str, value if isinstance(value, list) else [value])


def _serves(process: int) -> bool:
    command = Path(f"/proc/{process}/cmdline").read_bytes()
    return b"spawn_main" in command or b"serve" in command


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _end(process: subprocess.Popen[str], seconds: float = STOP_SECONDS) -> int:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def _claim_redis(url: str) -> str:
    """Return the address of a Redis database that no other gateway of a test uses: hints and counters are its own."""
    given = int(urlsplit(url).path.strip("/") or 0)
    for number in range(REDIS_DATABASES - 1, 0, -1):
        candidate = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
        with redis.Redis.from_url(candidate) as server:
            if number != given and server.set(CLAIM, os.getpid(), nx=True, ex=CLAIMED_SECONDS):
                left_over = [key for key in server.scan_iter() if key != CLAIM.encode()]
                if left_over:
                    server.delete(*left_over)
                return candidate
    return url


def _give_back_redis(url: str) -> None:
    if url != os.environ["REDIS_URL"]:
        with redis.Redis.from_url(url) as server:
            server.flushdb()


class Template(NamedTuple):
    """``folder`` is a gateway's state; ``database`` the name of its database, "" where that is in the folder."""

    folder: Path
    database: str

    def copy_to(self, data: Path) -> None:
        shutil.copytree(self.folder / "static", data / "static")
        if not self.database:
            shutil.copy(self.folder / "tollgate.sqlite3", data)


@cache
def _template() -> Template:
    """Return the database that each gateway's is a copy of: migrated, with prices. It is made once in a run.

    A first start from nothing is what ``make newcomer`` tries.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(16)
    name = f"tg_template_{run[:16]}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(exist_ok=True)
    given = os.environ.get("DATABASE_URL", "")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _make_template(given, name, folder)
            (folder / "made").touch()
        (folder / f"used-{os.getpid()}").touch()
    return Template(folder, name if given else "")


def _make_template(url: str, name: str, folder: Path) -> None:
    if url:
        with psycopg.connect(_sibling(url, "postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
    environment = {**os.environ, "TOLLGATE_DATA": str(folder), "DATABASE_URL": url and _sibling(url, name)}
    collect = ["shell", "-v0", "-c", "from gateway import startup; startup.collect_static()"]
    for command in (["migrate", "-v0"], ["seed_prices"], collect):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )


def drop_template() -> None:
    """Leave nothing of this run behind; each process calls it when it starts no gateway any more."""
    if not _template.cache_info().currsize:
        return
    folder, name = _template()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / f"used-{os.getpid()}").unlink()
        if not list(folder.glob("used-*")):
            if name:
                _drop_database(_sibling(os.environ["DATABASE_URL"], name))
            shutil.rmtree(folder, ignore_errors=True)


def _create_database(url: str, template: str) -> str:
    name = f"tg_live_{secrets.token_hex(6)}"
    with psycopg.connect(_sibling(url, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return _sibling(url, name)


def _drop_database(url: str) -> None:
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(_sibling(url, "postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _sibling(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False
