"""What goes with all that belongs to it goes whole, though a worker writes more of it at that moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model

from accounts.callers import Caller
from billing import clock
from gateway.assistants import log, workstore
from gateway.assistants import store as threads
from gateway.assistants.rows import Message, Run, RunEvents, RunStep, Thread
from gateway.assistants.speaking import Handles
from gateway.assistants.states import IN_PROGRESS
from gateway.files.rows import PROCESSED, StoredFile
from gateway.responses import dialogue
from gateway.responses import queue as background
from gateway.responses import store as responses
from gateway.responses.rows import Conversation, ConversationItem, ResponseEvents, StoredResponse
from gateway.vectors import queue
from gateway.vectors import store as stores
from gateway.vectors.asked import USUAL
from gateway.vectors.embedding import packed
from gateway.vectors.rows import VectorChunk, VectorFile, VectorStore

pytestmark = pytest.mark.django_db(transaction=True)
CALLER = Caller(
    key_id=1, public_id="", key_name="", user_id=None, user_email="", team_id=None, team_name="", role="member"
)
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""
# what deletes, and what a worker does meanwhile
Both = tuple[Callable[[], Any], Callable[[], Any]]


def a_thread() -> Run:
    now = clock.now()
    thread = Thread.objects.create(handle="thread_1", created_at=now, body={})
    return Run.objects.create(
        thread=thread, handle="run_1", assistant="asst_1", status=IN_PROGRESS, asked={}, created_at=now,
        expires_at=now + timedelta(minutes=10), fence=1,
    )  # fmt: skip


def a_thread_told_of() -> Both:
    run = a_thread()
    return (
        lambda: threads.delete_thread(CALLER, "thread_1"),
        lambda: log._written({(run.pk, 1): [("thread.message.delta", log.msgspec.Raw(b"{}"))]}),
    )


def a_thread_that_gets_a_message() -> Both:
    run = a_thread()
    return (
        lambda: threads.delete_thread(CALLER, "thread_1"),
        lambda: workstore.begin_message(run.pk, 1, Handles("msg_1", "step_1", "step_2"), ""),
    )


def a_file_that_is_read() -> queue.Taken:
    now = clock.now()
    store = VectorStore.objects.create(handle="vs_1", model="embed", created_at=now, last_active_at=now)
    StoredFile.objects.create(id="file-1", name="x", filename="a.txt", bytes=1, status=PROCESSED, created_at=now)
    VectorFile.objects.create(store=store, file="file-1", chunking=USUAL, created_at=now)
    taken = queue.take()
    assert taken
    return taken


def writes(taken: queue.Taken) -> Callable[[], None]:
    return lambda: queue.write(taken, "embed", 0, ["text"], [packed([3.0, 4.0])])


def a_file_taken_out() -> Both:
    taken = a_file_that_is_read()
    return lambda: stores.remove(CALLER, "vs_1", "file-1"), writes(taken)


def a_file_deleted() -> Both:
    taken = a_file_that_is_read()
    return lambda: StoredFile.objects.get().delete(), writes(taken)


def a_response() -> Both:
    StoredResponse.objects.create(id="resp_1", status=IN_PROGRESS, created_at=clock.now(), chain="resp_1", body={})
    events = [{"type": "response.created", "sequence_number": 1}]
    return lambda: responses.delete(CALLER, "resp_1"), lambda: background.tell(CALLER, "resp_1", events)


def a_conversation() -> Both:
    Conversation.objects.create(id="conv_1", created_at=clock.now(), busy_with="resp_1")

    def append() -> None:
        with dialogue.database.writing(5):
            dialogue.append_turn("conv_1", "resp_1", [{"id": "msg_1", "type": "message"}])

    return lambda: dialogue.delete(CALLER, "conv_1"), append


@pytest.mark.parametrize(
    ("begin", "last", "rows"),
    [
        (a_thread_told_of, Run, (Thread, Run, RunEvents)),
        (a_thread_that_gets_a_message, Run, (Thread, Run, RunStep, Message, RunEvents)),
        (a_file_taken_out, VectorFile, (VectorFile, VectorChunk)),
        (a_file_deleted, VectorFile, (StoredFile, VectorFile, VectorChunk)),
        (a_response, StoredResponse, (StoredResponse, ResponseEvents)),
        (a_conversation, Conversation, (Conversation, ConversationItem)),
    ],
)
def test_all_of_it_goes(begin: Callable[[], Both], last: type[Model], rows: tuple[type[Model], ...]):
    delete, write = begin()
    with before_deleting(last, write):
        delete()
    assert [model.__name__ for model in rows if model._default_manager.exists()] == []


@contextmanager
def before_deleting(model: type[Model], work: Callable[[], Any]) -> Iterator[None]:
    """Let ``work`` begin when what belongs to rows of ``model`` has gone and they have not.

    It is done before they go, unless it waits for who deletes them.
    """
    worker = threading.Thread(target=_worked, args=(work,))

    def execute(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(f'DELETE FROM "{model._meta.db_table}"') and worker.ident is None:
            worker.start()
            while connection.vendor == "postgresql" and worker.is_alive() and not _waits():
                time.sleep(0.01)
        return execute(sql, *rest)

    with connection.execute_wrapper(execute):
        yield
    worker.join()


def _worked(work: Callable[[], Any]) -> None:
    try:
        work()
    except (log.Overtaken, queue.Lost):
        pass  # what it would write to has gone
    finally:
        connection.close()


def _waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same each time
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])
