"""The long kill run on one database, that of the environment: ``python -m bench.ordeal MINUTES``."""

from __future__ import annotations

import random
import sys
import time

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from billing.models import UsageRecord  # noqa: E402
from tests.billing.ordeal import Ordeal  # noqa: E402

ROUNDS_BETWEEN_JUDGEMENTS = 5


def main(minutes: float) -> None:
    call_command("migrate", verbosity=0)
    ordeal = Ordeal(settings.DATA)
    until, rounds = time.monotonic() + minutes * 60, 0
    while time.monotonic() < until:
        _one_round(ordeal)
        rounds += 1
        if rounds % ROUNDS_BETWEEN_JUDGEMENTS == 0:
            _judge(ordeal, rounds)
    _judge(ordeal, rounds)


def _one_round(ordeal: Ordeal) -> None:
    processes = [ordeal.start(role) for role in ("serve", "serve", "post")]
    if connection.vendor == "postgresql" and random.random() < 0.5:
        time.sleep(random.uniform(0, 2))
        ordeal.cut_connections()
    random.shuffle(processes)
    for process in processes:
        ordeal.kill(process, 3)


def _judge(ordeal: Ordeal, rounds: int) -> None:
    ordeal.recover()
    ordeal.judge()
    print(
        f"{connection.vendor}: {rounds} rounds, {ordeal.kills} kills, {UsageRecord.objects.count()} records,"
        f" {UsageRecord.objects.filter(status='interrupted').count()} of them interrupted: each exactly once",
        flush=True,
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
