"""Many runs at once, and processes that are killed among them: each run ends once, with its own words and its bill."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx2 as httpx
import pytest

from gateway.assistants.states import TERMINAL
from tests.gateway.assistants.echo import Echo, answer_to
from tests.gateway.assistants.running import Caller, text_of
from tests.gateway.assistants.streams import events_of, well_told
from tests.live import Gateway

# `make bench-kills`: 200 runs at once, and 20 kills among 200 more, in both shapes
MANY = int(os.environ.get("TRIED_RUNS", "40"))
KILLS = int(os.environ.get("TRIED_KILLS", "2"))
BEFORE_EACH_KILL = int(os.environ.get("TRIED_BEFORE_EACH_KILL", "5"))
LEASE_SECONDS = 3
ROUTES = """
providers:
  - {{name: echo, adapter: openai, base_url: "{url}", secret: upstream-secret, options: {{allow_private: true,
      cooldown: {{enabled: false}}, timeouts: {{connect: 30, first_byte: 60, chunk: 60, total: 300}}}}}}
routes:
  - {{model: echo, retries: 0, targets: [{{provider: echo, upstream_model: upstream-1}}]}}
prices:
  - {{provider: echo, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, output: 10.00}}
"""


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    upstream = Echo()
    upstream.start()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def site(echo: Echo) -> Iterator[Gateway]:
    running = Gateway(TOLLGATE_RUN_LEASE_SECONDS=str(LEASE_SECONDS))
    try:
        running.start()
        running.apply(ROUTES.format(url=echo.url))
        yield running
    finally:
        running.destroy()


def begun(site: Gateway, questions: list[str]) -> dict[str, Any]:
    """Begin a run for each question, each on a thread of its own; return them by question."""
    caller = Caller(site)
    assistant = caller.assistant(model="echo")

    def begin(question: str) -> Any:
        thread = {"messages": [{"role": "user", "content": question}]}
        return caller.post("threads/runs", {"assistant_id": assistant, "thread": thread})

    with ThreadPoolExecutor(16) as pool:
        return dict(zip(questions, pool.map(begin, questions), strict=True))


def all_end(site: Gateway, runs: dict[str, Any], seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        rows = site.sql("SELECT status, COUNT(*) FROM gateway_run GROUP BY status")
        if sum(count for status, count in rows if status in TERMINAL) >= len(runs) and {row[0] for row in rows} <= set(
            TERMINAL
        ):
            return
        assert time.monotonic() < until, rows
        time.sleep(0.2)


def test_many_runs_at_once_all_finish_each_with_its_own_words(site: Gateway, echo: Echo):
    questions = [f"q{number}" for number in range(MANY)]
    runs = begun(site, questions)
    all_end(site, runs, 240)
    caller = Caller(site)
    for question, run in runs.items():
        (message,) = caller.messages(run)
        assert (message["status"], text_of(message)) == ("completed", answer_to(question))
        told = events_of(caller.events(run))
        assert "".join(_said(event.data) for event in told if event.name == "thread.message.delta") == answer_to(
            question
        )
    assert len(site.sql("SELECT id FROM gateway_run WHERE status = 'completed'")) == MANY
    assert set(echo.asked().values()) == {1}
    for run in random.Random(1).sample(list(runs.values()), 5):
        well_told(events_of(caller.events(run)))
    records = _records(site, MANY)
    assert {row["run_id"] for row in records} == {run["id"] for run in runs.values()}
    assert {(row["status"], row["retry_of"]) for row in records} == {("completed", None)}
    verified = site.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def _said(data: Any) -> str:
    return "".join(part["text"]["value"] for part in data["delta"]["content"])


def _records(site: Gateway, count: int) -> list[dict[str, Any]]:
    """Return the records of all runs once there are ``count``: journals of the killed are taken over."""
    columns = ("id", "run_id", "step_id", "fence", "retry_of", "status")
    until = time.monotonic() + 180
    while True:
        rows = site.sql(f"SELECT {', '.join(columns)} FROM billing_usagerecord WHERE run_id <> '' ORDER BY id")
        if len(rows) >= count:
            assert len(rows) == count
            return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        assert time.monotonic() < until, (len(rows), count)
        time.sleep(0.5)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else str(value).replace("-", "")


def test_runs_whose_process_is_killed_are_taken_over_and_end_once(site: Gateway, echo: Echo):
    for table in ("runevents", "runstep", "message", "run"):
        site.sql(f"DELETE FROM gateway_{table}")
    ((before,),) = site.sql("SELECT COUNT(*) FROM billing_usagerecord WHERE run_id <> ''")
    echo.requests.clear()
    echo.pause = 0.3
    chance = random.Random(7)
    runs: dict[str, Any] = {}
    for kills in range(KILLS):
        runs |= begun(site, [f"k{kills}-{number}" for number in range(BEFORE_EACH_KILL)])
        time.sleep(chance.uniform(0.2, 3.0))
        kill(site)
    all_end(site, runs, 240)
    asked = echo.asked()
    records = _records(site, before + asked.total())[before:]
    caller = Caller(site)
    for question, run in runs.items():
        own = [row for row in records if row["run_id"] == run["id"]]
        _check(caller, question, run, own)
        assert len(own) == asked[question]
    verified = site.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def _check(caller: Caller, question: str, run: Any, records: list[dict[str, Any]]) -> None:
    """One end; the words whole and once, or none where it was taken over too often; a repeat says what it repeats."""
    told = well_told(events_of(caller.events(run)))
    ends = [event.name for event in told if event.name.removeprefix("thread.run.") in TERMINAL]
    run = caller.look(run)
    assert ends == [f"thread.run.{run['status']}"]
    whole = [text_of(each) for each in caller.messages(run) if each["status"] == "completed"]
    assert whole == ([answer_to(question)] if run["status"] == "completed" else [])
    assert run["status"] in ("completed", "failed")
    for each in caller.messages(run):
        assert answer_to(question).startswith(text_of(each))
    fences = [record["fence"] for record in records]
    assert fences == sorted(set(fences))
    assert [record["retry_of"] is None for record in records] == [at == 0 for at in range(len(records))]
    for earlier, later in pairwise(records):
        assert later["retry_of"] >= earlier["id"]  # or what was noted last, and never sent
        assert earlier["status"] in ("interrupted", "completed")


def kill(site: Gateway) -> None:
    """Kill -9 what works on runs: in production the worker, else the gateway."""
    if site.worker is not None:
        site.kill_worker()
        site.start_worker()
        return
    process = site.process
    site.kill_web()
    until_back = time.monotonic() + 120
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


def test_a_worker_that_ends_hands_its_runs_on(site: Gateway, echo: Echo):
    echo.pause = 0.3
    runs = begun(site, [f"h{number}" for number in range(5)])
    time.sleep(1.5)
    if site.worker is not None:
        site.stop_worker()
        site.start_worker()
    else:
        site.stop()
        site.start()
    all_end(site, runs, 120)
    caller = Caller(site)
    for question, run in runs.items():
        assert caller.look(run)["status"] == "completed"
        assert text_of(caller.messages(run)[-1]) == answer_to(question)
        well_told(events_of(caller.events(run)))
