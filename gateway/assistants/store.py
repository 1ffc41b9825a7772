"""Assistants, threads and messages in the database: each its caller's, nobody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.callers import Caller
from billing import clock, database
from gateway.assistants import asked, attaching, expiry, shown
from gateway.assistants.refusals import (
    MessageOpen,
    NoAssistant,
    NoMessage,
    NoThread,
    ThreadLocked,
)
from gateway.assistants.rows import Assistant, Message, Run, Thread, new_handle
from gateway.assistants.states import IN_PROGRESS
from gateway.lists import places
from gateway.owned import owner_of
from gateway.responses.listing import Query
from gateway.responses.refusals import Refusal, is_id, sought
from gateway.vectors import store as vectors
from gateway.vectors.refusals import NoFile as NotInStore
from gateway.vectors.refusals import NoStore

SECONDS = 5


def one_assistant(caller: Caller, handle: str, lock: bool = False) -> Assistant:
    """Return the caller's assistant, to be changed by nobody else in this transaction. Raises ``NoAssistant``."""
    return _one(Assistant.objects.visible_to(caller), handle, NoAssistant, lock)


def one_thread(caller: Caller, handle: str, lock: bool = False) -> Thread:
    """Return the caller's thread; with ``lock`` nobody else adds messages or runs to it in this transaction.

    Raises ``NoThread``.
    """
    return _one(Thread.objects.visible_to(caller), handle, NoThread, lock)


def assistant_for(caller: Caller, thread: str, handle: str) -> Assistant:
    """Return the caller's assistant, where the caller has the thread too. Raises ``NoThread``, ``NoAssistant``."""
    with database.reading(SECONDS):
        one_thread(caller, thread)
        return one_assistant(caller, handle)


def one_message(caller: Caller, thread: str, handle: str, lock: bool = False) -> Message:
    """Return a message of the caller's thread. Raises ``NoThread``, ``NoMessage``."""
    return _one(one_thread(caller, thread).messages, handle, NoMessage, lock)


def _one(found: Any, handle: str, refusal: type[Refusal], lock: bool) -> Any:
    rows = found.filter(handle=sought(handle, refusal))
    # rows that refer to it may come meanwhile: a worker's, which must not wait for callers
    row = (rows.select_for_update(no_key=True) if lock else rows).first()
    if row is None:
        raise refusal(handle)
    return row


def make_assistant(caller: Caller, given: Mapping[str, Any]) -> Assistant:
    """Raises as ``attaching.settled``."""
    with database.writing(SECONDS):
        body = attaching.settled(caller, given)
        row = Assistant(handle=new_handle("assistant"), created_at=clock.now(), body=body, **owner_of(caller))
        row.save(force_insert=True)
    return row


def assistants(caller: Caller, query: Query) -> list[Assistant]:
    """Return the caller's assistants, as ``places.next_to``."""
    with database.reading(SECONDS):
        return places.next_to(Assistant.objects.visible_to(caller), query, _assistants_of(caller))


def change_assistant(caller: Caller, handle: str, changes: Mapping[str, Any]) -> Assistant:
    """Raises ``NoAssistant``, and as ``attaching.settled``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        row.body = asked.changed(row.body, attaching.settled(caller, changes))
        row.save(update_fields=["body"])
    return row


def attach_to_assistant(caller: Caller, handle: str, file: str) -> Assistant:
    """Raises ``NoAssistant``, and as ``attaching.with_file``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        row.body = attaching.with_file(caller, row.body, file)
        row.save(update_fields=["body"])
    return row


def detach_from_assistant(caller: Caller, handle: str, file: str) -> None:
    """Take a file from an assistant's resources. Raises ``NoAssistant``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        row.body = attaching.without_file(row.body, file)
        row.save(update_fields=["body"])


def delete_assistant(caller: Caller, handle: str) -> None:
    """Let an assistant go; runs of it go on, they have all they need. Raises ``NoAssistant``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        places.note([(_assistants_of(caller), row.handle, row.pk)])
        row.delete()


def _assistants_of(caller: Caller) -> str:
    return places.name_of("assistants", caller.user_id, caller.team_id)


def make_thread(caller: Caller, thread: asked.Thread) -> Thread:
    """Raises as ``attaching.thread_body``."""
    with database.writing(SECONDS):
        now, body = clock.now(), attaching.thread_body(caller, thread)
        row = Thread(handle=new_handle("thread"), created_at=now, body=body, **owner_of(caller))
        row.save(force_insert=True)
        _append(row, thread.messages, now)
    return row


