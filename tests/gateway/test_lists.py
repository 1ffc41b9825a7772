"""Places in lists: of what is there, of what is left out, of what has gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.callers import Caller
from billing import clock
from gateway.assistants.tasks import drop_old_events
from gateway.fieldchecks import Invalid
from gateway.lists import places
from gateway.lists.rows import Gone
from gateway.responses.listing import Query
from gateway.vectors import store
from gateway.vectors.asked import USUAL, Listing
from gateway.vectors.rows import COMPLETED, IN_PROGRESS, VectorBatch, VectorFile, VectorStore

pytestmark = pytest.mark.django_db
CALLER = Caller(
    key_id=1, public_id="", key_name="", user_id=None, user_email="", team_id=None, team_name="", role="member"
)


def read(batch: str, after: str = "") -> list[str]:
    listing = Listing(Query(limit=2, order="asc", after=after), IN_PROGRESS)
    return [each["id"] for each in store.files_page(CALLER, "vs_1", listing, batch)["data"]]


@pytest.mark.parametrize("batch", ["", "vsfb_1"])
def test_a_list_of_some_is_read_on_behind_what_is_none_of_them_any_more(batch: str):
    now = clock.now()
    row = VectorStore.objects.create(handle="vs_1", created_at=now, last_active_at=now)
    together = VectorBatch.objects.create(store=row, handle="vsfb_1", created_at=now)
    for number in range(4):
        file = VectorFile.objects.create(store=row, file=f"file-{number}", chunking=USUAL, created_at=now)
        file.batches.add(together)
    assert read(batch) == ["file-0", "file-1"]
    VectorFile.objects.filter(file="file-1").update(status=COMPLETED)
    assert read(batch, "file-1") == ["file-2", "file-3"]
    with pytest.raises(Invalid):
        read(batch, "file-4")


def test_places_of_what_has_gone_are_forgotten_after_a_day():
    places.note([("messages 1", "msg_1", 1)])
    Gone.objects.update(gone_at=clock.now() - timedelta(days=1, minutes=1))
    places.note([("messages 1", "msg_2", 2)])
    drop_old_events()
    assert list(Gone.objects.values_list("item", flat=True)) == ["msg_2"]
