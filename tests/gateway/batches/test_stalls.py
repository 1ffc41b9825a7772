"""What holds up a batch, and then goes on: it costs no lease, and holds up no other batch."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import psycopg
import pytest

from gateway.alerts.signing import new_secret
from tests.conftest import ROUTES
from tests.gateway.batches.submitting import call, ended, submit
from tests.gateway.receivers import WebReceiver
from tests.live import Gateway
from tests.shapes import PRODUCTION
from tests.upstream import Upstream

SECONDS = 90
CHANNELS = 20
SILENT = """
from billing.models import Budget
from gateway.models import AlertChannel
from providers.secrets import encrypt
for number in range({channels}):
    AlertChannel.objects.create(
        kind="webhook", address=f"{url}/{{number}}", secret=encrypt({secret!r}), allow_private=True)
Budget.objects.create(amount=20, unit="requests", alert_at=[0.05], mode="observe")
"""
LEASES = {"a long lease": "600", "a short lease": "1"}


@pytest.fixture(scope="module", params=LEASES.values(), ids=LEASES)
def site(request: pytest.FixtureRequest, fake_upstream: Upstream) -> Iterator[Gateway]:
    running = Gateway(TOLLGATE_BATCH_LEASE_SECONDS=request.param)
    try:
        running.start()
        running.apply(ROUTES.format(url=fake_upstream.url))
        yield running
    finally:
        running.destroy()


@pytest.fixture
def client(site: Gateway, upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=0) as client:
        yield client


def eventually(happened: Callable[[], object]) -> None:
    until = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


class Stuck:
    """A batch whose input is in a storage that does not answer until it is told to."""

    def __init__(self, site: Gateway, client: openai.OpenAI) -> None:
        self.site = site
        content = client.files.create(file=("in.jsonl", _line()), purpose="batch")
        (self._path,) = (site.data / "files").rglob(content.id)
        self._aside = Path(f"{self._path}.aside")
        self._path.rename(self._aside)
        os.mkfifo(self._path)
        self.batch = client.batches.create(
            input_file_id=content.id, endpoint="/v1/chat/completions", completion_window="24h"
        )

    @property
    def taken(self) -> int:
        """How often a process has taken it."""
        ((fence,),) = self.site.sql("SELECT fence FROM gateway_batch WHERE id = %s", self.batch.id)
        return fence

    def go_on(self) -> None:
        """Let the storage answer, now and from now on."""
        queue = Path(f"{self._path}.queue")
        self._path.rename(queue)
        self._aside.rename(self._path)
        queue.write_bytes(_line())  # to who has opened it already


def _line() -> bytes:
    return json.dumps(call("a")).encode()


@contextlib.contextmanager
def busy(site: Gateway, id: str) -> Iterator[None]:
    """Keep the database from writing what becomes of a batch."""
    if site.database_url:
        with psycopg.connect(site.database_url) as connection:
            connection.execute("SELECT 1 FROM gateway_batch WHERE id = %s FOR UPDATE", [id])
            yield
            connection.rollback()
        return
    with contextlib.closing(sqlite3.connect(site.data / "tollgate.sqlite3", timeout=30)) as connection:
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_a_storage_that_does_not_answer_holds_up_no_other_batch(site: Gateway, client: openai.OpenAI) -> None:
    stuck = [Stuck(site, client) for _ in range(6)]
    eventually(lambda: all(each.taken for each in stuck))
    other = ended(client, submit(client, [call("good")]))
    assert (other.status, other.request_counts.completed) == ("completed", 1)
    assert {client.batches.retrieve(each.batch.id).status for each in stuck} == {"validating"}
    for each in stuck:
        each.go_on()
    assert {ended(client, each.batch).status for each in stuck} == {"completed"}
    assert [each.taken for each in stuck] == [1] * 6


def test_a_database_that_is_busy_costs_no_lease(site: Gateway, client: openai.OpenAI) -> None:
    stuck = Stuck(site, client)
    eventually(lambda: stuck.taken)
    with busy(site, stuck.batch.id):
        stuck.go_on()
        eventually(lambda: any("a batch waits: the database does not answer" in line for line in site.output))
    assert ended(client, stuck.batch).status == "completed"
    assert stuck.taken == 1


@pytest.mark.skipif(PRODUCTION, reason="there the worker is told how many tasks it does at one time")
def test_a_batch_begins_while_the_worker_is_busy_with_alerts(site: Gateway, client: openai.OpenAI) -> None:
    silent = WebReceiver()
    silent.gate.clear()
    try:
        # one that waits for each of them in its turn has no time for anything else
        site.command("shell", "-v0", "-c", SILENT.format(url=silent.url, channels=CHANNELS, secret=new_secret()))
        site.take_in()
        site.post("/v1/embeddings", {"model": "demo", "input": "x"})
        assert silent.arrived.wait(SECONDS)
        assert ended(client, submit(client, [call("good")])).status == "completed"
        assert len(silent.deliveries) < CHANNELS
    finally:
        silent.stop()


@pytest.mark.skipif(not PRODUCTION, reason="the worker is part of the gateway, which does not start either")
def test_a_worker_that_cannot_start_takes_no_batch_until_it_can(fake_upstream: Upstream) -> None:
    site = Gateway(worker=False, TOLLGATE_BATCH_LEASE_SECONDS="600")
    try:
        site.start()
        site.apply(ROUTES.format(url=fake_upstream.url))
        own = site.data / "worker"
        own.mkdir()
        for name in ("secret.key", "encryption.key"):
            (own / name).write_bytes((site.data / name).read_bytes())
        (own / "journal").write_text("no folder")
        site.environment |= {"TOLLGATE_DATA": str(own), "TOLLGATE_FILES": str(site.data / "files")}
        site.start_worker()
        with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=0) as client:
            made = submit(client, [call("good")])
            eventually(lambda: any("FileExistsError" in line for line in site.output))
            assert client.batches.retrieve(made.id).status == "validating"
            (own / "journal").unlink()
            assert ended(client, made).status == "completed"
    finally:
        site.destroy()
