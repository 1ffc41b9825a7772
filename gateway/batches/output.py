"""The files that a batch leaves behind. Blocks: for threads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from django.conf import settings

from billing import clock
from gateway.batches import lines, outcomes, queue
from gateway.batches.rows import Batch
from gateway.files import shelf, store
from gateway.files.rows import StoredFile
from gateway.forms import IN_MEMORY

JSONL = "application/jsonl"


def check(batch: Batch) -> lines.Checked:
    """Return whether the batch's input is good."""
    try:
        with shelf.opened(_input(batch).name) as file:
            return lines.checked(shelf.pieces(file), batch.endpoint, settings.MAX_BODY_BYTES)
    except store.UnknownFile:
        return lines.Checked(0, "", [GONE])


GONE = lines.error("file_not_found", "The input file is not there any more.", "input_file_id", None)


def calls(batch: Batch) -> Iterator[lines.Line]:
    """Return the calls of the batch's input. Raises ``UnknownFile`` where that has gone."""
    return _calls(_input(batch), batch.endpoint)


def _calls(input: StoredFile, endpoint: str) -> Iterator[lines.Line]:
    with shelf.opened(input.name) as file:
        yield from lines.calls(shelf.pieces(file), endpoint, settings.MAX_BODY_BYTES)


def _input(batch: Batch) -> StoredFile:
    owned = StoredFile.objects.filter(user=batch.user_id, team=batch.team_id).there(clock.now())
    found = owned.filter(pk=batch.input_file_id).first()
    if found is None:
        raise store.UnknownFile(batch.input_file_id)
    return found


def written(batch: Batch, unsent: str) -> tuple[StoredFile | None, StoredFile | None]:
    """Write the output and the errors, each where there is anything in it; nobody sees them yet.

    ``unsent`` is the code of the lines that were not run, "" where there are none.
    """
    output = _file(batch, "output", lambda: queue.outcomes(batch.pk, failed=False))
    return output, _file(batch, "error", lambda: _errors(batch, unsent))


def _errors(batch: Batch, unsent: str) -> Iterator[str]:
    yield from queue.outcomes(batch.pk, failed=True)
    if not unsent:
        return
    answered, _ = queue.lines_of(batch.pk)
    try:
        for line in calls(batch):
            if line.number not in answered:
                yield outcomes.unsent(line, unsent)
    except store.UnknownFile:
        return  # what was asked for has gone, and what became of it with it


def _file(batch: Batch, kind: str, texts: Callable[[], Iterable[str]]) -> StoredFile | None:
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=settings.UPLOADS) as file:
        for text in texts():
            file.write(text.encode() + b"\n")
        if not file.tell():
            return None
        return store.put_aside(
            {"user_id": batch.user_id, "team_id": batch.team_id, "api_key_id": batch.api_key_id},
            file,
            filename=f"{batch.pk}_{kind}.jsonl",
            content_type=JSONL,
            purpose="batch_output",
            lasts=timedelta(seconds=batch.lasts) if batch.lasts else None,
        )
