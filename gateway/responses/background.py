"""The door's side of background responses: checked as a call would be, stored, and workers told of it."""

from __future__ import annotations

from typing import Any

from gateway.asking import in_store
from gateway.hinting import hint
from gateway.inquiry import Inquiry
from gateway.responses import queue
from gateway.responses.tasks import make
from gateway.responses.turn import Turn

# what of a request's headers shapes the call that is made of it
HEADERS = (b"x-tollgate-tags",)


async def queued(inquiry: Inquiry, body: dict[str, Any]) -> dict[str, Any]:
    """Return the response that waits to be made. Raises what the call would be refused for now."""
    turn = Turn(inquiry, body)
    await turn.look_around()
    await turn.consider()
    response = turn.draft.started("queued")
    events = turn.events(is_background=True).begin()[:2] if body.get("stream") else []
    await in_store(queue.enqueue, turn.caller, turn.kept(response), _request(inquiry, body), events)
    hint(make, turn.id)
    return response


def _request(inquiry: Inquiry, body: dict[str, Any]) -> dict[str, Any]:
    headers = {name.decode(): inquiry.headers[name].decode("latin-1") for name in HEADERS if name in inquiry.headers}
    return {"body": body, "headers": headers, "request_id": inquiry.request_id}
