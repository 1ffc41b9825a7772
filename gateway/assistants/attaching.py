"""Files and vector stores that assistants, threads and messages name: the caller's own, or made as described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.callers import Caller
from gateway.asking import in_store
from gateway.assistants import asked, store
from gateway.assistants.asked import RUNS_CODE, SEARCHES
from gateway.assistants.rows import Thread
from gateway.assistants.store import Attached
from gateway.vectors import keeping
from gateway.vectors.refusals import NoStore


async def settled(caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
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
    await in_store(store.check_named, caller, [*code_files, *files], named)
    if SEARCHES not in resources:
        return {**given, "tool_resources": resources}
    if described is None:
        return {**given, "tool_resources": {**resources, SEARCHES: _named(named)}}
    made = await keeping.store_with(caller, files, described.get("chunking_strategy"), described.get("metadata"))
    return {**given, "tool_resources": {**resources, SEARCHES: _named([made])}, "store_files": files}


def _named(stores: Sequence[str]) -> dict[str, list[str]]:
    return {"vector_store_ids": list(stores)}


async def thread_body(caller: Caller, thread: asked.Thread) -> dict[str, Any]:
    """Return what is kept of a thread to make, files of its messages attached. Raises as ``settled``."""
    given = {"tool_resources": thread.resources, "metadata": thread.metadata}
    await in_store(store.check_named, caller, _files(thread.messages))
    body = await settled(caller, given)
    attached = await _attached(caller, body, thread.messages)
    return store.with_attached(body, attached) if attached.code_files or attached.store else body


async def attached(caller: Caller, thread: Thread, messages: Sequence[asked.Message]) -> Attached:
    """Return what messages attach to their thread, for ``store.add_messages``: its vector store has their files.

    Raises ``NoFile``, ``Invalid``.
    """
    await in_store(store.check_named, caller, _files(messages))
    return await _attached(caller, thread.body, messages)


def _files(messages: Sequence[asked.Message]) -> list[str]:
    return list(dict.fromkeys(file for message in messages for file in message.files))


async def _attached(caller: Caller, body: Mapping[str, Any], messages: Sequence[asked.Message]) -> Attached:
    code_files = [file for message in messages for file in message.files_for(RUNS_CODE)]
    searched = list(dict.fromkeys(file for message in messages for file in message.files_for(SEARCHES)))
    before = store.store_of(body)
    return Attached(code_files, await in_a_store(caller, before, searched), searched, before)


async def with_file(caller: Caller, body: Mapping[str, Any], file: str) -> Attached:
    """Return what ``file`` is for an assistant: for running code, for search, as its tools say."""
    types = {tool["type"] for tool in body.get("tools") or ()}
    before, searched = store.store_of(body), [file] if SEARCHES in types else []
    code_files = [file] if RUNS_CODE in types or not searched else []
    return Attached(code_files, await in_a_store(caller, before, searched), searched, before)


async def in_a_store(caller: Caller, name: str, files: Sequence[str]) -> str:
    """Return the vector store that has ``files``: the one called ``name`` where it is there, else a new one."""
    if not files:
        return ""
    if name:
        try:
            await keeping.add(caller, name, files)
        except NoStore:  # somebody has deleted it
            return await keeping.store_with(caller, files)
        return name
    return await keeping.store_with(caller, files)
