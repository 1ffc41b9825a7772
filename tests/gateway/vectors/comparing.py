"""What a search finds with pgvector and without: for ``test_pgvector.py``, in a process with a database of its own."""

from __future__ import annotations

import json
import random
from typing import Any

from billing import clock
from gateway.files.rows import PROCESSED, StoredFile
from gateway.vectors import indexing, nearest
from gateway.vectors.asked import USUAL, Asked
from gateway.vectors.embedding import packed
from gateway.vectors.rows import COMPLETED, VectorChunk, VectorFile, VectorStore

PIECES = 60
chance = random.Random(1)


def vector(dimensions: int) -> bytes:
    return packed([chance.gauss(0, 1) for _ in range(dimensions)])


def store(dimensions: int) -> VectorStore:
    now = clock.now()
    row = VectorStore(handle=f"vs_{dimensions}", dimensions=dimensions, created_at=now, last_active_at=now)
    row.save()
    return row


def file(store: VectorStore, name: str) -> VectorFile:
    now = clock.now()
    stored = StoredFile(
        name=name, filename=name, content_type="", bytes=1, purpose="", status=PROCESSED, created_at=now
    )
    stored.save()
    row = VectorFile(store=store, file=stored.pk, filename=name, chunking=USUAL, status=COMPLETED, created_at=now)
    row.save()
    VectorChunk.objects.bulk_create(
        VectorChunk(store=store, file=row, number=n, text=f"{name} {n}", vector=vector(store.dimensions))
        for n in range(PIECES)
    )
    return row


def compare() -> None:
    """Print what is found at each step, as JSON."""
    small, large = store(8), store(300)
    files = [file(small, "a"), file(small, "b"), file(large, "c")]
    queries = {row.pk: [vector(row.dimensions), vector(row.dimensions)] for row in (small, large)}

    def found() -> list[list[Any]]:
        asked = Asked(("q",), most=10)
        return [
            [(each.text, round(each.score, 5)) for each in nearest.best(None, [row.pk], queries[row.pk], asked)]
            for row in (small, large)
        ]

    said: dict[str, Any] = {"without": found(), "was there": indexing.is_there()}
    indexing.prepare()
    said |= {"with": found(), "is there": indexing.is_there(), "left": len(indexing.left_out([f.pk for f in files]))}
    late = file(small, "d")
    said |= {"late": found(), "not in it": len(indexing.left_out([late.pk]))}
    indexing.fill(late.pk)
    said |= {"filled": found(), "in it": len(indexing.left_out([late.pk]))}
    files[0].delete()
    said |= {"deleted": found()}
    print(json.dumps(said))
