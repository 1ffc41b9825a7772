"""/v1/threads/{thread_id}/runs/{run_id}/events: what was told of a run, for clients that lost their stream. Ours."""

from __future__ import annotations

from typing import NoReturn

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request

from gateway.assistants.consumers import EventStream
from gateway.views.api import ApiView


class Events(ApiView):
    """Stream a run's events: from its first, or from the one after ``Last-Event-ID``."""

    consumer = EventStream
    always_streams = True

    async def get(self, request: Request, **path: str) -> NoReturn:
        """Say that there is a GET here: the door hands it to the consumer, which alone can stream."""
        raise MethodNotAllowed("GET")
