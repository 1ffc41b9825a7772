"""Which pieces are found, as files come and are read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from billing import clock
from gateway.files.rows import PROCESSED, StoredFile
from gateway.vectors import exact, nearest, queue
from gateway.vectors.asked import USUAL, Asked
from gateway.vectors.embedding import packed
from gateway.vectors.rows import COMPLETED, IN_PROGRESS, VectorFile, VectorStore

pytestmark = pytest.mark.django_db(transaction=True)
NEAR, FAR = packed([1.0, 0.1]), packed([1.0, 0.9])
QUERY = packed([1.0, 0.0])


@pytest.fixture
def store() -> VectorStore:
    row = VectorStore(handle="vs_a", model="embed", created_at=clock.now(), last_active_at=clock.now())
    row.save()
    return row


@pytest.fixture
def read(store: VectorStore) -> Callable[[str, list[str], bytes], VectorFile]:
    """Return what puts another file into the store, which is read as these texts, all with one vector."""

    def reads(name: str, texts: list[str], vector: bytes) -> VectorFile:
        stored = StoredFile(name=name, filename=name, bytes=1, status=PROCESSED, created_at=clock.now())
        stored.save()
        row = VectorFile(store=store, file=stored.pk, filename=name, chunking=USUAL, created_at=clock.now())
        row.save()
        read_through(texts, vector)
        return row

    return reads


def read_through(texts: list[str], vector: bytes) -> None:
    taken: Any = queue.take()
    queue.write(taken, "embed", 0, texts, [vector] * len(texts))
    queue.finish(taken)


def read_again(row: VectorFile) -> None:
    """Let a file wait to be read, as one that is added again and cut otherwise does."""
    row.refresh_from_db()
    row.chunks.all().delete()
    VectorFile.objects.filter(pk=row.pk).update(status=IN_PROGRESS, fence=row.fence + 1, attempts=0)


def found(store: VectorStore, most: int = 2) -> list[str]:
    return [each.text for each in nearest.best(None, [store.pk], [QUERY], Asked(("q",), most))]  # type: ignore[arg-type]


def test_a_file_that_is_read_again_is_found_as_it_is_now(store, read):
    row = read("a.txt", ["one", "two"], NEAR)
    read("b.txt", ["other"], FAR)
    assert found(store) == ["one", "two"]
    read_again(row)
    assert found(store) == ["other"]
    read_through(["all"], NEAR)
    assert found(store) == ["all", "other"]


def test_a_file_that_is_read_again_while_it_is_searched_is_found_whole_afterwards(store, read, monkeypatch):
    """The search has seen a file that was read, and finds of it what another reading has written down so far."""
    row = read("a.txt", ["one"], NEAR)
    compare = exact.best

    def best_late(*asked: Any) -> Any:
        monkeypatch.setattr(exact, "best", compare)
        read_again(row)
        taken: Any = queue.take()
        queue.write(taken, "embed", 0, ["first"], [NEAR])
        done = compare(*asked)
        queue.write(taken, "embed", 1, ["second"], [NEAR])
        queue.finish(taken)
        return done

    monkeypatch.setattr(exact, "best", best_late)
    found(store)
    assert VectorFile.objects.get().status == COMPLETED
    assert found(store) == ["first", "second"]
