"""The long kill run: ``python -m bench.chaos``; its figures go into docs/reliability.md.

First trials of everything production consists of: 5,000 requests each while every process is killed, judged by what
callers and upstream saw (tests/chaos). Then processes that only write the ledger, killed with ``kill -9`` at random
moments over and over, on SQLite and on PostgreSQL (bench/ordeal.py). PostgreSQL and Redis are started for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import reliability
from tests.chaos import servers, trial
from tests.chaos.servers import PostgreSQL
from tests.chaos.trial import Outcome, Plan

KILL_EACH = 100  # requests
CALLERS, PAUSE = 50, 1.0


def main() -> int:
    options = _options()
    missing = servers.missing()
    if missing:
        print(f"{missing}: only the ledger is tried, on SQLite")
    outcomes = [] if missing else [_trial(options, number) for number in range(options.trials)]
    if len(outcomes) > 0 and not options.dry:
        reliability.write(outcomes)
    ordeals = _ordeals(options.minutes, on_postgresql=not missing) if options.minutes else []
    faults = [*ordeals, *(bool(outcome.faults) for outcome in outcomes)]
    return int(any(faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=3, help="of everything")
    parser.add_argument("--requests", type=int, default=5000, help="in each trial")
    parser.add_argument("--seed", type=int, help="of the first trial, the others follow; by chance where not given")
    parser.add_argument("--minutes", type=float, default=5, help="of the ledger alone, on each database")
    parser.add_argument("--dry", action="store_true", help="leave docs/reliability.md as it is")
    options = parser.parse_args()
    options.seed = options.seed if options.seed is not None else random.randrange(10**6)
    return options


def _trial(options: argparse.Namespace, number: int) -> Outcome:
    """One machine and two in turn, so that both ways of taking over a journal are tried."""
    seed = options.seed + number
    plan = Plan(seed, options.requests, options.requests // KILL_EACH, CALLERS, PAUSE, machines=number % 2 + 1)
    outcome = asyncio.run(trial.run(plan))
    print(outcome.summary, outcome.tails, sep="\n", flush=True)
    return outcome


def _ordeals(minutes: float, *, on_postgresql: bool) -> Iterator[bool]:
    """Say of each database whether something went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        yield _went_wrong(minutes, Path(folder) / "sqlite", "")
        if not on_postgresql:
            return
        server = PostgreSQL(Path(folder))
        try:
            server.start()
            yield _went_wrong(minutes, Path(folder) / "postgresql", server.url)
        finally:
            server.destroy()


def _went_wrong(minutes: float, folder: Path, address: str) -> bool:
    known = {"DATABASE_URL": address, "REDIS_URL": "", "TOLLGATE_DATA": str(folder), "TOLLGATE_LOG_LEVEL": "ERROR"}
    environment = {"DJANGO_SETTINGS_MODULE": "gateway.settings", **os.environ, **known}
    return subprocess.run([sys.executable, "-m", "bench.ordeal", str(minutes)], env=environment).returncode != 0


if __name__ == "__main__":
    sys.exit(main())
