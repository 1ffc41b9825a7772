"""The process that works on a batch is killed: another one goes on behind the last line that was written down."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import openai
import pytest

from tests.conftest import ROUTES
from tests.gateway.batches.submitting import call, ended, lines_of, submit, until
from tests.live import Gateway
from tests.upstream import Upstream

LINES, CONCURRENCY = 60, 4


@pytest.fixture(scope="module")
def site(fake_upstream: Upstream) -> Iterator[Gateway]:
    running = Gateway(TOLLGATE_BATCH_LEASE_SECONDS="3", TOLLGATE_BATCH_CONCURRENCY=str(CONCURRENCY))
    try:
        running.start()
        running.apply(ROUTES.format(url=fake_upstream.url))
        yield running
    finally:
        running.destroy()


def kill(site: Gateway) -> None:
    """Kill -9 what works on batches: in production the worker, else the gateway."""
    if site.worker is not None:
        site.kill_worker()
        site.start_worker()
        return
    process = site.process
    site.kill_web()
    until_back = time.monotonic() + 60
    while not _answers(site):
        if process.poll() is not None:
            process = site.start().process
        assert time.monotonic() < until_back
        time.sleep(0.1)


def _answers(site: Gateway) -> bool:
    try:
        return site.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_no_line_is_lost_and_no_answered_line_is_sent_again(site: Gateway, upstream: Upstream) -> None:
    for _ in range(3 * LINES):
        upstream.will_answer(delay=0.3)
    with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=5) as client:
        made = submit(client, [call(f"n{n}", f"say {n}") for n in range(LINES)])
        for done in (8, 24):
            until(client, made, lambda batch, done=done: batch.request_counts.completed >= done)
            answered, before = _answered(site), len(upstream.requests)
            kill(site)
            until(client, made, lambda batch, done=done: batch.request_counts.completed >= done + CONCURRENCY)
            assert not answered & set(_contents(upstream)[before:])
        batch = ended(client, made)
        lines = lines_of(client, batch.output_file_id)
        assert not answered & set(_contents(upstream)[before:])
    assert (batch.status, batch.request_counts.completed, batch.error_file_id) == ("completed", LINES, None)
    assert [line["custom_id"] for line in lines] == [f"n{n}" for n in range(LINES)]
    sent = Counter(_contents(upstream))
    assert set(sent) == {f"say {n}" for n in range(LINES)}
    assert sent.total() - LINES <= 2 * CONCURRENCY
    _each_has_its_record(site, batch.id, lines, sent)


def _answered(site: Gateway) -> set[str]:
    """Return what the lines say whose answers are written down."""
    rows = site.sql("SELECT number FROM gateway_batchline WHERE outcome <> ''")
    return {f"say {number - 1}" for (number,) in rows}


def _contents(upstream: Upstream) -> list[str]:
    return [request["body"]["messages"][-1]["content"] for request in upstream.requests]


def _each_has_its_record(site: Gateway, id: str, lines: list[dict[str, Any]], sent: Counter[str]) -> None:
    """One record for each call that was sent; what was sent again says so, and the killed one is interrupted."""
    limit = time.monotonic() + 120
    while len(records := _records(site, id)) < sent.total():  # journals of the killed are taken over
        assert time.monotonic() < limit, (len(records), sent)
        time.sleep(0.5)
    assert len(records) == sent.total()
    completed = {record["request_id"] for record in records if record["status"] == "completed"}
    assert {line["response"]["request_id"] for line in lines} <= completed
    rerun = [record for record in records if "batch-rerun" in str(record["tags"])]
    assert sent.total() - LINES <= len(rerun) <= 2 * CONCURRENCY
    _each_names_its_former(records, rerun, lines)
    verified = site.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def _each_names_its_former(records: list[dict[str, Any]], rerun: list[dict[str, Any]], lines: list[Any]) -> None:
    """What was sent in vain is named by what was sent instead, and nothing names another."""
    output = {line["response"]["request_id"] for line in lines}
    former = {record["id"] for record in records if record["request_id"] not in output}
    assert [record for record in records if record["retry_of"]] == rerun
    named = [record["retry_of"] for record in rerun]
    assert len(set(named)) == len(named)
    assert former <= set(named)
    assert not set(named) & {record["id"] for record in records if record["request_id"] in output}
    assert all(record["retry_of"] < record["id"] for record in rerun)


def _records(site: Gateway, id: str) -> list[dict[str, Any]]:
    return [record for record in site.records() if f"batch:{id}" in str(record["tags"])]


def test_a_worker_that_ends_hands_its_batch_on(site: Gateway, upstream: Upstream) -> None:
    for _ in range(2 * LINES):
        upstream.will_answer(delay=0.3)
    with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=5) as client:
        made = submit(client, [call(f"m{n}", f"tell {n}") for n in range(LINES)])
        until(client, made, lambda batch: batch.request_counts.completed >= 8)
        if site.worker is not None:
            site.stop_worker()
            site.start_worker()
        else:
            site.stop()
            site.start()
        batch = ended(client, made)
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
        assert [line["custom_id"] for line in lines_of(client, batch.output_file_id)] == [f"m{n}" for n in range(LINES)]
