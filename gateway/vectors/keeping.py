"""Vector stores as callers, assistants and threads use them: workers are told of what there is to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction

from accounts.callers import Caller
from gateway.asking import in_store
from gateway.hinting import hint
from gateway.vectors import embedding, store
from gateway.vectors.asked import NewFile, NewStore, chunking_of
from gateway.vectors.rows import VectorFile
from gateway.vectors.store import Seen
from gateway.vectors.tasks import begin


def store_with(
    caller: Caller,
    file_ids: Sequence[str],
    chunking: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Return the id of a new store of the caller's that workers put these files into once the transaction commits.

    ``chunking`` is a ``chunking_strategy`` of the wire, None for the usual one. Raises ``Invalid`` where that is none,
    ``UnknownFile`` where a file is not the caller's; then nothing is made.
    """
    asked = NewStore(file_ids=tuple(dict.fromkeys(file_ids)), chunking=chunking_of(chunking), metadata=metadata)
    made = store.make(caller, asked, embedding.model_now())
    _hint_when_committed()
    return str(made.body["id"])


def add(caller: Caller, handle: str, file_ids: Sequence[str]) -> None:
    """Add files to the caller's store; those that it has are left as they are. For attachments of messages.

    Workers read them once the transaction commits. Raises ``NoStore``, ``StoreExpired``, ``UnknownFile``, ``Invalid``.
    """
    store.add(caller, handle, [NewFile(id) for id in dict.fromkeys(file_ids)])
    _hint_when_committed()


def _hint_when_committed() -> None:
    transaction.on_commit(partial(hint, begin))


async def make(caller: Caller, asked: NewStore) -> Seen:
    """Make a store. Raises ``UnknownFile``."""
    made = await in_store(store.make, caller, asked, embedding.model_now())
    if asked.file_ids:
        hint(begin)
    return made


async def put(caller: Caller, handle: str, files: Sequence[NewFile]) -> list[VectorFile]:
    """Add files and return them as they are in the store. Raises as ``add``."""
    added = await in_store(store.add, caller, handle, files)
    hint(begin)
    return added


async def put_together(caller: Caller, handle: str, files: Sequence[NewFile]) -> Seen:
    """Add files as a batch. Raises as ``put``."""
    made = await in_store(store.add_together, caller, handle, files)
    hint(begin)
    return made


async def check(caller: Caller, handles: Sequence[str]) -> None:
    """Check that the caller has all these stores. Raises ``NoStore``."""
    await in_store(store.check, caller, handles)


async def is_ready(caller: Caller, handles: Sequence[str]) -> bool:
    """Whether no file of these stores is still being read; who searches earlier finds what is there."""
    return await in_store(store.is_ready, caller, handles)
