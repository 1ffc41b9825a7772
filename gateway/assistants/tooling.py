"""Tools that are executed here, between two calls of a run's model: search in files, and code."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from django.conf import settings

from accounts.callers import Caller
from gateway import sandbox
from gateway.assistants import citing, offering
from gateway.assistants.patience import when_it_is_there, when_there_is_room
from gateway.assistants.rows import Run
from gateway.assistants.workthreads import in_thread
from gateway.files import reading, store
from gateway.files.rows import StoredFile
from gateway.files.store import UnknownFile
from gateway.forms import IN_MEMORY
from gateway.inquiry import Inquiry
from gateway.sandbox import File, GivenTooMuch, SandboxFailed
from gateway.vectors import keeping, searching
from gateway.vectors.refusals import NoStore, OtherLength
from gateway.vectors.searching import Found

logger = logging.getLogger(__name__)

MOST_FOUND = 20
# how long a search waits for files that are still being read, and how often it looks
READY_SECONDS, LOOK_SECONDS = 60.0, 0.5
RANKING = {"ranker": "default_2024_08_21", "score_threshold": 0.0}
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
NO_CODE = "The code could not be executed: the gateway's sandbox does not work at the moment."


class Work(NamedTuple):
    """A call to execute: its ``place`` in the chat marks what is found; code finds ``files``, which are by name."""

    inquiry: Inquiry
    run: Run
    id: str
    arguments: str
    place: int
    files: Mapping[str, StoredFile]

    @property
    def code(self) -> str:
        return offering.code_of(self.arguments)


class Ran(NamedTuple):
    """What came of a call: ``shown`` as its step has it, ``output`` as its model is told.

    ``sources`` are what may be cited of it, ``files`` the names of the files that it made, by id.
    """

    shown: Mapping[str, Any]
    output: str
    sources: Mapping[str, Mapping[str, Any]] = {}
    files: Mapping[str, str] = {}


def tool_of(run: Run, kind: str) -> Mapping[str, Any]:
    """Return what the run says of a tool of ours."""
    said = next((tool.get(kind) for tool in run.asked.get("tools") or () if tool["type"] == kind), None)
    return said or {}


def resources_of(run: Run, kind: str, name: str) -> list[str]:
    """Return the ids of the files or stores that a tool of ours may use."""
    return list(((run.asked.get("tool_resources") or {}).get(kind) or {}).get(name) or ())


async def search(work: Work) -> Ran:
    """Search in the run's files."""
    id, said = work.id, tool_of(work.run, offering.FILE_SEARCH)
    ranking = {**RANKING, **(said.get("ranking_options") or {})}
    queries = offering.queries_of(work.arguments)
    if not queries:
        return _searched(id, ranking, [], "Nothing was searched for: 'queries' has to be an array of texts.")
    named = resources_of(work.run, offering.FILE_SEARCH, "vector_store_ids")
    stores = await when_there_is_room(lambda: _ready(work.inquiry.caller, named))
    if not stores:
        return _searched(id, ranking, [], "There are no files to search in.")
    try:
        found = await when_there_is_room(lambda: _found(work, stores, queries, said))
    except OtherLength as error:
        return _searched(id, ranking, [], str(error))
    marks = [citing.mark(work.place, number, each.filename) for number, each in enumerate(found)]
    output = citing.passages([(mark, each.text) for mark, each in zip(marks, found, strict=True)])
    sources = {mark: citing.of_file(each.file_id) for mark, each in zip(marks, found, strict=True)}
    return _searched(id, ranking, found, output, sources)


async def _ready(caller: Caller, stores: list[str]) -> list[str]:
    """Return those of ``stores`` that are there, when their files are read; what is not read in time is not found."""
    there = [store for store in stores if await _is_there(caller, store)]
    for _ in range(round(READY_SECONDS / LOOK_SECONDS)):
        if await keeping.is_ready(caller, there):
            break
        await asyncio.sleep(LOOK_SECONDS)
    return there


async def _is_there(caller: Caller, store: str) -> bool:
    try:
        await keeping.check(caller, [store])
    except NoStore:
        return False
    return True


async def _found(work: Work, stores: list[str], queries: list[str], said: Mapping[str, Any]) -> list[Found]:
    """Search in those of ``stores`` that are still there: any may be deleted while files of another are waited for."""
    most, ranking = said.get("max_num_results") or MOST_FOUND, said.get("ranking_options")
    try:
        return await searching.search(work.inquiry, stores, queries, most=most, ranking=ranking)
    except NoStore:
        there = [store for store in stores if await _is_there(work.inquiry.caller, store)]
    return await _found(work, there, queries, said) if there else []


