"""``kill -9`` of the processes that serve and of those that post loses no record and counts none twice."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from django.db import connection  # noqa: F401 the skip condition reads it

from billing.models import Holder, UsageRecord
from tests.billing.ordeal import Ordeal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ordeal(tmp_path: Path, settings) -> Ordeal:
    settings.JOURNAL = tmp_path / "journal"
    return Ordeal(tmp_path)


def test_every_request_of_killed_processes_has_one_record(ordeal: Ordeal):
    for _ in range(3):
        first, second = ordeal.start("serve"), ordeal.start("serve")
        ordeal.kill(first, 1.5)
        ordeal.kill(second, 1.5)
    ordeal.recover()
    ordeal.judge()
    assert UsageRecord.objects.filter(status="interrupted").exists()
    assert not Holder.objects.filter(closed_at__isnull=True).exists()


def test_a_poster_killed_in_mid_write_is_taken_over(ordeal: Ordeal):
    server = ordeal.start("serve")
    for _ in range(4):
        ordeal.kill(ordeal.start("post"), 0.8)
    ordeal.kill(server, 0.5)
    ordeal.recover()
    ordeal.judge()


def test_two_posters_post_each_segment_once(ordeal: Ordeal):
    posters = [ordeal.start("post"), ordeal.start("post")]
    server = ordeal.start("serve")
    time.sleep(3)
    ordeal.kill(server, 0.5)
    for poster in posters:
        ordeal.kill(poster, 0.1)
    ordeal.recover()
    ordeal.judge()


def test_a_process_told_to_end_leaves_nothing_to_recover(ordeal: Ordeal):
    process = ordeal.start("serve")
    time.sleep(random.uniform(0.1, 1.5))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    ordeal.judge()
    said = ordeal.said()
    interrupted = UsageRecord.objects.filter(status="interrupted").count()
    assert interrupted == len(said.dispatched) - len(said.settled)


def test_a_living_process_recovers_its_dead_neighbour(ordeal: Ordeal):
    ordeal.kill(ordeal.start("serve"), 1)
    survivor = ordeal.start("serve")
    until = time.monotonic() + 30
    while not UsageRecord.objects.filter(status="interrupted").exists() and time.monotonic() < until:
        ordeal.post()
        time.sleep(0.1)
    assert Holder.objects.order_by("pk").first().closed_at is not None
    ordeal.kill(survivor, 0.1)
    ordeal.recover()
    ordeal.judge()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no connections to cut")
def test_connections_cut_at_any_moment_lose_nothing(ordeal: Ordeal):
    server, poster = ordeal.start("serve"), ordeal.start("post")
    for _ in range(8):
        time.sleep(random.uniform(0, 0.5))
        ordeal.cut_connections()
    ordeal.kill(poster, 0.5)
    ordeal.kill(server, 0.5)
    ordeal.recover()
    ordeal.judge()
