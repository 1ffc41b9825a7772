"""What was exported elsewhere becomes rows of one owner's, under the ids that it had: all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Team, User
from billing import clock
from gateway.assistants import exported
from gateway.assistants.exported import Exported
from gateway.assistants.rows import Assistant, Message, Run, Thread
from gateway.assistants.states import OPEN
from gateway.configuration.changes import NEW, Change
from gateway.files.rows import StoredFile
from gateway.responses.refusals import is_id
from gateway.vectors.rows import VectorStore
from providers import routes
from providers.errors import UnknownModel

AT_ONCE = 500


class Owner(NamedTuple):
    """Whose the rows become: a user's, a user's in a team, or a team's service accounts'."""

    user: User | None
    team: Team | None


class NotImportable(ValueError):
    """Something cannot be taken: each of ``errors`` says what, by its name."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def write(found: Exported, owner: Owner, ids: Mapping[str, str], *, dry_run: bool = False) -> list[Change]:
    """Make the rows and return what that changed; ``ids`` says what files and vector stores are called here.

    Notes in ``found.leftovers`` what is left out. What is here already stays as it is: doing it again adds nothing.
    Raises ``NotImportable``, with nothing changed.
    """
    with transaction.atomic():
        given = exported.with_known(found, _known(found, owner, ids))
        errors = [*given.errors, *_foreign(given, owner)]
        if errors:
            raise NotImportable(errors)
        _note_models(given)
        changes = [*_assistants(given, owner), *_threads(given, owner)]
        transaction.set_rollback(dry_run)
    return changes


def _known(found: Exported, owner: Owner, ids: Mapping[str, str]) -> dict[str, str]:
    """Return the files and vector stores that the owner has here, by what they are called in the export."""
    files, stores = exported.named(found)
    mine = {"user": owner.user, "team": owner.team}
    wanted = {id: ids.get(id, id) for id in files | stores}
    called, here = list(filter(is_id, wanted.values())), set[str]()
    for start in range(0, len(called), AT_ONCE):
        some = called[start : start + AT_ONCE]
        here.update(StoredFile.objects.filter(**mine, pk__in=some).there(clock.now()).values_list("pk", flat=True))
        here.update(VectorStore.objects.filter(**mine, handle__in=some).values_list("handle", flat=True))
    return {id: name for id, name in wanted.items() if name in here}


def _foreign(given: Exported, owner: Owner) -> Iterator[str]:
    for rows, wanted in ((Assistant, given.assistants), (Thread, given.threads)):
        for row in _there(rows.objects.select_related("user", "team"), wanted):
            if (row.user, row.team) != owner:
                yield f"{row.handle}: is here already, and somebody else's"
    threads = {message.id: thread for thread, messages in given.messages.items() for message in messages}
    for row in _there(Message.objects.select_related("thread"), threads):
        if row.thread.handle != threads[row.handle]:
            yield f"{row.handle}: is here already, in another thread"


def _there(rows: QuerySet[Any], wanted: Iterable[str]) -> Iterator[Any]:
    """Yield the rows that are here; a statement takes so many ids and no more."""
    handles = list(wanted)
    for start in range(0, len(handles), AT_ONCE):
        yield from rows.filter(handle__in=handles[start : start + AT_ONCE])


def _note_models(given: Exported) -> None:
    table = routes.load()
    for assistant in given.assistants.values():
        try:
            table.resolve(assistant.body["model"])
        except UnknownModel:
            given.leftovers.note(f"{assistant.id}.model", f"there is no route for '{assistant.body['model']}' here yet")


def _assistants(given: Exported, owner: Owner) -> Iterator[Change]:
    rows = [
        Assistant(handle=each.id, created_at=each.created_at, body=each.body, user=owner.user, team=owner.team)
        for each in sorted(_new(Assistant.objects.all(), given.assistants), key=lambda each: each.created_at)
    ]
    Assistant.objects.bulk_create(rows, AT_ONCE)
    for row in rows:
        yield Change(NEW, f"assistant {row.handle}", (f"name: {row.body.get('name') or '(none)'}",))


def _threads(given: Exported, owner: Owner) -> Iterator[Change]:
    new = [
        Thread(handle=each.id, created_at=each.created_at, body=each.body, user=owner.user, team=owner.team)
        for each in sorted(_new(Thread.objects.all(), given.threads), key=lambda each: each.created_at)
    ]
    made = {row.handle for row in Thread.objects.bulk_create(new, AT_ONCE)}
    rows = {row.handle: row for row in _there(Thread.objects.all(), given.threads)}
    for handle in given.threads:
        said = _addable(given, rows[handle])
        Message.objects.bulk_create([_message(rows[handle], each) for each in said], AT_ONCE)
        if said or handle in made:
            yield Change(NEW, f"thread {handle}", (f"messages: {len(said)}",))


def _new(rows: QuerySet[Any], wanted: Mapping[str, Any]) -> Iterable[Any]:
    there = {row.handle for row in _there(rows, wanted)}
    return [each for handle, each in wanted.items() if handle not in there]


def _addable(given: Exported, thread: Thread) -> list[exported.Message]:
    """Return the messages that the thread has not; not those older than what was said here, or while a run works."""
    there = set(thread.messages.values_list("handle", flat=True))
    said = [each for each in given.messages.get(thread.handle, ()) if each.id not in there]
    if not said or not there:
        return said
    last = thread.messages.order_by("-pk").values_list("created_at", flat=True).first()
    if said[0].created_at < last or Run.objects.filter(thread=thread, status__in=OPEN).exists():
        given.leftovers.note(thread.handle, f"was gone on with here: {len(said)} of its messages are not added")
        return []
    return said


def _message(thread: Thread, message: exported.Message) -> Message:
    return Message(thread=thread, handle=message.id, created_at=message.created_at, **message.row)
