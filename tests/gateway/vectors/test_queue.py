"""Files that wait to be read, as processes take them and write them down."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from accounts.models import ApiKey, User
from billing import clock
from gateway.files.rows import PROCESSED, StoredFile
from gateway.vectors import queue
from gateway.vectors.asked import USUAL
from gateway.vectors.embedding import packed
from gateway.vectors.queue import Lost, OtherDimensions
from gateway.vectors.rows import COMPLETED, IN_PROGRESS, VectorChunk, VectorFile, VectorStore

pytestmark = pytest.mark.django_db(transaction=True)
VECTOR = packed([3.0, 4.0])


@pytest.fixture
def put() -> Callable[..., VectorFile]:
    """Return what puts another file into a store, a new one where none is named."""

    def puts(handle: str = "vs_a", key: ApiKey | None = None) -> VectorFile:
        now = clock.now()
        store, _ = VectorStore.objects.get_or_create(
            handle=handle, defaults={"model": "embed", "created_at": now, "last_active_at": now, "api_key": key}
        )
        number = StoredFile.objects.count()
        stored = StoredFile(id=f"file-{number}", name="x", filename="a.txt", bytes=1, status=PROCESSED, created_at=now)
        stored.save()
        row = VectorFile(store=store, file=stored.pk, chunking=USUAL, created_at=now)
        row.save()
        return row

    return puts


def test_each_file_is_taken_once_and_another_store_goes_first(put):
    first, second, other = put("vs_a"), put("vs_a"), put("vs_b")
    taken = [queue.take() for _ in range(4)]
    assert [each and each.id for each in taken] == [first.pk, other.pk, second.pk, None]
    assert queue.waiting(4) == 0


@pytest.fixture
def key() -> Callable[[], ApiKey]:
    """Return what makes another API key."""

    def makes() -> ApiKey:
        number = str(ApiKey.objects.count())
        user = User.objects.create(email=f"{number}@example.com")
        return ApiKey.objects.create(public_id=number, digest=number, user=user)

    return makes


def test_who_has_many_stores_does_not_keep_others_from_theirs(put, key):
    one, other = key(), key()
    first, second, third = (put(f"vs_{number}", one) for number in range(3))
    late = put("vs_late", other)
    assert [queue.take().id for _ in range(4)] == [first.pk, late.pk, second.pk, third.pk]


def test_files_of_keys_that_are_named_are_left_to_others(put, key):
    one, other = key(), key()
    first, second, third = put("vs_a", one), put("vs_b", other), put("vs_c")
    assert [queue.take([one.pk]).id for _ in range(2)] == [second.pk, third.pk]
    assert queue.take([one.pk]) is None
    assert queue.take().id == first.pk


def test_what_is_put_off_waits_for_its_time_and_loses_nothing(put):
    row = put()
    taken = queue.take()
    queue.write(taken, "embed", 0, ["one"], [VECTOR])
    queue.put_off(taken, 3_600)
    assert (queue.take(), queue.waiting(4)) == (None, 0)
    with pytest.raises(Lost):
        queue.renew(taken)
    VectorFile.objects.update(lease_until=clock.now() - queue.LEASE)
    again = queue.take()
    row.refresh_from_db()
    assert (again.id, again.done, row.attempts) == (row.pk, 1, 1)


def test_what_is_released_is_taken_again_and_was_no_try(put):
    put()
    taken = queue.take()
    queue.release(taken)
    again = queue.take()
    assert (again.id, again.fence) == (taken.id, taken.fence + 1)
    assert VectorFile.objects.get().attempts == 1


def test_whose_lease_has_ended_writes_nothing_more(put):
    row = put()
    taken = queue.take()
    VectorFile.objects.update(lease_until=clock.now() - queue.LEASE)
    successor = queue.take()
    for write in (
        lambda: queue.write(taken, "embed", 0, ["text"], [VECTOR]),
        lambda: queue.finish(taken),
        lambda: queue.fail(taken, "server_error", "late"),
        lambda: queue.renew(taken),
    ):
        with pytest.raises(Lost):
            write()
    queue.release(taken)
    queue.write(successor, "embed", 0, ["text"], [VECTOR])
    queue.finish(successor)
    row.refresh_from_db()
    assert (row.status, row.usage_bytes, row.chunks.count()) == (COMPLETED, 4 + 8, 1)


def test_a_successor_goes_on_behind_what_is_written(put):
    put()
    queue.write(queue.take(), "embed", 0, ["one", "two"], [VECTOR, VECTOR])
    VectorFile.objects.update(lease_until=None)
    successor = queue.take()
    assert successor.done == 2
    queue.write(successor, "embed", successor.done, ["three"], [VECTOR])
    assert list(VectorChunk.objects.order_by("number").values_list("text", flat=True)) == ["one", "two", "three"]


def test_what_failed_leaves_no_pieces(put):
    row = put()
    taken = queue.take()
    queue.write(taken, "embed", 0, ["one"], [VECTOR])
    queue.fail(taken, "invalid_file", "no")
    row.refresh_from_db()
    assert (row.last_error, row.chunks.count()) == ({"code": "invalid_file", "message": "no"}, 0)


def test_a_file_that_nobody_brings_to_an_end_is_given_up(put):
    row = put()
    for _ in range(queue.MOST_TAKEN):
        assert queue.take()
        VectorFile.objects.update(lease_until=None)
    assert queue.take() is None
    row.refresh_from_db()
    assert (row.status, row.last_error["code"]) == ("failed", "server_error")


def test_the_first_vectors_say_what_all_are(put):
    put()
    put()
    first, second = queue.take(), queue.take()
    queue.write(first, "embed", 0, ["one"], [VECTOR])
    with pytest.raises(OtherDimensions):
        queue.write(second, "embed", 0, ["one"], [packed([1.0])])
    with pytest.raises(OtherDimensions):
        queue.write(second, "other", 0, ["one"], [VECTOR])
    assert (VectorStore.objects.get().model, VectorStore.objects.get().dimensions) == ("embed", 2)


def test_first_vectors_that_come_at_one_time_are_alike(put, monkeypatch):
    """Both see a store without any, and the second waits for the first."""
    put()
    put()
    both = [queue.take(), queue.take()]
    looked = threading.Barrier(2, timeout=20)
    failed: list[BaseException] = []
    if connection.vendor == "sqlite":
        looked = threading.Barrier(1)  # its writers wait for each other from the beginning
    exists = type(VectorStore.objects.all()).exists

    def exists_together(rows: object) -> bool:
        found = exists(rows)
        looked.wait()
        return found

    monkeypatch.setattr(type(VectorStore.objects.all()), "exists", exists_together)

    def write(taken: queue.Taken) -> None:
        try:
            queue.write(taken, "embed", 0, ["text"], [VECTOR])
        except BaseException as error:  # noqa: BLE001 the test tells it
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(taken,)) for taken in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert VectorChunk.objects.count() == 2
    assert VectorFile.objects.filter(status=IN_PROGRESS).count() == 2
