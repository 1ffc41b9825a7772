"""A Tollgate of our own to drive: started in either shape on a fresh state folder, and what can be asked of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import psycopg
import redis
import yaml
from psycopg import sql

from bench.processes import LOAD_CORE, WEB_CORE, Program, free_port
from bench.scratch import CHECKOUT, SCRATCH
from tests.live import CLAIM, CLAIMED_SECONDS

DATABASE = "tg_bench"
DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
REDIS_DATABASES = range(15, 0, -1)
START_SECONDS = 90
BINARIES = Path(sys.executable).parent


@dataclass(frozen=True)
class Tollgate:
    """A running gateway: where it answers, its first key, and the environment its commands need."""

    url: str
    key: str
    web: Program
    environment: dict[str, str]

    def command(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `tollgate …` against this gateway's state."""
        return subprocess.run(
            [str(BINARIES / "tollgate"), *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=CHECKOUT,
            env={**os.environ, **self.environment},
            check=False,
        )

    def apply(self, configuration: dict[str, object]) -> None:
        """Turn a tollgate.yaml into rows, and wait until every process has seen them."""
        path = Path(self.environment["TOLLGATE_DATA"]) / "applied.yaml"
        path.write_text(yaml.safe_dump(configuration))
        done = self.command("apply", str(path))
        if done.returncode:
            raise RuntimeError(f"tollgate apply failed:\n{done.stdout}{done.stderr}")
        time.sleep(1.5)


def route_to(provider: str, base_url: str, models: list[str]) -> dict[str, object]:
    """Return a tollgate.yaml that serves ``models`` from one OpenAI-compatible upstream on this machine, priced."""
    row = {"name": provider, "adapter": "openai", "base_url": base_url, "secret": "sk-upstream"}
    return {
        "providers": [{**row, "options": {"allow_private": True}}],
        "routes": [{"model": model, "targets": [{"provider": provider}], "unpriced": "allow"} for model in models],
        "prices": [
            {"provider": provider, "upstream_model": model, "from": "2026-01-01", "input": 1, "output": 2}
            for model in models
            if "*" not in model
        ],
    }


@contextmanager
def production(folder: Path) -> Iterator[Tollgate]:
    """Run the web on one core, worker and beat on the other, on a fresh PostgreSQL database and Redis."""
    address, redis_url = _fresh_database(), _empty_redis()
    environment = _environment(folder) | {"DATABASE_URL": address, "REDIS_URL": redis_url}
    celery = [str(BINARIES / "celery"), "-A", "gateway"]
    try:
        with (
            _serve(environment, WEB_CORE) as gateway,
            Program(
                [*celery, "worker", "--pool", "threads", "--concurrency", "2", "--loglevel", "WARNING"],
                SCRATCH / "logs/worker.log",
                core=LOAD_CORE,
                environment=environment,
                folder=CHECKOUT,
            ),
            Program(
                [*celery, "beat", "--schedule", str(folder / "beat"), "--loglevel", "WARNING"],
                SCRATCH / "logs/beat.log",
                core=LOAD_CORE,
                environment=environment,
                folder=CHECKOUT,
            ),
        ):
            yield gateway
    finally:
        _drop_database()
        redis.Redis.from_url(redis_url).flushdb()


@contextmanager
def embedded(folder: Path, key: str = "", server: str = "granian") -> Iterator[Tollgate]:
    """Run the default shape on ``folder``; on a second start give the ``key`` that the first one printed."""
    with _serve(_environment(folder) | {"DATABASE_URL": "", "REDIS_URL": ""}, None, key, server) as gateway:
        yield gateway


def first_answer(gateway: Tollgate) -> float:
    """Return the seconds from the start of the process to the first completion of the demo model."""
    body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "Say hello."}]}).encode()
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    with urlopen(Request(f"{gateway.url}/chat/completions", body, headers), timeout=10) as answer:
        answer.read()
    return time.monotonic() - gateway.web.started


def records(seconds: float, expected: int) -> int:
    """Return how many usage records stand in the ledger, waiting until ``expected`` do or nothing moves any more."""
    deadline, last, moved_at = time.monotonic() + seconds, -1, time.monotonic()
    with psycopg.connect(_address(DATABASE), autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM billing_usagerecord").fetchone()
            count = int(row[0]) if row else 0
            if count != last:
                last, moved_at = count, time.monotonic()
            if count >= expected or time.monotonic() - moved_at > 30:
                break
            time.sleep(0.5)
    return last


@contextmanager
def _serve(environment: dict[str, str], core: int | None, key: str = "", server: str = "granian") -> Iterator[Tollgate]:
    port = free_port()
    settings = environment | {"HOST": "127.0.0.1", "PORT": str(port)}
    log = SCRATCH / f"logs/serve-{port}.log"
    command = [str(BINARIES / "tollgate"), "serve", "--server", server]
    with Program(command, log, core=core, environment=settings, folder=CHECKOUT) as web:
        url = web.wait_for(r"^Ready: (\S+)", START_SECONDS)[1]
        yield Tollgate(url, key or web.wait_for(r"^API key: (\S+)", 5)[1], web, settings)
    log.unlink()


def _environment(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    return {"TOLLGATE_DATA": str(folder), "TOLLGATE_LOG_LEVEL": "WARNING"}


def _address(database: str) -> str:
    return f"{DATABASE_URL.rsplit('/', 1)[0]}/{database}"


def _empty_redis() -> str:
    """Return the URL of a database nobody uses, so that emptying it afterwards is ours to do; tests leave it alone."""
    server = REDIS_URL.rsplit("/", 1)[0]
    for number in REDIS_DATABASES:
        url = f"{server}/{number}"
        client = redis.Redis.from_url(url)
        if client.dbsize() == 0 and client.set(CLAIM, os.getpid(), nx=True, ex=CLAIMED_SECONDS):
            return url
    raise RuntimeError(f"no Redis database of {server} is empty")


def _fresh_database() -> str:
    _drop_database()
    with psycopg.connect(_address("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return _address(DATABASE)


def _drop_database() -> None:
    with psycopg.connect(_address("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
