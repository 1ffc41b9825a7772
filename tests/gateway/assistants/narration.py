"""What the process of a ``Narrator`` runs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import ApiKey
from gateway.assistants import bell, log
from gateway.assistants.rows import Run, RunEvents, Thread, new_handle

NOW = datetime.now(UTC)
FENCE = 1


def main() -> None:
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(VERBS[verb](*arguments)), flush=True)


def make(key: str) -> list[str]:
    owner = ApiKey.objects.get(digest=hashlib.sha256(key.encode()).hexdigest())
    owned = {"user_id": owner.user_id, "team_id": owner.team_id, "api_key": owner}
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=NOW, body={}, **owned)
    run = Run.objects.create(
        thread=thread, handle=new_handle("run"), assistant="asst_1", status="queued", asked={"model": "demo"},
        created_at=NOW, expires_at=NOW + timedelta(minutes=10), fence=FENCE, **owned,
    )  # fmt: skip
    return [thread.handle, run.handle]


def append(handle: str, events: list[Any], status: str) -> None:
    with transaction.atomic():
        run = Run.objects.select_for_update().get(handle=handle)
        run.status = status
        log.append(run, [tuple(event) for event in events])
        run.save()


def tell(handle: str, events: list[Any]) -> None:
    asyncio.run(_told(log.Telling(Run.objects.get(handle=handle).pk, FENCE), events))


async def _told(telling: log.Telling, events: list[Any]) -> None:
    telling.add([tuple(event) for event in events])
    await telling.flush()


def whisper(handle: str, events: list[Any], status: str) -> None:
    rung, bell.ring = bell.ring, lambda runs: None
    try:
        append(handle, events, status)
    finally:
        bell.ring = rung


def prattle(handle: str, count: int) -> None:
    with transaction.atomic():
        run = Run.objects.select_for_update().get(handle=handle)
        for number in range(count):
            log.append(run, [("thread.message.delta", {"number": number})])
        run.save()


def delete(thread: str) -> None:
    Thread.objects.get(handle=thread).delete()


def forget(handle: str) -> None:
    RunEvents.objects.filter(run__handle=handle).update(created_at=NOW - timedelta(days=2))
    log.drop_old()


VERBS = {each.__name__: each for each in (make, append, tell, whisper, prattle, delete, forget)}
