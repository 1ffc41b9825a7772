"""Files and vector stores that assistants, threads and messages name: the caller's own, or made as described.

All of it within the transaction that makes or changes what names them: where that is refused, nothing was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from accounts.callers import Caller
from billing import database
from gateway.assistants import asked
from gateway.assistants.asked import RUNS_CODE, SEARCHES
from gateway.assistants.bounds import too_many
from gateway.assistants.refusals import NoFile
from gateway.files import store as files
from gateway.responses.refusals import sought
from gateway.vectors import keeping
from gateway.vectors import store as vectors
from gateway.vectors.refusals import NoStore

SECONDS = 5


class Attached(NamedTuple):
    """What a thread or an assistant gets: files for running code, and those in a vector store, "" for none."""

    code_files: Sequence[str] = ()
    store: str = ""
    store_files: Sequence[str] = ()


def settled(caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``given`` with tool resources that name nothing but what is there: a vector store that they describe is
    made, and ``store_files`` are the files in it. Raises ``NoFile``, ``NoStore``, ``Invalid``.
    """
    if given.get("tool_resources") is None:
        return dict(given)
    resources = asked.resources_of(given["tool_resources"])
    search = resources.get(SEARCHES, {})
    named, described = search.get("vector_store_ids", ()), next(iter(search.get("vector_stores", ())), None)
    files = list(dict.fromkeys((described or {}).get("file_ids") or ()))
    code_files = resources.get(RUNS_CODE, asked.NO_FILES)["file_ids"]
    check_named(caller, [*code_files, *files], named)
    if SEARCHES not in resources:
        return {**given, "tool_resources": resources}
    if described is None:
        return {**given, "tool_resources": {**resources, SEARCHES: _named(named)}}
    made = keeping.store_with(caller, files, described.get("chunking_strategy"), described.get("metadata"))
    return {**given, "tool_resources": {**resources, SEARCHES: _named([made])}, "store_files": files}


def _named(stores: Sequence[str]) -> dict[str, list[str]]:
    return {"vector_store_ids": list(stores)}


def thread_body(caller: Caller, thread: asked.Thread) -> dict[str, Any]:
    """Return what is kept of a thread to make, files of its messages attached. Raises as ``settled``."""
    body = settled(caller, {"tool_resources": thread.resources, "metadata": thread.metadata})
    return with_messages(caller, body, thread.messages)


def with_messages(caller: Caller, body: Mapping[str, Any], messages: Sequence[asked.Message]) -> dict[str, Any]:
    """Return the body of a thread with what ``messages`` attach to it: its vector store has their files.

    Raises ``NoFile``, ``StoreExpired``, ``Invalid``.
    """
    check_named(caller, dict.fromkeys(file for message in messages for file in message.files))
    code_files = [file for message in messages for file in message.files_for(RUNS_CODE)]
    searched = list(dict.fromkeys(file for message in messages for file in message.files_for(SEARCHES)))
    if not code_files and not searched:
        return dict(body)
    attached = Attached(code_files, _store_with(caller, store_of(body), searched), searched)
    return with_attached(body, attached)


def with_file(caller: Caller, body: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return the body of an assistant with ``file``, for running code, for search, as its tools say.

    Raises ``NoFile``, ``StoreExpired``, ``Invalid``.
    """
    check_named(caller, [file])
    types = {tool["type"] for tool in body.get("tools") or ()}
    searched = [file] if SEARCHES in types else []
    code_files = [file] if RUNS_CODE in types or not searched else []
    attached = Attached(code_files, _store_with(caller, store_of(body), searched), searched)
    return with_attached(body, attached, "file_ids")


def _store_with(caller: Caller, name: str, files: Sequence[str]) -> str:
    """Return the vector store that has ``files``: the one called ``name`` where it is there, else a new one."""
    if not files:
        return ""
    if name:
        try:
            keeping.add(caller, name, files)
        except NoStore:  # somebody has deleted it
            return keeping.store_with(caller, files)
        return name
    return keeping.store_with(caller, files)


def with_attached(body: Mapping[str, Any], attached: Attached, param: str = "attachments") -> dict[str, Any]:
    """Return a body with what is attached to it. Raises ``Invalid`` where it would have too many files."""
    resources = dict(body.get("tool_resources") or {})
    if attached.code_files:
        there = (resources.get(RUNS_CODE) or {}).get("file_ids") or ()
        resources[RUNS_CODE] = {"file_ids": list(dict.fromkeys([*there, *attached.code_files]))}
        if len(resources[RUNS_CODE]["file_ids"]) > asked.MOST_FILES:
            raise too_many(param, asked.MOST_FILES, len(resources[RUNS_CODE]["file_ids"]))
    if attached.store:
        resources[SEARCHES] = _named([attached.store])
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


def check_named(caller: Caller, file_ids: Iterable[str] = (), stores: Iterable[str] = ()) -> None:
    """Raises ``NoFile`` or ``NoStore`` for the first that is not there, or not the caller's."""
    wanted = [sought(id, NoFile) for id in file_ids]
    with database.reading(SECONDS):
        there = set(files.visible(caller).filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    for id in wanted:
        if id not in there:
            raise NoFile(id)
    vectors.check(caller, stores)
