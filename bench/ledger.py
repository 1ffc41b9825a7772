"""The ledger at size: ``python -m bench.ledger`` makes ten million usage records and writes down how fast it answers.

It needs PostgreSQL (DATABASE_URL, or the one on this machine), 25 GB of disk for ten million records, and a quarter of
an hour on two cores. It works in a database of its own, which it drops at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"
ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "ledger.md"
BEGIN, END = "<!-- figures: python -m bench.ledger -->", "<!-- end of figures -->"
BYTES_A_RECORD = 2_500


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=92, help="over how many days they are spread")
    parser.add_argument("--keep", action="store_true", help="leave the database, and print its address")
    parser.add_argument("--database", help="only read, in one that an earlier --keep left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tollgate-ledger-") as folder:
        if options.database:
            _measure(options, _environment(options.database, folder), write=False)
            return
        _check_disk(options.records * BYTES_A_RECORD)
        with _database(keep=options.keep) as address:
            environment = _environment(address, folder)
            _python(environment, "manage.py", "migrate", "--verbosity", "0")
            _python(environment, "-m", "bench.millions", str(options.records), str(options.days))
            _measure(options, environment, write=True)


def _measure(options: argparse.Namespace, environment: dict[str, str], *, write: bool) -> None:
    how = () if write else ("--read-only",)
    lines = _python(environment, "-m", "bench.ledgerfigures", *how).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("[")]
    table = ["| | p50 | p95 | CPU | aim |", "|---|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    print("\n".join(table))
    if write:
        _write(table, options)


def _write(table: list[str], options: argparse.Namespace) -> None:
    about = (
        f"{options.records:,} records over {options.days} days, {datetime.now(UTC):%-d %B %Y}, {os.cpu_count()} cores, "
        f"PostgreSQL with its default settings, load {os.getloadavg()[1]:.0f} at the end. Times in ms unless said "
        f"otherwise; CPU is this process's and its backend's, what an idle machine would take."
    )
    text = DOC.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOC.write_text("\n".join([before + BEGIN, "", about, "", *table, "", END]) + after)


def _python(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _environment(address: str, folder: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": address,
        "REDIS_URL": "",
        "TOLLGATE_DATA": folder,
        "TOLLGATE_LOG_LEVEL": "ERROR",
    }


@contextmanager
def _database(*, keep: bool) -> Iterator[str]:
    server = os.environ.get("DATABASE_URL") or LOCAL
    name = f"tollgate_ledger_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    address = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    try:
        yield address
    finally:
        if keep:
            print(f"kept: {address}")
        else:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _check_disk(needed: int) -> None:
    """PostgreSQL's folder may be elsewhere; where it is here, it is likely on this disk."""
    free = shutil.disk_usage("/var/lib").free
    if free < needed:
        sys.exit(f"{needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free")


if __name__ == "__main__":
    main()