def _searched(
    id: str,
    ranking: Mapping[str, Any],
    found: list[Found],
    output: str,
    sources: Mapping[str, Mapping[str, Any]] | None = None,
) -> Ran:
    results = [
        {
            "file_id": each.file_id,
            "file_name": each.filename,
            "score": each.score,
            "content": [{"type": "text", "text": each.text}],
        }
        for each in found
    ]
    shown = {"id": id, "type": "file_search", "file_search": {"ranking_options": dict(ranking), "results": results}}
    return Ran(shown, output, sources or {})


async def files_of(caller: Caller, run: Run, made: Mapping[str, str]) -> dict[str, StoredFile]:
    """Return the files that the run's code finds in its folder, by their names there: those it was given, then those
    it ``made``, which count where both would stand in one place.
    """
    there: dict[str, StoredFile] = {}
    for id in dict.fromkeys(resources_of(run, offering.CODE_INTERPRETER, "file_ids")):
        if (stored := await _stored(caller, id)) is not None:
            there[sandbox.free_name(stored.filename, there)] = stored
    for id, name in made.items():
        if (stored := await _stored(caller, id)) is not None:
            there = {other: file for other, file in there.items() if not _excludes(name, other)}
            there[name] = stored
    return there


def _excludes(name: str, other: str) -> bool:
    """Whether no folder has both: one of them is where the other, or a folder around it, is."""
    return f"{name}/".startswith(f"{other}/") or f"{other}/".startswith(f"{name}/")


async def _stored(caller: Caller, id: str) -> StoredFile | None:
    try:
        return await reading.file_of(caller, id)
    except UnknownFile:
        return None


async def execute(work: Work) -> Ran:
    """Execute code with its files in its folder; what it leaves there is kept as files of the caller's."""
    try:
        _check_size(work.files.values())
        outcome = await sandbox.execute_with(work.code, lambda: _fetched(work.files))
    except GivenTooMuch:
        return _executed(work, "The code and its files are too large to be executed here.", {})
    except SandboxFailed as error:
        logger.warning("%s: %s", work.run.handle, error)
        return _executed(work, NO_CODE, {})
    made = {await _kept(work.run, file): file.name for file in outcome.files}
    return _executed(work, outcome.logs, made)


def _check_size(files: Iterable[StoredFile]) -> None:
    """Raises ``GivenTooMuch`` before any of it is read."""
    if sum(stored.bytes for stored in files) > settings.SANDBOX_FILES_BYTES:
        raise GivenTooMuch(f"The files have more than {settings.SANDBOX_FILES_BYTES:,} bytes together.")


def _fetched(files: Mapping[str, StoredFile]) -> list[File]:
    """Return the files that are still there, for threads: any may be deleted while its code is being written."""
    found = []
    for name, stored in files.items():
        with suppress(UnknownFile):
            found.append(File(name, reading.whole(stored)))
    return found


async def _kept(run: Run, file: File) -> str:
    return await when_it_is_there(lambda: in_thread(_keep, run, file))


def _keep(run: Run, made: File) -> str:
    """Keep a file that code has made; it is there once its step is done."""
    owner = {"user_id": run.user_id, "team_id": run.team_id, "api_key_id": run.api_key_id}
    name = PurePosixPath(made.name).name
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=settings.UPLOADS) as file:
        file.write(made.data)
        row = store.put_aside(
            owner,
            file,
            filename=name,
            content_type=_type_of(name),
            purpose="assistants_output",
            lasts=None,
        )
    return row.pk


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _executed(work: Work, logs: str, made: Mapping[str, str]) -> Ran:
    pictures = [file for file, name in made.items() if _type_of(name) in PICTURES]
    outputs: list[dict[str, Any]] = [{"type": "logs", "logs": logs}] if logs else []
    outputs += [{"type": "image", "image": {"file_id": file}} for file in pictures]
    interpreted = {"input": work.code, "outputs": outputs}
    shown = {"id": work.id, "type": "code_interpreter", "code_interpreter": interpreted}
    told = [logs, *(f"(It has made {offering.FOLDER}/{name}.)" for name in made.values())]
    sources = {f"sandbox:{offering.FOLDER}/{name}": citing.of_path(file) for file, name in made.items()}
    return Ran(shown, "\n".join(filter(None, told)) or "(It has printed nothing.)", sources, made)
