"""Assistants, threads and messages in the database: each its caller's, nobody else's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Model, Q, QuerySet

from accounts.callers import Caller
from billing import clock, database
from gateway.assistants import asked, expiry, shown
from gateway.assistants.asked import RUNS_CODE, SEARCHES
from gateway.assistants.bounds import too_many
from gateway.assistants.refusals import (
    Changed,
    MessageOpen,
    NoAssistant,
    NoFile,
    NoMessage,
    NoThread,
    ThreadLocked,
)
from gateway.assistants.rows import Assistant, Message, Thread, new_handle
from gateway.assistants.states import IN_PROGRESS
from gateway.files import store as files
from gateway.owned import owner_of
from gateway.responses.listing import Query
from gateway.responses.refusals import Refusal, is_id, sought
from gateway.validation import Invalid
from gateway.vectors import store as vectors
from gateway.vectors.refusals import NoFile as NotInStore
from gateway.vectors.refusals import NoStore

SECONDS = 5


class Attached(NamedTuple):
    """What messages attach to their thread: files for running code, and those in a vector store, "" where none are.

    ``store_before`` is the thread's as it was found.
    """

    code_files: Sequence[str] = ()
    store: str = ""
    store_files: Sequence[str] = ()
    store_before: str = ""


NOTHING = Attached()


def one_assistant(caller: Caller, handle: str, lock: bool = False) -> Assistant:
    """Return the caller's assistant, to be changed by nobody else in this transaction. Raises ``NoAssistant``."""
    return _one(Assistant.objects.visible_to(caller), handle, NoAssistant, lock)


def one_thread(caller: Caller, handle: str, lock: bool = False) -> Thread:
    """Return the caller's thread; with ``lock`` nobody else adds messages or runs to it in this transaction.

    Raises ``NoThread``.
    """
    return _one(Thread.objects.visible_to(caller), handle, NoThread, lock)


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


def next_to(found: Any, query: Query) -> list[Any]:
    """Return the rows beyond the query's cursor, next to it first, and one more than it asks for. Raises ``Invalid``.

    Rows have handles and are in the order of their numbers. ``listing.paged`` makes a page of what they look like.
    """
    is_rising = (query.order == "asc") != bool(query.before)
    beyond = _beyond(found, query, is_rising=is_rising)
    return list(found.filter(beyond).order_by("pk" if is_rising else "-pk")[: query.limit + 1])


def _beyond(found: QuerySet[Model], query: Query, *, is_rising: bool) -> Q:
    cursor, param = (query.before, "before") if query.before else (query.after, "after")
    if not cursor:
        return Q()
    place = found.filter(handle=cursor).values_list("pk", flat=True).first() if is_id(cursor) else None
    if place is None:
        raise Invalid(f"Invalid value for '{param}': there is no '{cursor:.64}' in this list.", param)
    return Q(pk__gt=place) if is_rising else Q(pk__lt=place)


def make_assistant(caller: Caller, body: Mapping[str, Any]) -> Assistant:
    with database.writing(SECONDS):
        row = Assistant(handle=new_handle("assistant"), created_at=clock.now(), body=body, **owner_of(caller))
        row.save(force_insert=True)
    return row


def assistants(caller: Caller, query: Query) -> list[Assistant]:
    """Return the caller's assistants, as ``next_to``."""
    with database.reading(SECONDS):
        return next_to(Assistant.objects.visible_to(caller), query)


def change_assistant(caller: Caller, handle: str, changes: Mapping[str, Any]) -> Assistant:
    """Raises ``NoAssistant``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        row.body = asked.changed(row.body, changes)
        row.save(update_fields=["body"])
    return row


def attach_to_assistant(caller: Caller, handle: str, attached: Attached) -> Assistant:
    """Raises ``NoAssistant``, ``Changed``, ``Invalid``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        row.body = with_attached(row.body, attached, handle, "file_ids")
        row.save(update_fields=["body"])
    return row


def detach_from_assistant(caller: Caller, handle: str, file: str) -> None:
    """Take a file from an assistant's resources. Raises ``NoAssistant``."""
    with database.writing(SECONDS):
        row = one_assistant(caller, handle, lock=True)
        row.body = without_file(row.body, file)
        row.save(update_fields=["body"])


def delete_assistant(caller: Caller, handle: str) -> None:
    """Let an assistant go; runs of it go on, they have all they need. Raises ``NoAssistant``."""
    with database.writing(SECONDS):
        one_assistant(caller, handle).delete()


def make_thread(caller: Caller, body: Mapping[str, Any], messages: Sequence[asked.Message]) -> Thread:
    with database.writing(SECONDS):
        return insert_thread(caller, body, messages, clock.now())


def insert_thread(caller: Caller, body: Mapping[str, Any], messages: Sequence[asked.Message], now: datetime) -> Thread:
    """Make a thread of what ``attaching.thread_body`` returns; within a transaction."""
    row = Thread(handle=new_handle("thread"), created_at=now, body=body, **owner_of(caller))
    row.save(force_insert=True)
    add_messages(row, messages, now)
    return row


def change_thread(caller: Caller, handle: str, changes: Mapping[str, Any]) -> Thread:
    """Raises ``NoThread``."""
    with database.writing(SECONDS):
        row = one_thread(caller, handle, lock=True)
        row.body = asked.changed(row.body, changes)
        row.save(update_fields=["body"])
    return row


