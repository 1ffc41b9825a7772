"""What followers of runs are told when they look, and what has become of runs whose time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.assistants import expiry, reading
from gateway.assistants.reading import Place
from gateway.assistants.rows import Run, Thread, new_handle

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC)


def made_run(status: str, expires_at: datetime, **columns: Any) -> Run:
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=NOW, body={})
    said = {"status": status, "asked": {"model": "fake"}, "created_at": NOW, "expires_at": expires_at}
    return Run.objects.create(thread=thread, handle=new_handle("run"), assistant="asst_1", **said | columns)


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelling"])
def test_a_run_whose_time_is_over_expires_for_who_follows_it(status: str):
    late = made_run(status, NOW - timedelta(seconds=1), fence=1)
    due = made_run(status, NOW + timedelta(minutes=10), fence=1)
    places = [Place(late.pk, 0), Place(due.pk, 0), Place(late.pk, 0)]
    reading.look(places)
    first, other, second = reading.look(places).found
    assert [event.name for event in first.events] == ["thread.run.expired"]
    assert (first.is_at_rest, second) == (True, first)
    assert (other.events, other.is_at_rest) == ([], False)
    late.refresh_from_db()
    assert (late.status, late.fence) == ("expired", 2)


def test_a_run_that_has_ended_stays_as_it_is_when_its_time_is_over():
    run = made_run("completed", NOW - timedelta(seconds=1))
    assert reading.look([Place(run.pk, 0)]).found[0].is_at_rest
    run.refresh_from_db()
    assert run.status == "completed"


def test_a_run_whose_time_is_over_is_in_nobodys_way():
    late = made_run("in_progress", NOW - timedelta(seconds=1), fence=1)
    assert expiry.open_run(late.thread) == ""
    late.refresh_from_db()
    assert late.status == "expired"
    due = made_run("in_progress", NOW + timedelta(minutes=10))
    assert expiry.open_run(due.thread) == due.handle
