"""GET /ollama_logs, LiteLLM's: the end of the log file that a setting names, for admins."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request

from accounts import roles
from gateway import logfile
from gateway.errors import NotAllowed
from gateway.replies import Streamed
from gateway.views.api import ApiView, inquiry_of

OCTETS = [("content-type", "application/octet-stream"), ("cache-control", "no-store")]


class OllamaLogs(ApiView):
    """Give the end of the log. Which file that is stands in the settings, and in nothing that is asked."""

    async def get(self, request: Request) -> Streamed:
        if inquiry_of(request).caller.role != roles.ADMIN:
            raise NotAllowed("Only an admin's key may read the log.")
        tail = await logfile.opened(settings.OLLAMA_LOG, settings.OLLAMA_LOG_BYTES)
        return Streamed(tail.pieces(), tail.size, OCTETS)
