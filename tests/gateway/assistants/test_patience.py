"""What a run, and other work without a request, does while the database is away: it waits, and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from gateway import sandbox
from gateway.asking import DatabaseAway
from gateway.assistants import patience, tooling
from gateway.assistants.rows import Run, Thread, new_handle
from gateway.assistants.tooling import Work
from gateway.callers import caller_with
from gateway.files.rows import StoredFile
from gateway.inquiry import Inquiry
from gateway.sandbox import File, Outcome
from tests.gateway.assistants.running import Caller
from tests.live import Gateway
from tests.upstream import Upstream, streamed

NOW = datetime.now(UTC)
Away = Callable[[str, int], None]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    """Let statements about a table fail, so many times, as they do when the database is not reached."""
    left: dict[str, int] = {}
    execute = CursorWrapper.execute

    def refused(self: CursorWrapper, sql: Any, *args: Any, **kwargs: Any) -> Any:
        for table in [table for table, times in left.items() if times and table in str(sql)]:
            left[table] -= 1
            raise OperationalError("connection refused")
        return execute(self, sql, *args, **kwargs)

    monkeypatch.setattr(CursorWrapper, "execute", refused)
    return left.__setitem__


@pytest.mark.django_db(transaction=True)
async def test_who_calls_cannot_be_told_while_the_database_is_away(away: Away):
    away("accounts_apikey", 1)
    with pytest.raises(DatabaseAway):
        await caller_with(1)


def made_run() -> Run:
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=NOW, body={})
    return Run.objects.create(
        thread=thread, handle=new_handle("run"), assistant="asst_1", status="in_progress", asked={}, created_at=NOW,
        expires_at=NOW + timedelta(minutes=10), fence=1,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
async def test_what_code_has_made_is_kept_once_the_database_is_there_again(away: Away, monkeypatch: pytest.MonkeyPatch):
    async def executed(code: str, fetch: Callable[[], list[File]]) -> Outcome:
        return Outcome("done", [File("a.txt", b"made")], "completed")

    monkeypatch.setattr(sandbox, "execute_with", executed)
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.0)
    run = await sync_to_async(made_run)()
    away("gateway_storedfile", 2)
    ran = await tooling.execute(Work(Inquiry({}, None, None), run, "call_1", '{"code": "1"}', 1, {}))
    (kept,) = await sync_to_async(list)(StoredFile.objects.all())
    assert ran.files == {kept.pk: "a.txt"}


@pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")
def test_a_run_waits_for_its_pictures_while_the_database_is_away(gateway: Gateway, upstream: Upstream):
    if gateway.environment.get("DATABASE_URL", "").startswith("postgres"):
        pytest.skip("there a table that is away is a fault, and no outage")
    upstream.will_stream(streamed(["Nice"]))
    caller = Caller(gateway)
    with gateway.client() as client:
        file = client.post("/v1/files", files={"file": ("a.png", b"PNG")}, data={"purpose": "vision"}).json()["id"]
    content = [{"type": "image_file", "image_file": {"file_id": file}}]
    thread = caller.post("threads", {"messages": [{"role": "user", "content": content}]})["id"]
    assistant = caller.assistant()
    gateway.sql("ALTER TABLE gateway_storedfile RENAME TO gateway_storedfile_away")
    try:
        run = caller.until(caller.begin(thread, assistant), "in_progress", "failed")
        time.sleep(0.3)  # for the run to ask for it in vain
    finally:
        gateway.sql("ALTER TABLE gateway_storedfile_away RENAME TO gateway_storedfile")
    assert caller.rests(run)["status"] == "completed"
    assert upstream.requests[0]["body"]["messages"][0]["content"][0]["image_url"]["url"].endswith(";base64,UE5H")
