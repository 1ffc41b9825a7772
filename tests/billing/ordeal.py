"""Real processes on a real database, killed with ``kill -9`` at any moment; then each request must stand there once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from billing import ledger, recovery, verify
from billing.fields import to_atoms
from billing.models import UsageRecord

ROOT = Path(__file__).resolve().parents[2]
# What a request costs that was open when its process died: the prompt's estimate, and what was delivered by the last
# seal it saw.
INTERRUPTED = (10 * 3, 10 * 3 + 7 * 5)


class Said(NamedTuple):
    """What processes said they did before they died."""

    dispatched: set[str]
    settled: dict[str, int]


class Ordeal:
    """Starts processes on the database and journals of this one, kills them, and judges what is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kills = 0
        self._logs: list[Path] = []

    def start(self, role: str) -> subprocess.Popen[bytes]:
        """Start a process and wait until it works."""
        log = self.folder / f"{role}-{len(self._logs)}.log"
        self._logs.append(log)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.billing.life", role],
                stdout=output, cwd=ROOT, env=self._environment(),
            )  # fmt: skip
        until = time.monotonic() + 60
        while b"ready" not in log.read_bytes():
            assert process.poll() is None, f"{role} ended by itself"
            assert time.monotonic() < until, f"{role} does not start"
            time.sleep(0.01)
        return process

    def kill(self, process: subprocess.Popen[bytes], after: float) -> None:
        time.sleep(random.uniform(0, after))
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills += 1

    def cut_connections(self) -> None:
        """Let the database drop everybody but us, as a restart does."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def said(self) -> Said:
        said = Said(set(), {})
        for log in self._logs:
            for line in log.read_text().splitlines():
                match line.split():
                    case ["d", id]:
                        said.dispatched.add(id)
                    case ["s", id, cost]:
                        said.settled[id] = int(cost)
        return said

    def recover(self) -> None:
        """Do what a process does that starts here next, and a worker."""
        for folder in recovery.neighbours(settings.JOURNAL):
            recovery.recover(folder, "here")
        self.post()

    def post(self) -> None:
        for holder in ledger.waiting():
            ledger.post(holder)

    def judge(self) -> None:
        """Every dispatched request has one record, every settled one its true cost, every sum agrees."""
        report = verify.verify()
        assert report.differences == []
        said = self.said()
        records = {str(record.pk): record for record in UsageRecord.objects.all()}
        assert said.dispatched - records.keys() == set()
        # between the journal's line and saying so is room for one death
        assert len(records.keys() - said.dispatched) <= self.kills
        for id, record in records.items():
            if id in said.settled:
                assert (record.status, to_atoms(record.cost)) == ("completed", said.settled[id])
            elif record.status == "interrupted":
                assert record.estimated
                assert to_atoms(record.cost) in INTERRUPTED

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "REDIS_URL": "",
            "TOLLGATE_DATA": str(settings.JOURNAL.parent),
            "TOLLGATE_DATABASE_POOL": "4",
        }


def database_url() -> str:
    """Return the address of the database that this process uses."""
    to = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{to['NAME']}"
    address = f"{to['HOST'] or 'localhost'}:{to['PORT'] or 5432}"
    return f"postgresql://{to['USER']}:{to['PASSWORD']}@{address}/{to['NAME']}"
