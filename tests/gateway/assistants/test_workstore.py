"""Runs as their workers deal with them in the database: taken, let go, heard of, offered again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.assistants import expiry
from gateway.assistants.rows import Run, Thread, new_handle
from gateway.assistants.states import QUEUED

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC)


def made_run(status: str = QUEUED, **columns: Any) -> Run:
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=NOW, body={})
    said = {"status": status, "asked": {"model": "fake"}, "created_at": NOW, "expires_at": NOW + timedelta(minutes=10)}
    return Run.objects.create(thread=thread, handle=new_handle("run"), assistant="asst_1", **said | columns)


def test_runs_that_wait_are_offered_again_in_turn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(expiry, "SWEPT_AT_ONCE", 2)
    long_ago = NOW - timedelta(minutes=5)
    runs = [made_run(hinted_at=long_ago + timedelta(seconds=second)) for second in range(3)]
    new = made_run(hinted_at=None)
    again_after = timedelta(seconds=10)
    assert expiry.sweep(again_after) == [new.pk, runs[0].pk]
    assert expiry.sweep(again_after) == [runs[1].pk, runs[2].pk]
    assert expiry.sweep(again_after) == []
