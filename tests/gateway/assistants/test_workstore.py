"""Runs as their workers deal with them in the database: taken, let go, heard of, offered again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from billing import database
from gateway.assistants import expiry, workstore
from gateway.assistants.rows import Message, Run, Thread, new_handle
from gateway.assistants.states import IN_PROGRESS, QUEUED, REQUIRES_ACTION
from gateway.assistants.workstore import Called

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC)


def made_run(status: str = QUEUED, **columns: Any) -> Run:
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=NOW, body={})
    said = {"status": status, "asked": {"model": "fake"}, "created_at": NOW, "expires_at": NOW + timedelta(minutes=10)}
    return Run.objects.create(thread=thread, handle=new_handle("run"), assistant="asst_1", **said | columns)


def test_runs_that_wait_are_offered_again_in_turn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(expiry, "SWEPT_AT_ONCE", 2)
    long_ago = NOW - timedelta(minutes=5)
    runs = [made_run(hinted_at=long_ago + timedelta(seconds=second)) for second in range(3)]
    new = made_run(hinted_at=None)
    again_after = timedelta(seconds=10)
    assert expiry.sweep(again_after) == [new.pk, runs[0].pk]
    assert expiry.sweep(again_after) == [runs[1].pk, runs[2].pk]
    assert expiry.sweep(again_after) == []


def at_work(**columns: Any) -> Run:
    return made_run(**{"status": IN_PROGRESS, "fence": 1, "lease_until": datetime.now(UTC) + workstore.LEASE} | columns)


def called(*kinds: str) -> Called:
    calls = [{"id": f"call_{kind}", "type": kind, kind: {"name": kind, "arguments": "{}"}} for kind in kinds]
    return Called(calls, {"role": "assistant", "tool_calls": calls}, {}, {}, {})


USED = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def test_a_process_that_ends_leaves_a_run_to_its_caller_where_that_is_asked_for_something():
    run = at_work()
    workstore.begin_calls(run.pk, 1, "step_1", "record")
    assert workstore.called(run.pk, 1, called("function"), USED) is False
    workstore.release(run.pk, 1)
    run.refresh_from_db()
    assert (run.status, run.steps.get().status) == (REQUIRES_ACTION, IN_PROGRESS)
    assert run.required_action is not None


def test_a_process_that_ends_hands_a_run_on_and_once():
    run = at_work()
    workstore.begin_calls(run.pk, 1, "step_1", "record")
    for _ in range(2):
        workstore.release(run.pk, 1)
    run.refresh_from_db()
    assert (run.status, run.lease_until, run.steps.get().status) == (QUEUED, None, "failed")


def test_a_process_that_ends_ends_what_was_to_be_cancelled():
    run = at_work(status="cancelling")
    workstore.release(run.pk, 1)
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_a_run_goes_on_where_nobody_heard_that_its_calls_are_written_down():
    run = at_work()
    workstore.begin_calls(run.pk, 1, "step_1", "record")
    for _ in range(2):
        assert workstore.called(run.pk, 1, called("file_search"), USED) is True
    run.refresh_from_db()
    assert run.usage == USED


def test_a_run_that_waits_for_its_caller_does_not_go_on_where_nobody_heard_so():
    run = at_work()
    workstore.begin_calls(run.pk, 1, "step_1", "record")
    for _ in range(2):
        assert workstore.called(run.pk, 1, called("function"), USED) is False


def test_a_lease_is_carried_on_by_who_holds_the_run_alone(monkeypatch: pytest.MonkeyPatch):
    nearly_over = datetime.now(UTC) + workstore.LEASE / 3
    mine, taken = at_work(lease_until=nearly_over), at_work(lease_until=nearly_over)
    resting = made_run(REQUIRES_ACTION, fence=1)
    writing = database.writing

    def overtaken(seconds: int) -> AbstractContextManager[None]:
        Run.objects.filter(pk=taken.pk).update(fence=2)
        return writing(seconds)

    monkeypatch.setattr(workstore.database, "writing", overtaken)
    heard = workstore.renew({mine.pk: 1, taken.pk: 1, resting.pk: 1, at_work(fence=3).pk: 2})
    assert heard == {mine.pk: IN_PROGRESS, taken.pk: IN_PROGRESS, resting.pk: REQUIRES_ACTION}
    leases = {run.pk: run.lease_until for run in Run.objects.all()}
    assert leases[mine.pk] > nearly_over
    assert (leases[taken.pk], leases[resting.pk]) == (nearly_over, None)


def looking(run: Run, count: int) -> None:
    """Put messages with a picture of 400 bytes each on the run's thread."""
    url = "data:image/png;base64,".ljust(400, "A")
    for number in range(count):
        text = {"type": "text", "text": {"value": f"{number:02}", "annotations": []}}
        content = [text, {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}]
        Message.objects.create(
            thread=run.thread, handle=new_handle("message"), role="user", content=content, created_at=NOW
        )


def shown(run: Run) -> list[tuple[str, bool]]:
    """Return what a model is told of the run's thread: each message's text, and whether its picture is shown."""
    messages = [content for _, content in workstore.history(run.pk, run.fence).messages]
    return [(content[0]["text"]["value"], content[1]["type"] == "image_url") for content in messages]


def test_of_pictures_within_messages_a_model_is_shown_the_last_ones_that_a_chat_may_hold():
    run = at_work()
    looking(run, 5)
    with override_settings(MAX_BODY_BYTES=1_000):
        assert shown(run) == [("00", False), ("01", False), ("02", False), ("03", True), ("04", True)]


def test_no_more_of_a_thread_is_read_than_some_times_what_a_chat_may_hold():
    run = at_work()
    looking(run, 20)
    with override_settings(MAX_BODY_BYTES=1_000), CaptureQueriesContext(connection) as queries:
        told = shown(run)
    assert told[-1] == ("19", True)
    assert 5 <= len(told) <= 4_000 / 400
    assert len(queries) < 10


def test_pictures_are_read_a_portion_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workstore, "PORTION_BYTES", 1_100)
    run = at_work()
    looking(run, 5)
    with CaptureQueriesContext(connection) as queries:
        assert shown(run) == [(f"{number:02}", True) for number in range(5)]
    reads = [query["sql"] for query in queries if '"content" FROM' in query["sql"]]
    assert len(reads) == 3 + 1  # two messages each, and what the run itself has said
