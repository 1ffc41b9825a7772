"""Everything production consists of, as processes of a test: two web, two workers, beat, PostgreSQL, Redis."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg
from cryptography.fernet import Fernet

from tests.chaos.programs import ROOT, Program, python
from tests.chaos.servers import PostgreSQL, Redis
from tests.live import free_port

READY_SECONDS = 120
COMMAND_SECONDS = 180

CONFIGURATION = """
providers:
  - {{name: fake, adapter: openai, base_url: "{upstream}", secret: s,
      options: {{allow_private: true, timeouts: {{connect: 5, first_byte: 8, chunk: 8, total: 30}}}}}}
routes:
  - {{model: steady, retries: 0, targets: [{{provider: fake, upstream_model: words}}]}}
  - {{model: read-on, retries: 0, client_gone: read_on, targets: [{{provider: fake, upstream_model: words}}]}}
  - {{model: twice, retries: 2, targets: [{{provider: fake, upstream_model: words}}]}}
prices:
  - {{provider: fake, upstream_model: words, from: 2026-01-01, input: 2.50, output: 10.00}}
budgets:
  - {{amount: {usd}, unit: usd, period: total}}
  - {{amount: {many}, unit: requests, period: month, mode: observe}}
teams:
  - {{name: crew, budgets: [{{amount: {tokens}, unit: tokens, period: month, timezone: Europe/Berlin}}]}}
users:
  - email: asker@example.com
    limits: {{rpm: 1000000, parallel: 1000}}
    budgets: [{{amount: {requests}, unit: requests, period: week, rolling: true}}]
  - {{email: mate@example.com, teams: [crew]}}
"""


class Amounts(NamedTuple):
    """What the budgets allow: the gateway's USD, the team's tokens, one user's requests."""

    usd: str
    tokens: int
    requests: int


class Unit:
    """One process of the site: how it is started, told to be ready, and killed."""

    def __init__(self, program: Program, start: Callable[[], None], kills: dict[str, Callable[[random.Random], None]]):
        self.program = program
        self.start = start
        self.kills = kills

    @property
    def name(self) -> str:
        return self.program.name


class Site:
    """``machines`` is 1 where the web processes share a disk, 2 where each has one of its own."""

    def __init__(self, machines: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tollgate-chaos-"))
        self.postgresql = PostgreSQL(self.folder)
        self.redis = Redis(self.folder)
        self.data = [self.folder / f"machine{number}" for number in range(machines)]
        ports = [free_port(), free_port()]
        self.addresses = [f"http://127.0.0.1:{port}" for port in ports]
        self._shared = {
            "DATABASE_URL": self.postgresql.url,
            "REDIS_URL": self.redis.url,
            "TOLLGATE_SECRET_KEY": secrets.token_hex(32),
            "TOLLGATE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "TOLLGATE_LOG_LEVEL": "INFO",
            "DJANGO_SETTINGS_MODULE": "gateway.settings",
            "PYTHONUNBUFFERED": "1",
        }
        self.webs = [self._web(number, port) for number, port in enumerate(ports)]
        self.workers = [self._worker(number) for number in range(2)]
        self.beat = self._celery("beat", 0, "beat")
        self.units = [*self.webs, *self.workers, self.beat, self._database(), self._broker()]

    def environment(self, machine: int = 0) -> dict[str, str]:
        return {**os.environ, **self._shared, "TOLLGATE_DATA": str(self.data[machine % len(self.data)])}

    def prepare(self, upstream: str, amounts: Amounts) -> list[str]:
        """Start the servers, make the tables and budgets; return the callers' keys."""
        _all_at_once(lambda server: server.start(), [self.postgresql, self.redis])
        path = self.folder / "tollgate.yaml"
        path.write_text(CONFIGURATION.format(upstream=upstream, many=10**9, **amounts._asdict()))
        return json.loads(self.command("-m", "tests.chaos.prepare", str(path)).stdout.splitlines()[-1])

    def start(self) -> None:
        """Return when all of Tollgate's processes are ready."""
        _all_at_once(lambda unit: unit.start(), [*self.webs, *self.workers, self.beat])

    def stop_webs(self) -> list[str]:
        """SIGTERM, as a deployment does it; return what went wrong."""
        _all_at_once(lambda unit: unit.program.stop(), self.webs)
        exits = [f"{web.name} exited {web.program.exit_code}" for web in self.webs if web.program.exit_code]
        left = [f"{web.name} has outlived its parent" for web in self.webs if web.program.wait_for_orphans(5)]
        return [*exits, *left]

    def stop_workers(self) -> None:
        _all_at_once(lambda unit: unit.program.stop(), [*self.workers, self.beat])

    def destroy(self) -> None:
        for unit in (*self.webs, *self.workers, self.beat):
            unit.program.kill()
        self.postgresql.destroy()
        self.redis.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            python(*arguments), cwd=ROOT, env=self.environment(), capture_output=True, text=True,
            timeout=COMMAND_SECONDS,
        )  # fmt: skip

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgresql.url, connect_timeout=3) as connection:
            return connection.execute(query).fetchall()

    def holders(self, unit: Unit) -> list[str]:
        """Return whose journals the unit's processes have in their hands."""
        return [holder for process in unit.program.family() for holder in journals(process)]

    # the units

    def _web(self, number: int, port: int) -> Unit:
        environment = {**self.environment(number), "PORT": str(port)}
        program = Program(f"web{number}", python("manage.py", "serve"), self.folder, environment)
        kills = {
            "all of it": lambda chance: program.kill(),
            "what serves": lambda chance: _kill_serving(program),
            "its first process": lambda chance: program.behead(),
        }
        return Unit(program, lambda: _start(program, "Ready: "), kills)

    def _worker(self, number: int) -> Unit:
        command = ("worker", "--pool", "threads", "-c", "1", "-n", f"w{number}@%h", "--loglevel", "info")
        return self._celery(f"worker{number}", number, *command)

    def _celery(self, name: str, machine: int, *command: str) -> Unit:
        program = Program(
            name, python("-m", "celery", "-A", "gateway", *command), self.folder, self.environment(machine)
        )
        ready = r"\[tasks\]" if command[0] == "worker" else "beat v"
        return Unit(program, lambda: _start(program, ready), {"kill -9": lambda chance: program.kill()})

    def _database(self) -> Unit:
        server = self.postgresql
        kills = {
            "immediate shutdown": lambda chance: server.crash(),
            "kill -9": lambda chance: server.kill(),
            "kill -9 of a connection": server.kill_connection,
        }
        return Unit(server.program, server.start, kills)

    def _broker(self) -> Unit:
        server = self.redis
        return Unit(server.program, server.start, {"kill -9": lambda chance: server.kill()})


def _all_at_once(do: Callable[[Any], object], things: Sequence[Any]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(do, things))


def _start(program: Program, word: str) -> None:
    program.start()
    program.wait_until(lambda: program.has_said(word), READY_SECONDS)


def _kill_serving(program: Program) -> None:
    """``kill -9`` of the process that answers; its parent starts another."""
    for process in program.family()[1:]:
        if journals(process):
            process.kill()
            psutil.wait_procs([process], timeout=10)


def journals(process: psutil.Process) -> list[str]:
    """Return the holders whose journals a process has locked."""
    found = []
    try:
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            target = Path(os.readlink(descriptor))
            if target.name == "lock" and target.parent.parent.name == "journal":
                found.append(target.parent.name)
    except OSError:
        return found  # a process that ends has no descriptors
    return found
