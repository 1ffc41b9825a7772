"""/healthz (alive), /readyz (can serve), /metrics (Prometheus)."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request

from gateway import metrics, runtime
from gateway.replies import Reply
from gateway.views.api import ApiView


class Alive(ApiView):
    """The process answers."""

    needs_key = False

    async def get(self, request: Request) -> Reply:
        return Reply.json({"status": "ok"})


class Ready(ApiView):
    """Whether calls can be served, and what cannot."""

    needs_key = False

    async def get(self, request: Request) -> Reply:
        checks = runtime.current().checks()
        ready = is_ready(checks)
        state = {"status": "ok" if ready else "unavailable", "checks": checks}
        return Reply.json(state, 200 if ready else 503)


class Metrics(ApiView):
    """Counters and histograms in Prometheus' text format; no key, user or address is in them."""

    needs_key = False

    async def get(self, request: Request) -> Reply:
        return Reply(metrics.exposition(), [("content-type", CONTENT_TYPE_LATEST)])


def is_ready(checks: Mapping[str, str]) -> bool:
    """Whether calls are served: without what is merely away they go on."""
    return checks["configuration"] == "ok" and checks["journal"] == "ok"