def change_thread(caller: Caller, handle: str, changes: Mapping[str, Any]) -> Thread:
    """Raises ``NoThread``, and as ``attaching.settled``."""
    with database.writing(SECONDS):
        row = one_thread(caller, handle, lock=True)
        row.body = asked.changed(row.body, attaching.settled(caller, changes))
        row.save(update_fields=["body"])
    return row


def delete_thread(caller: Caller, handle: str) -> None:
    """Let a thread go with all that belongs to it; who works on a run of it finds that gone. Raises ``NoThread``."""
    with database.writing(SECONDS):
        thread = one_thread(caller, handle, lock=True)
        # workers write messages, steps and events under their run's lock: none may come while the others go
        list(thread.runs.select_for_update().order_by("pk").values_list("pk"))
        thread.delete()


def add_message(caller: Caller, handle: str, message: asked.Message) -> Message:
    """Raises ``NoThread``, ``ThreadLocked`` while a run works on the thread, and as ``attaching.with_messages``."""
    with database.writing(SECONDS):
        thread = one_thread(caller, handle, lock=True)
        run = expiry.open_run(thread)
        if run:
            raise ThreadLocked(handle, run)
        return add_messages(caller, thread, [message])[0]


def add_messages(caller: Caller, thread: Thread, messages: Sequence[asked.Message]) -> list[Message]:
    """Append messages, with what they attach; within a transaction that locks the thread.

    Raises as ``attaching.with_messages``.
    """
    body = attaching.with_messages(caller, thread.body, messages)
    if body != thread.body:
        thread.body = body
        thread.save(update_fields=["body"])
    return _append(thread, messages, clock.now())


def _append(thread: Thread, messages: Sequence[asked.Message], now: datetime) -> list[Message]:
    rows = [
        Message(
            thread=thread,
            handle=new_handle("message"),
            role=message.role,
            content=message.content,
            attachments=message.attachments,
            metadata=message.metadata,
            created_at=now,
            completed_at=now,
        )
        for message in messages
    ]
    return Message.objects.bulk_create(rows)


def messages(caller: Caller, thread: str, query: Query, run: str = "") -> list[dict[str, Any]]:
    """Return what messages of a thread look like, those of one run where it is named, as ``places.next_to``.

    One that is written by a run whose time is over has ended with it. Raises ``NoThread``, ``Invalid``.
    """
    with database.reading(SECONDS):
        row = one_thread(caller, thread)
    expiry.end_overdue(row.runs.all())
    with database.reading(SECONDS):
        found: QuerySet[Message] = row.messages.all()
        if run:
            found = found.filter(run=run) if is_id(run) else found.none()
        rows = places.next_to(found, query, _messages_of(row.pk), among=row.messages.all())
    return [shown.message(row, thread) for row in rows]


def _messages_of(thread: int) -> str:
    return places.name_of("messages", thread)


def message(caller: Caller, thread: str, handle: str) -> Message:
    """Return a message as it stands, as those of ``messages`` do. Raises ``NoThread``, ``NoMessage``."""
    with database.reading(SECONDS):
        row = one_message(caller, thread, handle)
    if row.status != IN_PROGRESS:
        return row
    expiry.end_overdue(Run.objects.filter(handle=row.run))
    with database.reading(SECONDS):
        return one_message(caller, thread, handle)


def describe_message(caller: Caller, thread: str, handle: str, metadata: Mapping[str, str] | None) -> Message:
    """Put other metadata in the place of a message's, None for none other. Raises ``NoThread``, ``NoMessage``."""
    with database.writing(SECONDS):
        row = one_message(caller, thread, handle, lock=True)
        if metadata is not None:
            row.metadata = metadata
            row.save(update_fields=["metadata"])
    return row


def delete_message(caller: Caller, thread: str, handle: str) -> None:
    """Raises ``NoThread``, ``NoMessage``, and ``MessageOpen`` while a run writes it."""
    with database.writing(SECONDS):
        row = one_message(caller, thread, handle, lock=True)
        if row.status == IN_PROGRESS:
            raise MessageOpen(row.status)
        places.note([(_messages_of(row.thread_id), row.handle, row.pk)])
        row.delete()


def take_from_store(caller: Caller, name: str, file: str) -> None:
    """Take a file out of the caller's vector store, where it still is in it."""
    with suppress(NoStore, NotInStore):
        vectors.remove(caller, name, file)