def delete_thread(caller: Caller, handle: str) -> None:
    """Let a thread go with all that belongs to it; who works on a run of it finds that gone. Raises ``NoThread``."""
    with database.writing(SECONDS):
        thread = one_thread(caller, handle, lock=True)
        # workers write messages, steps and events under their run's lock: none may come while the others go
        list(thread.runs.select_for_update().order_by("pk").values_list("pk"))
        thread.delete()


def check_unlocked(thread: Thread) -> None:
    """Raises ``ThreadLocked`` while a run works on the thread."""
    run = expiry.open_run(thread)
    if run:
        raise ThreadLocked(thread.handle, run)


def unlocked_thread(caller: Caller, handle: str) -> Thread:
    """Return a thread to which messages may be added now. Raises ``NoThread``, ``ThreadLocked``."""
    with database.reading(SECONDS):
        thread = one_thread(caller, handle)
    check_unlocked(thread)
    return thread


def add_message(caller: Caller, handle: str, message: asked.Message, attached: Attached) -> Message:
    """Raises ``NoThread``, ``ThreadLocked``, ``Changed``."""
    with database.writing(SECONDS):
        thread = one_thread(caller, handle, lock=True)
        check_unlocked(thread)
        return add_messages(thread, [message], clock.now(), attached)[0]


def add_messages(
    thread: Thread, messages: Sequence[asked.Message], now: datetime, attached: Attached = NOTHING
) -> list[Message]:
    """Append messages and what ``attaching.attached`` returned for them; within a transaction that locks the thread.

    Raises ``Changed``, and ``Invalid`` where the thread would have too many files.
    """
    if attached.code_files or attached.store:
        thread.body = with_attached(thread.body, attached, thread.handle)
        thread.save(update_fields=["body"])
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


def with_attached(
    body: Mapping[str, Any], attached: Attached, handle: str = "", param: str = "attachments"
) -> dict[str, Any]:
    """Return the body of a thread, or an assistant, with what is attached to it. Raises as ``add_messages``."""
    resources = dict(body.get("tool_resources") or {})
    if attached.code_files:
        there = (resources.get(RUNS_CODE) or {}).get("file_ids") or ()
        resources[RUNS_CODE] = {"file_ids": list(dict.fromkeys([*there, *attached.code_files]))}
        if len(resources[RUNS_CODE]["file_ids"]) > asked.MOST_FILES:
            raise too_many(param, asked.MOST_FILES, len(resources[RUNS_CODE]["file_ids"]))
    if attached.store:
        if store_of(body) not in (attached.store, attached.store_before):
            raise Changed(handle)
        resources[SEARCHES] = {"vector_store_ids": [attached.store]}
    store_files = list(dict.fromkeys([*(body.get("store_files") or ()), *attached.store_files]))
    return {**body, "tool_resources": resources, "store_files": store_files}


def without_file(body: Mapping[str, Any], file: str) -> dict[str, Any]:
    resources = dict(body.get("tool_resources") or {})
    if resources.get(RUNS_CODE):
        there = resources[RUNS_CODE].get("file_ids") or ()
        resources[RUNS_CODE] = {"file_ids": [id for id in there if id != file]}
    store_files = [id for id in body.get("store_files") or () if id != file]
    return {**body, "tool_resources": resources, "store_files": store_files}


def store_of(body: Mapping[str, Any]) -> str:
    """Return the vector store of an assistant or a thread, "" where it has none."""
    search = (body.get("tool_resources") or {}).get(SEARCHES) or {}
    return next(iter(search.get("vector_store_ids") or ()), "")


def messages(caller: Caller, thread: str, query: Query, run: str = "") -> list[dict[str, Any]]:
    """Return what messages of a thread look like, those of one run where it is named, as ``next_to``.

    Raises ``NoThread``, ``Invalid``.
    """
    with database.reading(SECONDS):
        found: QuerySet[Message] = one_thread(caller, thread).messages.all()
        if run:
            found = found.filter(run=run) if is_id(run) else found.none()
        return [shown.message(row, thread) for row in next_to(found, query)]


def describe_message(caller: Caller, thread: str, handle: str, metadata: Mapping[str, str]) -> Message:
    """Put other metadata in the place of a message's. Raises ``NoThread``, ``NoMessage``."""
    with database.writing(SECONDS):
        row = one_message(caller, thread, handle, lock=True)
        row.metadata = metadata
        row.save(update_fields=["metadata"])
    return row


def delete_message(caller: Caller, thread: str, handle: str) -> None:
    """Raises ``NoThread``, ``NoMessage``, and ``MessageOpen`` while a run writes it."""
    with database.writing(SECONDS):
        row = one_message(caller, thread, handle, lock=True)
        if row.status == IN_PROGRESS:
            raise MessageOpen(row.status)
        row.delete()


def take_from_store(caller: Caller, name: str, file: str) -> None:
    """Take a file out of the caller's vector store, where it still is in it."""
    with suppress(NoStore, NotInStore):
        vectors.remove(caller, name, file)


def check_named(caller: Caller, file_ids: Iterable[str] = (), stores: Iterable[str] = ()) -> None:
    """Raises ``NoFile`` or ``NoStore`` for the first that is not there, or not the caller's."""
    wanted = [sought(id, NoFile) for id in file_ids]
    with database.reading(SECONDS):
        there = set(files.visible(caller).filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    for id in wanted:
        if id not in there:
            raise NoFile(id)
    vectors.check(caller, stores)
